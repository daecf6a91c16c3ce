import { randomBytes, randomInt } from 'node:crypto';

/** Randomness as an argument; the simulation passes a seeded one. */
export interface Random {
  /** `n` bytes that nobody can guess. */
  bytes(n: number): Uint8Array;
  /** An integer in [0, below). */
  int(below: number): number;
}

export const systemRandom: Random = {
  bytes: (n) => (n > few ? randomBytes(n) : some(n)),
  int: (below) => randomInt(below),
};

/** Up to so many bytes are cut from a block: to ask the system costs more than the bytes do. */
const few = 64;
let block = Buffer.alloc(0);
let used = 0;

function some(n: number): Uint8Array {
  if (used + n > block.length) {
    block = randomBytes(4096);
    used = 0;
  }
  const bytes = new Uint8Array(block.subarray(used, used + n));
  // Each byte is given once, and nobody finds it here later.
  block.fill(0, used, used + n);
  used += n;
  return bytes;
}

/** `n` random bytes as base64url: 24 bytes make 32 characters without padding. */
export function token(random: Random, n = 24): string {
  return Buffer.from(random.bytes(n)).toString('base64url');
}
