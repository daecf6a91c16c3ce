import {
  createHash,
  createHmac,
  createSecretKey,
  pbkdf2Sync,
  randomBytes,
  type KeyObject,
} from 'node:crypto';

/** The mechanisms the generator knows, strongest first. */
export type Mechanism = 'SCRAM-SHA-256' | 'SCRAM-SHA-1' | 'PLAIN';

interface Keys {
  client: Buffer;
  stored: Buffer;
  server: Buffer;
}

/** With objects of two of them: Node looks for these in the bytes of a key, and throws inside, which costs 10 µs. */
interface Kept {
  keys: Keys;
  signing: KeyObject;
  verifying: KeyObject;
}

const known = new Map<string, Kept>();

/** ClientKey, StoredKey and ServerKey (RFC 5802 §3). PBKDF2 runs once per (hash, password, salt, rounds). */
export function keys(hash: string, password: string, salt: string, rounds: number): Keys {
  return kept(hash, password, salt, rounds).keys;
}

function kept(hash: string, password: string, salt: string, rounds: number): Kept {
  const name = `${hash} ${password} ${salt} ${rounds}`;
  let found = known.get(name);
  if (!found) {
    const length = hash === 'sha1' ? 20 : 32;
    const salted = pbkdf2Sync(password, Buffer.from(salt, 'base64'), rounds, length, hash);
    const client = createHmac(hash, salted).update('Client Key').digest();
    const server = createHmac(hash, salted).update('Server Key').digest();
    const stored = createHash(hash).update(client).digest();
    const [signing, verifying] = [createSecretKey(stored), createSecretKey(server)];
    found = { keys: { client, stored, server }, signing, verifying };
    known.set(name, found);
  }
  return found;
}

/** One SCRAM exchange without channel binding. All messages are base64, as XMPP carries them (RFC 6120 §6.4). */
export class Scram {
  readonly first: string;
  #hash: string;
  #bare: string;
  #nonce = randomBytes(18).toString('base64url');
  #password: string;
  #signature = '';

  constructor(mechanism: Exclude<Mechanism, 'PLAIN'>, user: string, password: string) {
    this.#hash = mechanism === 'SCRAM-SHA-1' ? 'sha1' : 'sha256';
    this.#password = password;
    this.#bare = `n=${user},r=${this.#nonce}`;
    this.first = Buffer.from(`n,,${this.#bare}`).toString('base64');
  }

  /** The client's final message for the server's challenge. */
  answer(challenge: string): string {
    const text = Buffer.from(challenge, 'base64').toString();
    const parts = new Map(text.split(',').map((part) => [part[0], part.slice(2)]));
    const nonce = parts.get('r') ?? '';
    if (!nonce.startsWith(this.#nonce)) throw new Error('the server changed our nonce');
    const { keys, signing, verifying } = kept(
      this.#hash,
      this.#password,
      parts.get('s') ?? '',
      Number(parts.get('i')),
    );
    const last = `c=biws,r=${nonce}`;
    const signed = `${this.#bare},${text},${last}`;
    const proof = createHmac(this.#hash, signing).update(signed).digest();
    for (let at = 0; at < proof.length; at++) proof[at] = (proof[at] ?? 0) ^ (keys.client[at] ?? 0);
    this.#signature = createHmac(this.#hash, verifying).update(signed).digest('base64');
    return Buffer.from(`${last},p=${proof.toString('base64')}`).toString('base64');
  }

  /** True if the server proved that it knows the account too (RFC 5802 §5). */
  verify(success: string): boolean {
    return Buffer.from(success, 'base64').toString() === `v=${this.#signature}`;
  }
}
