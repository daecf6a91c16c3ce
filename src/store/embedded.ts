import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../base/clock.ts';
import type { Failure } from '../base/failure.ts';
import type { Log } from '../base/log.ts';
import type { Random } from '../base/random.ts';
import { Client, type Link } from './client.ts';
import { migrate } from './migrate.ts';
import { Book } from './packet.ts';
import { Port } from './port.ts';
import type { Answers, Call } from './serve.ts';
import { Core } from './sqlite.ts';
import { holdVolume, startEpoch, type Held, type Volume } from './volume.ts';

export interface EmbeddedOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly random: Random;
  /** The server that opens the volume: written beside its epoch, and the owner of what it claims. */
  readonly host: string;
}

/**
 * Opens the volume in a directory, which it creates where it is missing: takes its lock, brings its schema up to date,
 * starts its next epoch, then serves it from a writer thread and a reader thread, so that neither a sync nor a long read
 * stops this one. Rejects with `Failure('volume-held')`, `'store-newer'` or `'store-unavailable'`.
 */
export async function openSqlite(directory: string, options: EmbeddedOptions): Promise<Volume> {
  const held = holdVolume(directory);
  try {
    const path = file(directory);
    const started = prepare(path, options);
    const writer = await Port.open({ path }, options.clock);
    try {
      const reader = await Port.open({ path, reading: true }, options.clock);
      return new Client(new Threads(writer, reader, held, options.log), started, new Book(), new Book());
    } catch (error) {
      await writer.close();
      throw error;
    }
  } catch (error) {
    held.release();
    throw error;
  }
}

/** Whether there is a volume in the directory, without opening it. */
export function hasVolume(directory: string): boolean {
  return existsSync(file(directory));
}

function file(directory: string): string {
  return join(directory, 'volume.db');
}

function prepare(path: string, options: EmbeddedOptions): { space: number; epoch: number } {
  const core = new Core({ path });
  try {
    const steps = migrate(core, options.clock.now());
    if (steps > 0) options.log.info({ steps, path }, 'the schema of the store was brought up to date');
    return startEpoch(core, options.host, options.random);
  } finally {
    core.close();
  }
}

class Threads implements Link {
  readonly closed: Promise<Failure | undefined>;
  #writer: Port;
  #reader: Port;

  constructor(writer: Port, reader: Port, held: Held, log: Log) {
    this.#writer = writer;
    this.#reader = reader;
    this.closed = this.#watch(held, log);
  }

  ask<Asked extends Call>(call: Asked): Promise<Answers[Asked['ask']]> {
    return (call.ask === 'query' ? this.#reader : this.#writer).ask(call);
  }

  broken(failure: Failure): void {
    void this.#writer.kill(failure);
  }

  /** Writes what was asked so far; the reader goes first, so that the writer's end empties the log. */
  async close(): Promise<void> {
    await this.#reader.close();
    await this.#writer.close();
    await this.closed;
  }

  /** One thread without the other is of no use: both end. The volume is given free last. */
  async #watch(held: Held, log: Log): Promise<Failure | undefined> {
    const first = await Promise.race([this.#writer.gone, this.#reader.gone]);
    if (first !== undefined) {
      log.error({ err: first }, 'the store is gone: nothing can be read or written any more');
      await Promise.all([this.#writer.kill(first), this.#reader.kill(first)]);
    }
    await Promise.all([this.#writer.gone, this.#reader.gone]);
    held.release();
    return first;
  }
}
