import type { Readable } from 'node:stream';
import type { Blobs, Range } from '../../blobs/blobs.ts';
import type { Clock } from '../../base/clock.ts';
import { Failure, failed } from '../../base/failure.ts';
import { fixed } from '../../base/fixed.ts';
import type { Limits } from '../../base/limits.ts';
import type { Log } from '../../base/log.ts';
import { token as randomText, type Random } from '../../base/random.ts';
import type { Lane } from '../../store/lane.ts';
import type { Store } from '../../store/store.ts';
import { write } from '../../store/write.ts';
import { essence, isMediaType } from './name.ts';
import { states, uploadRows, type FileRow } from './rows.ts';
import { keyHolds, partitionIn } from './token.ts';

export interface UploadsOptions {
  readonly store: Store;
  /** One of its own: what it writes is guarded by the rows themselves, not by a fence. */
  readonly lane: Lane;
  readonly blobs: Blobs;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly secret: Uint8Array;
  readonly limits: Limits;
}

/** What a PUT says of itself before its body. */
export interface Offer {
  readonly token: string;
  readonly name: string;
  readonly key: string;
  readonly type: string | undefined;
  /** undefined where the body tells only by its end. */
  readonly length: number | undefined;
}

export interface StoredFile {
  readonly name: string;
  readonly type: string;
  readonly size: number;
  /** When it came, and when it goes; undefined for never. */
  readonly created: number;
  readonly until: number | undefined;
  /** Rejects with `Failure('not-found')` where it went meanwhile. */
  read(range?: Range): Promise<Readable>;
}

/**
 * Takes uploads into slots and gives them back, on any server that has the store: it need not own the partition.
 */
export class Uploads {
  readonly #options: UploadsOptions;

  constructor(options: UploadsOptions) {
    this.#options = options;
  }

  /**
   * Takes the slot for a PUT: nobody else gets it from now on, whatever comes of this one. Resolves with how to store the
   * body, which has to be called.
   *
   * Rejects with Failure: `not-found` (no such slot), `not-allowed` (without the key), `slot-expired`, `slot-used`,
   * `too-large`, `too-short`, `type-differs`, or as the store does. The slot is as it was then.
   */
  async begin(offer: Offer): Promise<(body: AsyncIterable<Uint8Array>) => Promise<void>> {
    const { clock, secret, random } = this.#options;
    const { token, key } = offer;
    const partition = partitionIn(secret, token);
    if (partition === undefined) throw missing();
    if (!keyHolds(secret, token, key)) throw new Failure('not-allowed', 'this URL is for downloads only');
    const row = await this.#row(partition, token);
    if (row === undefined || row.name !== offer.name) throw missing();
    const type = this.#check(row, offer);
    const now = clock.now();
    const taker = randomText(random, 12);
    // Longer than it may take: whose clock runs differently finds the row before it is swept.
    const until = now + fixed.uploadTime.value + grace;
    const taken = await this.#set(
      uploadRows.take,
      [partition, token, taker, until, now],
      partition,
      token,
      taker,
    );
    if (!taken) throw used();
    return (body) => this.#receive(partition, token, taker, { ...row, type }, body);
  }

  /** The file, where there is one: only after the commit of its upload. */
  async find(token: string, name: string): Promise<StoredFile | undefined> {
    const { blobs, secret } = this.#options;
    const partition = partitionIn(secret, token);
    if (partition === undefined) return undefined;
    const row = await this.#row(partition, token);
    if (row === undefined || row.state !== states.file || row.name !== name) return undefined;
    const until = this.#until(row);
    if (until !== undefined && until <= this.#options.clock.now()) return undefined;
    return {
      name: row.name,
      type: row.type,
      size: row.size,
      created: row.created,
      until,
      read: (range) =>
        blobs.get({ partition, id: token }, range).catch((error: unknown) => {
          throw failed(error, 'blob-missing') ? missing() : error;
        }),
    };
  }

  #until({ until, created }: FileRow): number | undefined {
    const { uploadRetention } = this.#options.limits;
    const old = uploadRetention === 0 ? undefined : created + uploadRetention * day;
    if (until === null) return old;
    return old === undefined ? until : Math.min(old, until);
  }

  /** XEP-0363 §7: what does not match the slot is rejected. Returns the type that the file will have. */
  #check(row: FileRow, { length, type }: Offer): string {
    if (row.state !== states.slot) throw used();
    if ((row.until ?? 0) <= this.#options.clock.now())
      throw new Failure('slot-expired', 'the upload began too late: ask for another slot');
    if (length !== undefined && length !== row.size)
      throw wrongSize(length > row.size, `the slot is for ${row.size} bytes, not ${length}`);
    if (type !== undefined && row.type !== '' && essence(type) !== essence(row.type))
      throw new Failure('type-differs', `the slot is for ${row.type}`);
    if (row.type !== '') return row.type;
    return type !== undefined && isMediaType(type) ? type : 'application/octet-stream';
  }

  async #receive(
    partition: number,
    token: string,
    taker: string,
    { size, type }: FileRow,
    body: AsyncIterable<Uint8Array>,
  ): Promise<void> {
    const { blobs, clock, log } = this.#options;
    const content = { partition, id: token };
    try {
      await blobs.put(content, body, size);
      const params = [partition, token, taker, type, clock.now()];
      const kept = await this.#set(uploadRows.keep, params, partition, token, taker, states.file);
      // Its account was removed meanwhile.
      if (!kept) throw missing();
    } catch (error) {
      // What cannot be undone now, the sweep finds by its row.
      try {
        await blobs.delete(content);
        await write(this.#options.lane, [
          { statement: uploadRows.fail, params: [partition, token, taker, clock.now()] },
        ]);
      } catch (left) {
        log.warn({ err: left }, 'what an upload left behind stays for now');
      }
      if (failed(error, 'blob-long')) throw wrongSize(true, error.message);
      if (failed(error, 'blob-short')) throw wrongSize(false, error.message);
      throw error;
    }
  }

  /** One compare-and-set; true where it is ours, also where the store could not tell at once. */
  async #set(
    statement: Parameters<typeof write>[1][number]['statement'],
    params: Parameters<typeof write>[1][number]['params'],
    partition: number,
    token: string,
    taker: string,
    state: number = states.receiving,
  ): Promise<boolean> {
    const [count] = await write(this.#options.lane, [{ statement, params }]);
    if (count !== undefined) return count === 1;
    const row = await this.#row(partition, token);
    return row?.taker === taker && row.state === state;
  }

  async #row(partition: number, token: string): Promise<FileRow | undefined> {
    const [row] = await this.#options.store.query<FileRow>(uploadRows.read, [partition, token]);
    return row;
  }
}

function missing(): Failure {
  return new Failure('not-found', 'there is no such file');
}

function wrongSize(more: boolean, text: string): Failure {
  return new Failure(more ? 'too-large' : 'too-short', text);
}

function used(): Failure {
  return new Failure('slot-used', 'this slot is used: ask for another one');
}

const day = 24 * 60 * 60 * 1000;
const grace = 10 * 60 * 1000;
