import { isUtf8 } from 'node:buffer';

/**
 * The end of the last complete UTF-8 sequence in `bytes[from, to)`: `to`, or up to three bytes less where the last
 * sequence has begun and may still be completed. What can never become valid counts as complete.
 */
export function whole(bytes: Uint8Array, from: number, to: number): number {
  for (let back = 1; back <= 3 && to - back >= from; back++) {
    const byte = bytes[to - back]!;
    if (byte < 0x80) return to;
    if (byte >= 0xc0) return needed(byte) > back ? to - back : to;
  }
  return to;
}

function needed(lead: number): number {
  if (lead >= 0xc2 && lead <= 0xdf) return 2;
  if (lead >= 0xe0 && lead <= 0xef) return 3;
  if (lead >= 0xf0 && lead <= 0xf4) return 4;
  return 1;
}

/** How many leading bytes are valid UTF-8 (RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF). */
export function valid(bytes: Buffer): number {
  if (isUtf8(bytes)) return bytes.length;
  // The lenient decoder marks what it could not read with U+FFFD: the first one not spelt in the input is it.
  const text = bytes.toString('utf8');
  for (let at = text.indexOf('\ufffd'); at !== -1; at = text.indexOf('\ufffd', at + 1)) {
    const offset = Buffer.byteLength(text.slice(0, at));
    if (bytes[offset] !== 0xef || bytes[offset + 1] !== 0xbf || bytes[offset + 2] !== 0xbd) return offset;
  }
  return bytes.length;
}

/** The longest head of `text` (whole code points) that is at most `bytes` bytes of UTF-8. */
export function head(text: string, bytes: number): string {
  let used = 0;
  let end = 0;
  for (const char of text) {
    const code = char.codePointAt(0)!;
    used += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    if (used > bytes) break;
    end += char.length;
  }
  return text.slice(0, end);
}
