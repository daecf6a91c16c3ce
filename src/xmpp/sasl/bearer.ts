import { isUtf8 } from 'node:buffer';
import { Jid } from '../jid.ts';
import { refuse } from './sasl.ts';
import type { Exchange, Step } from './sasl.ts';

/** Whom a token is for; or what RFC 6750 §3.1 calls what is wrong with it. */
export type Bearing = { readonly name: string } | { readonly error: 'invalid_token' | 'insufficient_scope' };

/** What an OAUTHBEARER exchange needs. */
export interface BearerOptions {
  /** The domain that the stream is for. */
  readonly domain: string;
  /** Whom the token names: a local part, or an address. Rejects where that cannot be found out now. */
  readonly verify: (token: string) => Promise<Bearing>;
  /** Whether there is such an account, by its local part in normal form. */
  readonly exists: (username: string) => Promise<boolean>;
  /** Told to a client whose token does not do (RFC 7628 §3.2.2). */
  readonly scope?: string | undefined;
  readonly discovery?: string | undefined;
}

/** OAUTHBEARER (RFC 7628), server side: one message with a token; after an error the client has to say that it heard it. */
export function openBearer(options: BearerOptions): Exchange {
  return new Bearer(options);
}

class Bearer implements Exchange {
  readonly #options: BearerOptions;
  #state: 'first' | 'failed' | 'done' = 'first';

  constructor(options: BearerOptions) {
    this.#options = options;
  }

  step(data: Uint8Array): Promise<Step> | Step {
    const state = this.#state;
    this.#state = 'done';
    // RFC 7628 §3.2.3: after the error the client sends a single %x01; the exchange has failed whatever it says.
    if (state === 'failed') return refuse('not-authorized');
    const said = state === 'first' && isUtf8(data) ? parse(Buffer.from(data).toString()) : undefined;
    return said === undefined ? refuse('malformed-request') : this.#judge(said);
  }

  async #judge({ authzid, token }: Said): Promise<Step> {
    const { domain, verify, exists } = this.#options;
    const named = authzid === '' ? undefined : Jid.parse(authzid);
    if (authzid !== '' && (named === undefined || named.domain !== domain)) return refuse('invalid-authzid');
    const bearing: Bearing = token === undefined ? { error: 'invalid_token' } : await verify(token);
    if ('error' in bearing) return this.#fail(bearing.error);
    const { name } = bearing;
    const jid = name.includes('@') ? Jid.parse(name) : Jid.of(name, domain);
    if (jid === undefined || jid.local === '' || jid.resource !== '' || jid.domain !== domain)
      return this.#fail('invalid_token');
    if (named !== undefined && named.full !== jid.full) return refuse('invalid-authzid');
    return (await exists(jid.local)) ? { kind: 'success', username: jid.local } : this.#fail('invalid_token');
  }

  /** RFC 7628 §3.2.2 */
  #fail(status: string): Step {
    this.#state = 'failed';
    const { scope, discovery } = this.#options;
    const told = { status, scope, 'openid-configuration': discovery };
    return { kind: 'challenge', data: Buffer.from(JSON.stringify(told)) };
  }
}

interface Said {
  /** '' for none. */
  readonly authzid: string;
  /** undefined where the client has none and asks what it would need (RFC 7628 §4.3). */
  readonly token: string | undefined;
}

const kvsep = '\u0001';

/** RFC 7628 §3.1: gs2-header kvsep *kvpair kvsep. Channel binding (`p=`) is for others than bearers. */
function parse(text: string): Said | undefined {
  const [header = '', ...pairs] = text.split(kvsep);
  const gs2 = /^[ny],(?:a=([^,\0]+))?,$/.exec(header);
  if (gs2 === null || pairs.pop() !== '' || pairs.pop() !== '') return undefined;
  const authzid = gs2[1] ?? '';
  if (/=(?!2C|3D)/.test(authzid)) return undefined;
  const values = new Map<string, string>();
  for (const pair of pairs) {
    const [, key, value] = /^([A-Za-z]+)=([\t\n\r -~]*)$/.exec(pair) ?? [];
    if (key === undefined || value === undefined || values.has(key)) return undefined;
    values.set(key, value);
  }
  // RFC 6750 §2.1; the scheme is compared without case (RFC 7235 §2.1).
  const auth = values.get('auth') ?? '';
  const token = /^Bearer +([A-Za-z0-9._~+/-]+=*)$/i.exec(auth)?.[1];
  if (token === undefined && auth !== '') return undefined;
  return { authzid: authzid.replaceAll('=2C', ',').replaceAll('=3D', '='), token };
}
