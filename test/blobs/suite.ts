import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import type { Blobs, Content } from '../../src/blobs/blobs.ts';
import { failed } from '../../src/base/failure.ts';
import { fixed } from '../../src/base/fixed.ts';

export interface Subject {
  readonly blobs: Blobs;
  /** How many pieces are stored anywhere: rows or files. */
  pieces(): Promise<number>;
  close(): Promise<void>;
}

const chunk = fixed.blobChunk.value;

/** What every implementation of the seam must do. */
export function blobsSuite(name: string, open: () => Promise<Subject>): void {
  describe(`blobs: ${name}`, { timeout: 60_000 }, () => {
    let subject: Subject;
    let blobs: Blobs;
    let names = 0;
    const content = (partition = 1): Content => ({ partition, id: `content-${++names}_X` });
    const read = async (at: Content, range?: { first: number; last: number }): Promise<Buffer> =>
      Buffer.concat((await (await blobs.get(at, range)).toArray()) as Buffer[]);
    const put = async (bytes: Uint8Array, step = 65_536, at = content()): Promise<Content> => {
      await blobs.put(at, inSteps(bytes, step), bytes.length);
      return at;
    };

    before(async () => {
      subject = await open();
      blobs = subject.blobs;
    });
    after(() => subject?.close());

    for (const size of [0, 1, 1000, chunk - 1, chunk, chunk + 1, 3 * chunk, 3 * chunk + 77])
      it(`gives back what was put: ${size} bytes, in pieces of any size`, async () => {
        const bytes = randomBytes(size);
        for (const step of [size === 0 ? 1 : Math.ceil(size / 7), 65_536, chunk * 2])
          assert.ok(bytes.equals(await read(await put(bytes, step))));
      });

    it('gives any range of it', async () => {
      const bytes = randomBytes(3 * chunk + 77);
      const at = await put(bytes);
      const last = bytes.length - 1;
      const edges = [0, 1, chunk - 1, chunk, chunk + 1, 2 * chunk - 1, 2 * chunk, last - 77, last - 1, last];
      for (const first of edges)
        for (const end of edges.filter((edge) => edge >= first))
          assert.ok(
            bytes.subarray(first, end + 1).equals(await read(at, { first, last: end })),
            `${first}-${end}`,
          );
    });

    it('keeps contents of one name in two partitions apart', async () => {
      const [one, two] = [content(1), content(2)];
      const other = { ...two, id: one.id };
      await put(Buffer.from('one'), 10, one);
      await put(Buffer.from('two'), 10, other);
      await blobs.delete(one);
      assert.equal(String(await read(other)), 'two');
      await assert.rejects(blobs.get(one), (error) => failed(error, 'blob-missing'));
    });

    it('refuses too much at once, too little at the end, and leaves nothing of either', async () => {
      const before = await subject.pieces();
      let taken = 0;
      async function* endless(): AsyncGenerator<Uint8Array> {
        for (;;) {
          await Promise.resolve();
          taken += 65_536;
          yield Buffer.alloc(65_536);
        }
      }
      const at = content();
      const size = 2 * chunk;
      await assert.rejects(blobs.put(at, endless(), size), (error) => failed(error, 'blob-long'));
      assert.ok(taken <= size + 65_536, `read no further: ${taken}`);
      await assert.rejects(blobs.get(at), (error) => failed(error, 'blob-missing'));
      await assert.rejects(blobs.put(at, inSteps(Buffer.alloc(size - 1), 65_536), size), (error) =>
        failed(error, 'blob-short'),
      );
      await assert.rejects(blobs.get(at), (error) => failed(error, 'blob-missing'));
      assert.equal(await subject.pieces(), before);
    });

    it('leaves nothing where its source breaks, and tells why', async () => {
      const before = await subject.pieces();
      async function* broken(): AsyncGenerator<Uint8Array> {
        yield Buffer.alloc(chunk + 5);
        await Promise.resolve();
        throw new Error('the line is dead');
      }
      const at = content();
      await assert.rejects(blobs.put(at, broken(), 3 * chunk), /the line is dead/);
      await assert.rejects(blobs.get(at), (error) => failed(error, 'blob-missing'));
      assert.equal(await subject.pieces(), before);
    });

    it('does not put a name twice', async () => {
      const at = await put(Buffer.from('first'));
      await assert.rejects(put(Buffer.from('second'), 10, at), (error) => failed(error, 'blob-exists'));
      assert.equal(String(await read(at)), 'first');
    });

    it('deletes, also what is not there', async () => {
      const before = await subject.pieces();
      const at = await put(randomBytes(70 * 1000));
      await blobs.delete(at);
      await blobs.delete(at);
      await assert.rejects(blobs.get(at), (error) => failed(error, 'blob-missing'));
      assert.equal(await subject.pieces(), before);
    });

    it('breaks a stream whose content is deleted, instead of ending it early', async () => {
      const at = await put(randomBytes(40 * chunk));
      const stream = await blobs.get(at);
      let length = 0;
      const all = (async () => {
        for await (const bytes of stream) {
          if (length === 0) await blobs.delete(at);
          length += (bytes as Buffer).length;
        }
      })();
      // An open file stays readable; what must not happen is an end in the middle.
      await all.then(
        () => assert.equal(length, 40 * chunk),
        (error: unknown) => assert.ok(failed(error, 'blob-missing')),
      );
    });

    it('takes no name that is not one', async () => {
      for (const id of ['', '..', '../x', 'a/b', 'a b', "a'b", 'a'.repeat(65), 'a\0'])
        await assert.rejects(blobs.put({ partition: 1, id }, inSteps(Buffer.alloc(1), 1), 1), /not the name/);
    });

    it('many at the same time do not mix', async () => {
      const all = Array.from({ length: 12 }, (_, i) => Buffer.alloc(chunk + 1000 * i, `${i}`));
      const names = await Promise.all(all.map((bytes, i) => put(bytes, 1000 + 7000 * i)));
      const read2 = await Promise.all(names.map((at) => read(at)));
      read2.forEach((bytes, i) => assert.ok(bytes.equals(all[i]!)));
    });
  });
}

export async function* inSteps(bytes: Uint8Array, step: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += step) {
    await Promise.resolve();
    yield bytes.subarray(at, at + step);
  }
}
