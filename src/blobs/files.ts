import { mkdir, open, rename, rm, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { Failure } from '../base/failure.ts';
import { fixed } from '../base/fixed.ts';
import { checkContent, type Blobs, type Content, type Range } from './blobs.ts';

/**
 * Content as files of a volume: `DIRECTORY/PARTITION/ID`. A file is written under another name, synced, renamed, and its
 * directory is synced, so that whatever has the name is whole.
 */
export async function openFiles(directory: string): Promise<Blobs> {
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw unavailable(error);
  }
  return new Files(directory);
}

class Files implements Blobs {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  async put(content: Content, source: AsyncIterable<Uint8Array>, size: number): Promise<void> {
    const path = this.#path(content);
    const folder = join(this.#directory, String(content.partition));
    const part = `${path}.part`;
    let file: FileHandle | undefined;
    try {
      const made = await mkdir(folder, { recursive: true, mode: 0o700 });
      if (made !== undefined) await syncFolder(this.#directory);
      if (await exists(path)) throw taken();
      file = await open(part, 'wx', 0o600);
    } catch (error) {
      throw refusal(error);
    }
    try {
      await fill(file, source, size);
      await stored(file.sync());
      await stored(file.close());
      await stored(rename(part, path));
      await stored(syncFolder(folder));
    } catch (error) {
      await file.close().catch(() => {});
      await Promise.all([part, path].map((name) => rm(name, { force: true }).catch(() => {})));
      throw error;
    }
  }

  async get(content: Content, range?: Range): Promise<Readable> {
    try {
      const file = await open(this.#path(content), 'r');
      return file.createReadStream({
        ...(range === undefined ? {} : { start: range.first, end: range.last }),
        highWaterMark: fixed.blobChunk.value,
      });
    } catch (error) {
      throw code(error) === 'ENOENT' ? missing() : unavailable(error);
    }
  }

  async delete(content: Content): Promise<void> {
    const path = this.#path(content);
    try {
      for (const name of [`${path}.part`, path]) await rm(name, { force: true });
    } catch (error) {
      throw unavailable(error);
    }
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #path(content: Content): string {
    checkContent(content);
    return join(this.#directory, String(content.partition), content.id);
  }
}

async function fill(file: FileHandle, source: AsyncIterable<Uint8Array>, size: number): Promise<void> {
  let left = size;
  for await (const bytes of source) {
    left -= bytes.length;
    if (left < 0) throw new Failure('blob-long', `more than ${size} bytes`);
    for (let at = 0; at < bytes.length;) {
      const { bytesWritten } = await stored(file.write(bytes, at));
      at += bytesWritten;
    }
  }
  if (left > 0) throw new Failure('blob-short', `${left} of ${size} bytes are missing`);
}

/** A name in a directory is durable once the directory is. Some systems cannot sync one, and need not. */
async function syncFolder(path: string): Promise<void> {
  let folder: FileHandle;
  try {
    folder = await open(path, 'r');
  } catch (error) {
    if (process.platform === 'win32') return;
    throw error;
  }
  try {
    await folder.sync();
  } catch (error) {
    if (!['EPERM', 'EINVAL', 'EBADF'].includes(code(error) ?? '')) throw error;
  } finally {
    await folder.close();
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await (await open(path, 'r')).close();
    return true;
  } catch (error) {
    if (code(error) === 'ENOENT') return false;
    throw error;
  }
}

async function stored<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw unavailable(error);
  }
}

function refusal(error: unknown): Failure {
  if (error instanceof Failure) return error;
  return code(error) === 'EEXIST' ? taken() : unavailable(error);
}

function taken(): Failure {
  return new Failure('blob-exists', 'there is a content of this name');
}

function missing(): Failure {
  return new Failure('blob-missing', 'there is no such content');
}

function unavailable(error: unknown): Failure {
  const why = code(error) === 'ENOSPC' ? 'there is no space left' : 'the volume of the files does not answer';
  return new Failure('blob-unavailable', why, error);
}

function code(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code;
}
