import { Jid } from '../xmpp/jid.ts';

/** The address whose owner runs the exchange, or why there is none (RFC 6120 §6.5). */
export type Whom =
  | { readonly address: string }
  | { readonly condition: 'malformed-request' | 'not-authorized' };

/**
 * Who is asked to run an exchange: the owner of the account that its first message names, which judges it alone; where
 * it names nobody, the owner of the domain (DESIGN §5).
 */
export function whom(mechanism: string, data: Uint8Array, domain: string): Whom {
  if (nameless.has(mechanism)) return { address: domain };
  if (mechanism === 'OAUTHBEARER') return bearer(data, domain);
  const user =
    mechanism === 'PLAIN' ? plainUser(data) : mechanism.startsWith('HT-') ? tokenUser(data) : scramUser(data);
  if (user === undefined) return { condition: 'malformed-request' };
  const address = Jid.of(user, domain);
  // A name that cannot be an account is answered as one that is none.
  if (address === undefined || address.local === '') return { condition: 'not-authorized' };
  return { address: address.bare };
}

/** What proves who it is without a name: a certificate says it, and who is anonymous has none. */
const nameless = new Set(['EXTERNAL', 'ANONYMOUS']);

/** RFC 4616 §2: authzid NUL authcid NUL passwd. */
function plainUser(data: Uint8Array): string | undefined {
  const parts = utf8(data)?.split('\0');
  return parts?.length === 3 ? parts[1] : undefined;
}

/** RFC 5802 §7: `gs2-header n=name,r=nonce…`, with =2C for a comma and =3D for the equals sign. */
function scramUser(data: Uint8Array): string | undefined {
  const found = /^(?:[ny]|p=[A-Za-z0-9.-]+),(?:a=[^,]*)?,n=([^,]+),r=/.exec(utf8(data) ?? '')?.[1];
  return found === undefined ? undefined : saslname(found);
}

/** draft-schmaus-kitten-sasl-ht-09 §3.1: authcid NUL initiator-hashed-token. */
function tokenUser(data: Uint8Array): string | undefined {
  const end = data.indexOf(0);
  return end < 1 ? undefined : utf8(data.subarray(0, end));
}

/** The authorization identity of a first message; '' where it has none. */
export function authzidOf(mechanism: string, data: Uint8Array): string {
  if (mechanism === 'ANONYMOUS' || mechanism.startsWith('HT-')) return '';
  const said = utf8(data) ?? '';
  if (mechanism === 'EXTERNAL') return said;
  if (mechanism === 'PLAIN') return said.split('\0', 1)[0] ?? '';
  return saslname(/^(?:[ny]|p=[A-Za-z0-9.-]+),a=([^,]*),/.exec(said)?.[1] ?? '') ?? '';
}

/** RFC 7628 §3.1: the gs2-header may name the account; the token alone says who it is. */
function bearer(data: Uint8Array, domain: string): Whom {
  const named = /^[ny],a=([^,]+),/.exec(utf8(data) ?? '')?.[1];
  const address = named === undefined ? undefined : Jid.parse(saslname(named) ?? '');
  return { address: address?.domain === domain && address.local !== '' ? address.bare : domain };
}

function saslname(text: string): string | undefined {
  if (/=(?!2C|3D)/.test(text)) return undefined;
  return text.replaceAll('=2C', ',').replaceAll('=3D', '=');
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function utf8(data: Uint8Array): string | undefined {
  try {
    return decoder.decode(data);
  } catch {
    return undefined;
  }
}
