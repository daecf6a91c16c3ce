import { crc32, deflateSync } from 'node:zlib';

/** A whole PNG, all black: no other kind of image is easy enough to make by hand. */
export function png(width: number, height: number, shade = 0): Buffer {
  const chunk = (name: string, data: Buffer): Buffer => {
    const body = Buffer.concat([Buffer.from(name), data]);
    const frame = Buffer.alloc(8);
    frame.writeUInt32BE(data.length);
    frame.writeUInt32BE(crc32(body), 4);
    return Buffer.concat([frame.subarray(0, 4), body, frame.subarray(4)]);
  };
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width);
  head.writeUInt32BE(height, 4);
  head[8] = 8;
  return Buffer.concat([
    Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'),
    chunk('IHDR', head),
    chunk('IDAT', deflateSync(Buffer.alloc((width + 1) * height, shade))),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

/** The header of a GIF. */
export function gif(width: number, height: number): Buffer {
  const data = Buffer.from('GIF89a0000\0\0\0', 'latin1');
  data.writeUInt16LE(width, 6);
  data.writeUInt16LE(height, 8);
  return data;
}

/** A JPEG as far as its frame header, which is of the given kind. */
export function jpeg(width: number, height: number, frame = 0xc0): Buffer {
  const head = Buffer.from([0xff, frame, 0, 11, 8, 0, 0, 0, 0, 1, 1, 0x11, 0]);
  head.writeUInt16BE(height, 5);
  head.writeUInt16BE(width, 7);
  const jfif = Buffer.from('\xff\xe0\0\x10JFIF\0\x01\x02\0\0\x01\0\x01\0\0', 'latin1');
  return Buffer.concat([
    Buffer.from([0xff, 0xd8]),
    jfif,
    Buffer.from([0xff]),
    head,
    Buffer.from([0xff, 0xda, 0, 2]),
  ]);
}

/** The header of a WebP. */
export function webp(width: number, height: number, kind: 'VP8 ' | 'VP8L' | 'VP8X'): Buffer {
  const data = Buffer.alloc(30);
  data.write(`RIFF0000WEBP${kind}`, 'latin1');
  if (kind === 'VP8 ') {
    data.writeUInt16LE(width, 26);
    data.writeUInt16LE(height, 28);
  } else if (kind === 'VP8L') data.writeUInt32LE((width - 1) | ((height - 1) << 14), 21);
  else {
    data.writeUIntLE(width - 1, 24, 3);
    data.writeUIntLE(height - 1, 27, 3);
  }
  return data;
}
