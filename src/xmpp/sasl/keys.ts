import { createHmac, createSecretKey, hash as hashed, pbkdf2 } from 'node:crypto';
import { same } from '../../base/same.ts';
import { promisify } from 'node:util';
import { Failure } from '../../base/failure.ts';
import { prepare } from './password.ts';

/** Hash functions by the names that mechanisms use. */
export type Hash = 'SHA-1' | 'SHA-256' | 'SHA-512';

/** What is stored instead of a password (RFC 5802 §3): enough to check a client, not enough to be one. */
export interface Keys {
  readonly salt: Uint8Array;
  readonly iterations: number;
  readonly storedKey: Uint8Array;
  readonly serverKey: Uint8Array;
}

/** Bytes of a salt we draw; that of unknown users has as many. */
export const saltBytes = 16;
/** For new passwords. RFC 7677 §4 asks for 4096 at least. */
export const usualIterations = 10_000;

const names = { 'SHA-1': 'sha1', 'SHA-256': 'sha256', 'SHA-512': 'sha512' } as const;
const sizes = { 'SHA-1': 20, 'SHA-256': 32, 'SHA-512': 64 } as const;
const stretch = promisify(pbkdf2);

/**
 * The keys of a password. Works on a thread of its own and takes milliseconds. Rejects with Failure
 * `password-unusable` where the password has characters that no client could send.
 */
export async function derive(
  hash: Hash,
  password: string,
  salt: Uint8Array,
  iterations: number = usualIterations,
): Promise<Keys> {
  const { storedKey, serverKey } = await clientKeys(hash, password, salt, iterations);
  return { salt, iterations, storedKey, serverKey };
}

/** The same with the key that only a client has: for clients in tests and benches. */
export async function clientKeys(
  hash: Hash,
  password: string,
  salt: Uint8Array,
  iterations: number,
): Promise<{ clientKey: Buffer; storedKey: Buffer; serverKey: Buffer }> {
  const prepared = prepare(password);
  if (prepared === undefined)
    throw new Failure('password-unusable', 'the password is empty or has characters that cannot be used');
  return split(hash, await stretch(prepared, salt, iterations, sizes[hash], names[hash]));
}

/** The keys of a password that a client has hashed itself (SaltedPassword of RFC 5802 §3). */
export function fromSalted(hash: Hash, salted: Uint8Array, salt: Uint8Array, iterations: number): Keys {
  const { storedKey, serverKey } = split(hash, salted);
  return { salt, iterations, storedKey, serverKey };
}

function split(hash: Hash, salted: Uint8Array): { clientKey: Buffer; storedKey: Buffer; serverKey: Buffer } {
  const clientKey = hmac(hash, salted, 'Client Key');
  return { clientKey, storedKey: digest(hash, clientKey), serverKey: hmac(hash, salted, 'Server Key') };
}

/** Does the password belong to the keys? Takes as long for a wrong one. */
export async function verify(hash: Hash, keys: Keys, password: string): Promise<boolean> {
  if (prepare(password) === undefined) return false;
  const { storedKey } = await clientKeys(hash, password, keys.salt, keys.iterations);
  return same(storedKey, keys.storedKey);
}

/**
 * Keys for somebody who does not exist: always the same for a name, and no password fits. Whoever asks cannot tell
 * them from real ones (RFC 5802 §5.1 lets a server go on so). `secret` is known to this community only.
 */
export function decoy(
  hash: Hash,
  username: string,
  secret: Uint8Array,
  iterations: number = usualIterations,
): Keys {
  const seed = (what: string) =>
    createHmac('sha512', secret).update(`${what}\0${hash}\0${username}`).digest();
  return {
    salt: seed('salt').subarray(0, saltBytes),
    iterations,
    storedKey: seed('stored').subarray(0, sizes[hash]),
    serverKey: seed('server').subarray(0, sizes[hash]),
  };
}

/** Bytes of this hash's values. */
export function sizeOf(hash: Hash): number {
  return sizes[hash];
}

/** Node 24 looks for a key object in the bytes of a key, and throws inside: 13 µs, against 3 with one made before. */
export function hmac(hash: Hash, key: Uint8Array, data: string | Uint8Array): Buffer {
  return createHmac(names[hash], createSecretKey(key)).update(data).digest();
}

export function digest(hash: Hash, data: Uint8Array): Buffer {
  return hashed(names[hash], data, 'buffer');
}
