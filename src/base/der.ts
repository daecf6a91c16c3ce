/** One value of a DER text (X.690 §8.1): its tag, and what it holds. */
export interface Der {
  /** Class, form and number as they stand; one byte is all that certificates use. */
  readonly tag: number;
  readonly body: Uint8Array;
}

/** Thrown where bytes are not DER. */
export class NotDer extends Error {}

export const tags = { octets: 0x04, oid: 0x06, utf8: 0x0c, sequence: 0x30 } as const;

/** The values that stand one behind the other in `bytes`. Throws NotDer. */
export function values(bytes: Uint8Array): Der[] {
  const found: Der[] = [];
  let at = 0;
  while (at < bytes.length) {
    const tag = bytes[at]!;
    if ((tag & 0x1f) === 0x1f) throw new NotDer('a tag of several bytes');
    let length = bytes[at + 1] ?? 0x80;
    at += 2;
    if (length >= 0x80) {
      const count = length & 0x7f;
      if (count === 0 || count > 4) throw new NotDer('a length');
      length = 0;
      for (const end = at + count; at < end; at++) length = length * 256 + (bytes[at] ?? Number.NaN);
    }
    if (!(at + length <= bytes.length)) throw new NotDer('cut off');
    found.push({ tag, body: bytes.subarray(at, at + length) });
    at += length;
  }
  return found;
}

/** The values inside the one value that `bytes` are. Throws NotDer. */
export function inside(bytes: Uint8Array, tag: number = tags.sequence): Der[] {
  const [only, ...more] = values(bytes);
  if (only?.tag !== tag || more.length > 0) throw new NotDer('another value');
  return values(only.body);
}

/** An object identifier in its usual form, `1.2.840.113549`. */
export function oid({ tag, body }: Der): string {
  if (tag !== tags.oid || body.length === 0) throw new NotDer('no object identifier');
  const numbers: number[] = [];
  let number = 0;
  for (const byte of body) {
    number = number * 128 + (byte & 0x7f);
    if (!Number.isSafeInteger(number)) throw new NotDer('an object identifier');
    if (byte >= 0x80) continue;
    numbers.push(number);
    number = 0;
  }
  const first = numbers.shift() ?? 0;
  const root = Math.min(2, Math.floor(first / 40));
  return [root, first - root * 40, ...numbers].join('.');
}
