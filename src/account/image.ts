/** What the first bytes of an image say of it. */
export interface ImageInfo {
  readonly type: 'image/png' | 'image/jpeg' | 'image/gif' | 'image/webp';
  /** In pixels; undefined where the header does not tell in the usual place. */
  readonly width: number | undefined;
  readonly height: number | undefined;
}

/** Reads the header of a PNG, GIF, WebP or JPEG image; undefined for anything else. Never throws, whatever the bytes. */
export function imageInfo(bytes: Uint8Array): ImageInfo | undefined {
  const data = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return png(data) ?? gif(data) ?? webp(data) ?? jpeg(data);
}

/** The eight bytes of PNG §5.2, then the chunk IHDR. */
function png(data: Buffer): ImageInfo | undefined {
  if (data.length < 24 || data.toString('latin1', 0, 8) !== '\x89PNG\r\n\x1a\n') return undefined;
  if (data.toString('latin1', 12, 16) !== 'IHDR') return undefined;
  return sized('image/png', data.readUInt32BE(16), data.readUInt32BE(20));
}

/** GIF89a §17 and §18: the logical screen. */
function gif(data: Buffer): ImageInfo | undefined {
  if (data.length < 10 || !/^GIF8[79]a$/.test(data.toString('latin1', 0, 6))) return undefined;
  return sized('image/gif', data.readUInt16LE(6), data.readUInt16LE(8));
}

/** RFC 9649 §2.4 to §2.7: lossy, lossless or extended. */
function webp(data: Buffer): ImageInfo | undefined {
  if (data.length < 30 || data.toString('latin1', 0, 4) !== 'RIFF') return undefined;
  switch (data.toString('latin1', 8, 16)) {
    case 'WEBPVP8 ':
      return sized('image/webp', data.readUInt16LE(26) & 0x3fff, data.readUInt16LE(28) & 0x3fff);
    case 'WEBPVP8L': {
      const bits = data.readUInt32LE(21);
      return sized('image/webp', (bits & 0x3fff) + 1, ((bits >>> 14) & 0x3fff) + 1);
    }
    case 'WEBPVP8X':
      return sized('image/webp', data.readUIntLE(24, 3) + 1, data.readUIntLE(27, 3) + 1);
    default:
      return undefined;
  }
}

/** ITU-T T.81 §B.1.1 and §B.2.2: segments up to the frame header, which is any SOF but DHT, JPG and DAC. */
function jpeg(data: Buffer): ImageInfo | undefined {
  if (data.length < 4 || data[0] !== 0xff || data[1] !== 0xd8 || data[2] !== 0xff) return undefined;
  let at = 2;
  while (at + 9 <= data.length && data[at] === 0xff) {
    const marker = data[at + 1]!;
    // Fill bytes may stand in front of a marker.
    if (marker === 0xff) {
      at += 1;
      continue;
    }
    if (marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc)
      return sized('image/jpeg', data.readUInt16BE(at + 7), data.readUInt16BE(at + 5));
    // Behind the start of a scan there are no more headers.
    if (marker === 0xda) break;
    // Those that stand alone.
    const alone = marker === 0x01 || (marker >= 0xd0 && marker <= 0xd8);
    at += alone ? 2 : 2 + Math.max(2, data.readUInt16BE(at + 2));
  }
  return sized('image/jpeg', 0, 0);
}

function sized(type: ImageInfo['type'], width: number, height: number): ImageInfo {
  const known = width > 0 && height > 0;
  return { type, width: known ? width : undefined, height: known ? height : undefined };
}
