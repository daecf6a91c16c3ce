import { isUtf8 } from 'node:buffer';
import { same } from '../../base/same.ts';
import { decode } from './base64.ts';
import { offeredTypes } from './binding.ts';
import { identify } from './identity.ts';
import { decoy, digest, hmac, sizeOf } from './keys.ts';
import type { Hash, Keys } from './keys.ts';
import { refuse } from './sasl.ts';
import type { Credentials, Exchange, Step } from './sasl.ts';

/** What a SCRAM exchange needs. */
export interface ScramOptions {
  readonly hash: Hash;
  /** The domain that the stream is for. */
  readonly domain: string;
  readonly credentials: Credentials;
  /** Our half of the nonce: printable ASCII without commas that nobody can guess, as `token(random)` makes it. */
  readonly nonce: string;
  /** Makes up the keys of unknown users, see `decoy`. */
  readonly secret: Uint8Array;
  /** True for the mechanism whose name ends in -PLUS. */
  readonly plus?: boolean | undefined;
  /**
   * Channel-binding data of this connection by type (`tls-exporter`, …); not empty exactly where the server
   * offered some -PLUS mechanism.
   */
  readonly bindings?: ReadonlyMap<string, Uint8Array> | undefined;
  /** The mechanisms that the client was offered: they are told again, where nobody in between can change them. */
  readonly offered?: readonly string[] | undefined;
}

/**
 * SCRAM (RFC 5802, RFC 7677), server side: waits for the client's first message, answers with nonce, salt and count,
 * waits for the proof, answers with its own.
 */
export function openScram(options: ScramOptions): Exchange {
  return new Scram(options);
}

/** What the first two messages settled. */
interface Opened {
  readonly username: string | undefined;
  readonly keys: Keys;
  /** The client's and ours, joined. */
  readonly nonce: string;
  /** What the client must repeat as `c=`. */
  readonly binding: Buffer;
  /** client-first-message-bare "," server-first-message */
  readonly said: string;
}

class Scram implements Exchange {
  #options: ScramOptions;
  #state: 'first' | 'busy' | 'final' | 'done' = 'first';
  #opened: Opened | undefined;

  constructor(options: ScramOptions) {
    this.#options = options;
  }

  step(data: Uint8Array): Promise<Step> | Step {
    const text = isUtf8(data) ? Buffer.from(data).toString() : undefined;
    const state = this.#state;
    if (text === undefined || state === 'busy' || state === 'done') {
      this.#state = 'done';
      return refuse('malformed-request');
    }
    if (state === 'first') {
      this.#state = 'busy';
      return this.#first(text);
    }
    this.#state = 'done';
    return this.#final(text, this.#opened!);
  }

  async #first(text: string): Promise<Step> {
    const message = parseFirst(text);
    if (typeof message === 'string') return this.#refuse(message);
    const binding = this.#binding(message);
    if (typeof binding === 'string') return this.#refuse(binding);
    const { hash, domain, credentials, secret } = this.#options;
    const who = identify(message.username, message.authzid, domain);
    if (who === 'invalid-authzid') {
      this.#state = 'done';
      return refuse(who);
    }
    const stored = who && (await credentials(who.username, hash));
    if (this.#state !== 'busy') return refuse('aborted');
    const keys = stored ?? decoy(hash, who?.username ?? message.username, secret);
    const nonce = message.nonce + this.#options.nonce;
    const salt = Buffer.from(keys.salt).toString('base64');
    const reply = `r=${nonce},s=${salt},i=${keys.iterations}${this.#protection()}`;
    this.#opened = {
      username: stored && who?.username,
      keys,
      nonce,
      binding,
      said: `${message.bare},${reply}`,
    };
    this.#state = 'final';
    return { kind: 'challenge', data: Buffer.from(reply) };
  }

  /** XEP-0474 §5.1: a hash of what was offered, which both proofs cover as they cover this whole message. */
  #protection(): string {
    const { hash, offered, bindings } = this.#options;
    if (offered === undefined) return '';
    const types = offeredTypes(bindings?.keys() ?? []);
    const said = [offered, ...(types.length > 0 ? [types] : [])];
    const text = said.map((names) => names.toSorted(octets).join('\x1e')).join('\x1f');
    return `,h=${digest(hash, Buffer.from(text)).toString('base64')}`;
  }

  /** The expected gs2-header and channel-binding data (RFC 5802 §6), or the error of §7. */
  #binding(message: First): Buffer | ScramError {
    const { plus = false, bindings } = this.#options;
    const header = Buffer.from(message.header);
    const type = message.bindingType;
    if (type !== undefined) {
      const data = bindings?.get(type);
      if (!plus) return 'channel-binding-not-supported';
      return data === undefined ? 'unsupported-channel-binding-type' : Buffer.concat([header, data]);
    }
    if (plus) return 'channel-bindings-dont-match';
    // The client could, and believes that we can't: somebody took our -PLUS mechanisms out of the list.
    if (message.flag === 'y' && bindings !== undefined && bindings.size > 0)
      return 'server-does-support-channel-binding';
    return header;
  }

  #final(text: string, { username, keys, nonce, binding, said }: Opened): Step {
    const { hash } = this.#options;
    const message = parseFinal(text);
    if (typeof message === 'string') return this.#refuse(message);
    if (message.nonce !== nonce) return this.#refuse('other-error');
    if (!same(message.binding, binding)) return this.#refuse('channel-bindings-dont-match');
    if (message.proof.length !== sizeOf(hash)) return this.#refuse('invalid-encoding');
    const signed = `${said},${message.bare}`;
    const signature = hmac(hash, keys.storedKey, signed);
    const clientKey = message.proof.map((byte, n) => byte ^ signature[n]!);
    const proven = same(digest(hash, clientKey), keys.storedKey);
    const verifier = hmac(hash, keys.serverKey, signed).toString('base64');
    if (!proven || username === undefined) return refuse('not-authorized');
    return { kind: 'success', username, data: Buffer.from(`v=${verifier}`) };
  }

  #refuse(error: ScramError): Step {
    this.#state = 'done';
    return refuse(error === 'invalid-encoding' ? 'malformed-request' : 'not-authorized', error);
  }
}

/** i;octet (RFC 4790 §9.3); all these names are ASCII. */
const octets = (one: string, other: string): number => (one < other ? -1 : one > other ? 1 : 0);

/** server-error-value of RFC 5802 §7; `unknown-user` and `invalid-proof` are never told apart, nor told. */
type ScramError =
  | 'invalid-encoding'
  | 'extensions-not-supported'
  | 'channel-bindings-dont-match'
  | 'server-does-support-channel-binding'
  | 'channel-binding-not-supported'
  | 'unsupported-channel-binding-type'
  | 'invalid-username-encoding'
  | 'other-error';

interface First {
  readonly flag: 'n' | 'y' | 'p';
  readonly bindingType: string | undefined;
  /** '' for none. */
  readonly authzid: string;
  readonly username: string;
  readonly nonce: string;
  /** gs2-header, both commas included. */
  readonly header: string;
  /** client-first-message-bare */
  readonly bare: string;
}

/** A nonce is any printable ASCII but the comma (RFC 5802 §7); we take no endless one. */
const nonceForm = /^[\x21-\x2b\x2d-\x7e]{1,512}$/;

function parseFirst(text: string): First | ScramError {
  const gs2 = /^(n|y|p=([A-Za-z0-9.-]+)),(?:a=([^,]+))?,/.exec(text);
  if (gs2 === null) return 'invalid-encoding';
  const header = gs2[0];
  const bare = text.slice(header.length);
  const [name, nonce] = bare.split(',');
  // RFC 5802 §5.1: "m=" is for extensions that the other side must understand.
  if (name?.startsWith('m=')) return 'extensions-not-supported';
  if (!name?.startsWith('n=') || !nonce?.startsWith('r=')) return 'invalid-encoding';
  const username = unescape(name.slice(2));
  const authzid = unescape(gs2[3] ?? '');
  if (username === undefined || username === '' || authzid === undefined) return 'invalid-username-encoding';
  if (!nonceForm.test(nonce.slice(2))) return 'invalid-encoding';
  const flag = gs2[2] === undefined ? (gs2[1] as 'n' | 'y') : 'p';
  return { flag, bindingType: gs2[2], authzid, username, nonce: nonce.slice(2), header, bare };
}

/** saslname (RFC 5802 §5.1): comma and equals sign are spelt `=2C` and `=3D`, and nothing else begins with `=`. */
function unescape(name: string): string | undefined {
  if (/=(?!2C|3D)|\0/.test(name)) return undefined;
  return name.replaceAll('=2C', ',').replaceAll('=3D', '=');
}

interface Final {
  readonly binding: Buffer;
  readonly nonce: string;
  readonly proof: Buffer;
  /** client-final-message-without-proof */
  readonly bare: string;
}

function parseFinal(text: string): Final | ScramError {
  const end = text.lastIndexOf(',p=');
  const bare = text.slice(0, end);
  const [c, r] = bare.split(',');
  if (end === -1 || !c?.startsWith('c=') || !r?.startsWith('r=')) return 'invalid-encoding';
  const binding = decode(c.slice(2));
  const proof = decode(text.slice(end + 3));
  if (binding === undefined || proof === undefined) return 'invalid-encoding';
  return { binding, nonce: r.slice(2), proof, bare };
}
