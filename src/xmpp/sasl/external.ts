import { isUtf8 } from 'node:buffer';
import { Jid } from '../jid.ts';
import { namesOf } from './certificate.ts';
import { refuse } from './sasl.ts';
import type { Exchange, Step } from './sasl.ts';

/** What an EXTERNAL exchange needs. */
export interface ExternalOptions {
  /** The domain that the stream is for. */
  readonly domain: string;
  /** The client's certificate (DER), verified by TLS. */
  readonly certificate: Uint8Array;
  /** Whether there is such an account, by its local part in normal form. */
  readonly exists: (username: string) => Promise<boolean>;
}

/** EXTERNAL (RFC 4422 appendix A) with a client's certificate, as XEP-0178 §2 says. */
export function openExternal(options: ExternalOptions): Exchange {
  let done = false;
  return {
    step(data: Uint8Array): Promise<Step> | Step {
      if (done || !isUtf8(data)) return refuse('malformed-request');
      done = true;
      return authorise(options, Buffer.from(data).toString());
    },
  };
}

async function authorise({ domain, certificate, exists }: ExternalOptions, said: string): Promise<Step> {
  if (said.includes('\0')) return refuse('malformed-request');
  const addresses = accountsOf(certificate);
  const [only, ...more] = addresses;
  if (only === undefined) return refuse('not-authorized', 'the certificate names no account');
  // XEP-0178 §2 step 11b: which of them is for the client to say.
  if (said === '' && more.length > 0)
    return refuse('invalid-authzid', 'the certificate names several accounts');
  const wanted = said === '' ? only : Jid.parse(said)?.full;
  if (wanted === undefined || !addresses.includes(wanted)) return refuse('invalid-authzid');
  const jid = Jid.parse(wanted);
  // Who is of another domain has to open a stream to that.
  if (jid === undefined || jid.domain !== domain)
    return refuse(said === '' ? 'not-authorized' : 'invalid-authzid');
  return (await exists(jid.local)) ? { kind: 'success', username: jid.local } : refuse('not-authorized');
}

/** Bare addresses in normal form, each once; those of mail only where there is none of XMPP. */
function accountsOf(certificate: Uint8Array): readonly string[] {
  const { xmpp, mail } = namesOf(certificate);
  const found = new Set<string>();
  for (const name of xmpp.length > 0 ? xmpp : mail) {
    const jid = Jid.parse(name);
    if (jid !== undefined && jid.local !== '' && jid.resource === '') found.add(jid.bare);
  }
  return [...found];
}
