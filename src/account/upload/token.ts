import { createHmac } from 'node:crypto';
import { same } from '../../base/same.ts';
import type { Random } from '../../base/random.ts';

/**
 * The part of an upload's URL that is its authority: 16 random bytes, and behind them the partition of its row, so that any
 * server finds it. The partition is masked, because it would tell which files come from the same few accounts.
 */
export function newToken(random: Random, secret: Uint8Array, partition: number): string {
  const bytes = Buffer.alloc(20);
  bytes.set(random.bytes(16));
  bytes.writeUInt32BE((partition ^ mask(secret, bytes)) >>> 0, 16);
  return bytes.toString('base64url');
}

/** Undefined for what is no token. One that nobody gave out leads to a partition where it is not found. */
export function partitionIn(secret: Uint8Array, token: string): number | undefined {
  if (!/^[\w-]{27}$/.test(token)) return undefined;
  const bytes = Buffer.from(token, 'base64url');
  return (bytes.readUInt32BE(16) ^ mask(secret, bytes)) >>> 0;
}

/** Who has the URL of a download cannot upload in its place: that takes this as well. */
export function uploadKey(secret: Uint8Array, token: string): string {
  return createHmac('sha256', secret).update(`upload key ${token}`).digest('base64url').slice(0, 22);
}

export function keyHolds(secret: Uint8Array, token: string, key: string): boolean {
  return same(uploadKey(secret, token), key);
}

function mask(secret: Uint8Array, bytes: Uint8Array): number {
  return createHmac('sha256', secret)
    .update('upload partition ')
    .update(bytes.subarray(0, 16))
    .digest()
    .readUInt32BE();
}
