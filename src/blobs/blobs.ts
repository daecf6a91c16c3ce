import type { Readable } from 'node:stream';

/**
 * The seam for content that is too large for a row (DESIGN §7): what uploads, and later attachments and recordings, are
 * made of. It knows bytes and nothing else; what they are, whose, and until when says a row of the store that names them.
 *
 * That row comes first: whoever puts content has committed a row with its name before, so that nothing is left behind that
 * nobody knows of, whenever a process ends.
 */
export interface Blobs extends AsyncDisposable {
  /**
   * Stores what `source` yields, which has to be `size` bytes. Resolves once it is durable and complete, from then on `get`
   * finds it; never before. Memory is bounded whatever the size, and `source` is read no faster than it can be stored.
   *
   * A name is put once: nobody may put another content under it at the same time.
   *
   * Rejects with `Failure('blob-long')` as soon as more came, `'blob-short'` where less did, `'blob-exists'`,
   * `'blob-unavailable'` (no space, no answer), and with whatever `source` throws. After that nothing is left of it, or `delete` removes the rest.
   */
  put(content: Content, source: AsyncIterable<Uint8Array>, size: number): Promise<void>;
  /**
   * Its bytes, or those of a range that lies within it. Whoever asked reads to the end or destroys the stream; it breaks
   * where the content is deleted meanwhile. Rejects with `Failure('blob-missing')` or `'blob-unavailable'`.
   */
  get(content: Content, range?: Range): Promise<Readable>;
  /** Removes it, and what a `put` that failed left of it; nothing happens where there is none. */
  delete(content: Content): Promise<void>;
  close(): Promise<void>;
}

/** Content lies with a partition, as the row does that names it. */
export interface Content {
  readonly partition: number;
  /** Letters, digits, `-` and `_`: up to 64. Chosen by whoever puts it, and never used again. */
  readonly id: string;
}

/** Both ends are part of it, as in HTTP (RFC 9110 §14.1.2): `{ first: 0, last: 0 }` is one byte. */
export interface Range {
  readonly first: number;
  readonly last: number;
}

/** Names become paths and keys: anything else is an error of the program. */
export function checkContent({ partition, id }: Content): void {
  if (!Number.isSafeInteger(partition) || partition < 0 || !/^[\w-]{1,64}$/.test(id))
    throw new Error(`not the name of a content: ${partition}/${id}`);
}
