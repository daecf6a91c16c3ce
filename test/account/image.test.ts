import assert from 'node:assert/strict';
import { it, describe } from 'node:test';
import { imageInfo } from '../../src/account/image.ts';
import { gif, jpeg, png, webp } from './images.ts';

describe('the header of an image', () => {
  it('tells type and size', () => {
    assert.deepEqual(imageInfo(png(64, 48)), { type: 'image/png', width: 64, height: 48 });
    assert.deepEqual(imageInfo(gif(300, 2)), { type: 'image/gif', width: 300, height: 2 });
    for (const frame of [0xc0, 0xc1, 0xc2, 0xcf])
      assert.deepEqual(imageInfo(jpeg(640, 480, frame)), { type: 'image/jpeg', width: 640, height: 480 });
    for (const kind of ['VP8 ', 'VP8L', 'VP8X'] as const)
      assert.deepEqual(imageInfo(webp(1024, 513, kind)), { type: 'image/webp', width: 1024, height: 513 });
  });

  it('a size that is not in the usual place is left out', () => {
    const nothing = { type: 'image/jpeg', width: undefined, height: undefined };
    assert.deepEqual(imageInfo(jpeg(640, 480, 0xc4)), nothing);
    assert.deepEqual(imageInfo(jpeg(0, 480)), nothing);
    assert.deepEqual(imageInfo(Buffer.from([0xff, 0xd8, 0xff, 0xe0])), nothing);
  });

  it('is missing from everything else, however it is cut or changed', () => {
    for (const text of [
      '',
      'x',
      '<svg xmlns="http://www.w3.org/2000/svg"/>',
      'GIF90a',
      'RIFF0000WAVE',
      'x'.repeat(99),
    ])
      assert.equal(imageInfo(Buffer.from(text)), undefined);
    for (const image of [
      png(1, 1),
      gif(1, 1),
      jpeg(1, 1),
      ...(['VP8 ', 'VP8L', 'VP8X'] as const).map((k) => webp(1, 1, k)),
    ])
      for (let at = 0; at < image.length; at++) {
        imageInfo(image.subarray(0, at));
        const broken = Buffer.from(image);
        for (const value of [0, 0xff]) {
          broken[at] = value;
          imageInfo(broken);
        }
      }
  });
});
