import { timingSafeEqual } from 'node:crypto';

/** Compares what proves something, in a time that depends on the lengths only. Texts as UTF-8. */
export function same(one: Uint8Array | string, other: Uint8Array | string): boolean {
  const [expected, shown] = [bytesOf(one), bytesOf(other)];
  return expected.length === shown.length && timingSafeEqual(expected, shown);
}

function bytesOf(held: Uint8Array | string): Uint8Array {
  return typeof held === 'string' ? Buffer.from(held) : held;
}
