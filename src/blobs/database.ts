import { Readable } from 'node:stream';
import { Failure } from '../base/failure.ts';
import { fixed } from '../base/fixed.ts';
import type { Lane } from '../store/lane.ts';
import { sql, type Store } from '../store/store.ts';
import { write } from '../store/write.ts';
import { checkContent, type Blobs, type Content, type Range } from './blobs.ts';

const rows = {
  add: sql`insert into chunk (partition, id, n, bytes) values ($1, $2, $3, $4)`,
  read: sql`select bytes from chunk where partition = $1 and id = $2 and n = $3`,
  last: sql`select max(n) as n from chunk where partition = $1 and id = $2`,
  /** The first chunk goes last: while there is any, `last` finds it. */
  remove: sql`delete from chunk where partition = $1 and id = $2 and n > $3`,
};

export interface DatabaseOptions {
  readonly store: Store;
  /** One of its own, so that nobody's messages wait behind a file (`chunkLane`). Closed by whoever opened it. */
  readonly lane: Lane;
}

/** Limits of a lane that carries chunks: what is in one flight is in memory. */
export const chunkLane = { ops: 8, units: 8, queue: fixed.transfers.value * 2 } as const;

/**
 * Content as rows of the store, a chunk each: where several servers share a database and no file system. One chunk of a
 * content is in memory at a time. The chunks of a content that is not whole yet have rows like any others: what its name
 * stands in says whether it is (blobs.ts).
 */
export function openDatabase(options: DatabaseOptions): Blobs {
  return new Database(options);
}

class Database implements Blobs {
  readonly #store: Store;
  readonly #lane: Lane;

  constructor({ store, lane }: DatabaseOptions) {
    this.#store = store;
    this.#lane = lane;
  }

  async put(content: Content, source: AsyncIterable<Uint8Array>, size: number): Promise<void> {
    checkContent(content);
    if ((await this.#last(content)) !== undefined)
      throw new Failure('blob-exists', 'there is a content of this name');
    try {
      let n = 0;
      for await (const bytes of chunks(source, size)) {
        const { partition, id } = content;
        await this.#write({ statement: rows.add, params: [partition, id, n++, bytes] });
      }
    } catch (error) {
      await this.delete(content).catch(() => {});
      throw error;
    }
  }

  async get(content: Content, range?: Range): Promise<Readable> {
    checkContent(content);
    const from = range?.first ?? 0;
    // The first one now, so that whoever asked hears of what is missing before it answers anybody.
    const first = await this.#chunk(content, Math.floor(from / chunk));
    if (first === undefined) throw missing();
    return Readable.from(this.#read(content, first, from, range?.last), { objectMode: false });
  }

  async delete(content: Content): Promise<void> {
    checkContent(content);
    const { partition, id } = content;
    for (;;) {
      const last = await this.#last(content);
      if (last === undefined) return;
      await this.#write({ statement: rows.remove, params: [partition, id, Math.max(-1, last - slice)] });
    }
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async *#read(content: Content, first: Uint8Array, from: number, last?: number): AsyncGenerator<Uint8Array> {
    let n = Math.floor(from / chunk);
    for (let bytes: Uint8Array | undefined = first; bytes !== undefined;) {
      const start = n * chunk;
      const end = last === undefined ? chunk : last + 1 - start;
      yield bytes.subarray(Math.max(0, from - start), end);
      // A chunk that is not full is the last one.
      if (end <= chunk && last !== undefined) return;
      if (bytes.length < chunk && last === undefined) return;
      bytes = bytes.length < chunk ? undefined : await this.#chunk(content, ++n);
    }
    throw missing();
  }

  async #chunk({ partition, id }: Content, n: number): Promise<Uint8Array | undefined> {
    const [row] = await this.#store.query<{ bytes: Uint8Array }>(rows.read, [partition, id, n]);
    return row?.bytes;
  }

  async #last({ partition, id }: Content): Promise<number | undefined> {
    const [row] = await this.#store.query<{ n: number | null }>(rows.last, [partition, id]);
    return row?.n ?? undefined;
  }

  async #write(op: Parameters<typeof write>[1][number]): Promise<void> {
    try {
      await write(this.#lane, [op]);
    } catch (error) {
      throw new Failure('blob-unavailable', 'the database of the files does not answer', error);
    }
  }
}

/** `source` in pieces of one size, the last one shorter. An empty content is one empty piece. */
async function* chunks(source: AsyncIterable<Uint8Array>, size: number): AsyncGenerator<Uint8Array> {
  let left = size;
  let piece = Buffer.allocUnsafe(Math.min(chunk, left));
  let filled = 0;
  for await (const bytes of source) {
    left -= bytes.length;
    if (left < 0) throw new Failure('blob-long', `more than ${size} bytes`);
    for (let at = 0; at < bytes.length;) {
      const part = bytes.subarray(at, at + piece.length - filled);
      piece.set(part, filled);
      at += part.length;
      filled += part.length;
      if (filled < piece.length) continue;
      yield piece;
      // A new one: the engine may hold the other.
      piece = Buffer.allocUnsafe(Math.min(chunk, left + bytes.length - at));
      filled = 0;
    }
  }
  if (left > 0) throw new Failure('blob-short', `${left} of ${size} bytes are missing`);
  if (size % chunk === 0) yield Buffer.alloc(0);
}

function missing(): Failure {
  return new Failure('blob-missing', 'there is no such content');
}

const chunk = fixed.blobChunk.value;
/** Chunks that one statement removes. */
const slice = 64;
