import { isUtf8 } from 'node:buffer';
import { identify } from './identity.ts';
import { decoy, verify } from './keys.ts';
import type { Hash, Keys } from './keys.ts';
import { refuse } from './sasl.ts';
import type { Exchange, Step } from './sasl.ts';

/** What a PLAIN exchange needs. */
export interface PlainOptions {
  /** The domain that the stream is for. */
  readonly domain: string;
  /** The keys of an account by whichever hash there are some; `username` is a local part in normal form. */
  readonly credentials: (username: string) => Promise<Stored | undefined> | Stored | undefined;
  /** Under which hash those are stored that nobody has. */
  readonly hash: Hash;
  /** Told of a password that was right, before the success. */
  readonly proven?: (username: string, password: string, by: Stored) => void;
  /** Makes up the keys of unknown users, see `decoy`. */
  readonly secret: Uint8Array;
}

/** Keys, and the hash that they are of. */
export interface Stored {
  readonly hash: Hash;
  readonly keys: Keys;
}

/** PLAIN (RFC 4616). The caller offers it under TLS only. */
export function openPlain(options: PlainOptions): Exchange {
  let done = false;
  return {
    step(data: Uint8Array): Promise<Step> | Step {
      if (done) return refuse('malformed-request');
      done = true;
      return check(options, data);
    },
  };
}

async function check(
  { domain, credentials, hash, secret, proven }: PlainOptions,
  data: Uint8Array,
): Promise<Step> {
  // message = [authzid] UTF8NUL authcid UTF8NUL passwd (RFC 4616 §2)
  const parts = isUtf8(data) ? Buffer.from(data).toString().split('\0') : [];
  const [authzid, authcid, password] = parts;
  if (parts.length !== 3 || !authcid || !password) return refuse('malformed-request');
  const who = identify(authcid, authzid ?? '', domain);
  if (who === 'invalid-authzid') return refuse(who);
  // Somebody unknown costs as much time as a wrong password.
  const stored = who && (await credentials(who.username));
  const keys = stored?.keys ?? decoy(hash, authcid, secret);
  const fits = await verify(stored?.hash ?? hash, keys, password);
  if (!fits || !who || !stored) return refuse('not-authorized');
  proven?.(who.username, password, stored);
  return { kind: 'success', username: who.username };
}
