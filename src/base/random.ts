import { randomBytes, randomInt } from 'node:crypto';

/** Randomness as an argument; the simulation passes a seeded one. */
export interface Random {
  /** `n` bytes that nobody can guess. */
  bytes(n: number): Uint8Array;
  /** An integer in [0, below). */
  int(below: number): number;
}

export const systemRandom: Random = {
  bytes: (n) => randomBytes(n),
  int: (below) => randomInt(below),
};

/** `n` random bytes as base64url: 24 bytes make 32 characters without padding. */
export function token(random: Random, n = 24): string {
  return Buffer.from(random.bytes(n)).toString('base64url');
}
