import {
  accessSync,
  closeSync,
  constants,
  createReadStream,
  openSync,
  readdirSync,
  readSync,
  realpathSync,
  statSync,
} from 'node:fs';
import { dirname, join, resolve, sep } from 'node:path';
import { Failure } from '../../base/failure.ts';
import { readPie, type Include, type Record } from '../../transfer/reader.ts';

/** What is imported: the files, how long they are as far as they are known, and how much was read. */
export interface Files {
  readonly records: AsyncIterable<Record>;
  readonly size: () => number;
  readonly read: () => number;
}

/**
 * A file of XEP-0227, a directory of them, or standard input (`-`). Files include others (XEP-0227 §5) of the directory
 * that they are in, or below it; never those of another place.
 */
export function openFiles(path: string): Files {
  if (path === '-') {
    const nowhere: Include = () => {
      throw new Failure('include', 'standard input has no directory that files could be in');
    };
    return { records: readPie(process.stdin, '-', nowhere), size: () => 0, read: () => 0 };
  }
  let size = 0;
  let read = 0;
  const open = (file: string): AsyncIterable<Uint8Array> => {
    size += statSync(file).size;
    return counted(createReadStream(file), (bytes) => (read += bytes));
  };
  const top = listed(path);
  const root = realpathSync(statSync(path).isDirectory() ? path : dirname(path));
  const include: Include = (href, from) => {
    const name = inside(root, href, from);
    return { name, source: open(name) };
  };
  async function* records(): AsyncGenerator<Record> {
    for (const file of top) yield* readPie(open(file), file, include);
  }
  return { records: records(), size: () => size, read: () => read };
}

/** The file itself; of a directory those that are whole documents, or where there is none all of them. */
function listed(path: string): string[] {
  try {
    if (!statSync(path).isDirectory()) {
      accessSync(path, constants.R_OK); // said now, not in the middle of sending
      return [path];
    }
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new Failure('usage', code === 'ENOENT' ? `${path}: no such file` : `${path}: ${message}`, error);
  }
  const all = readdirSync(path)
    .filter((name) => name.endsWith('.xml'))
    .sort()
    .map((name) => join(path, name));
  if (all.length === 0) throw new Failure('usage', `${path}: there is no file whose name ends in .xml`);
  const whole = all.filter((file) => head(file).includes('server-data'));
  return whole.length > 0 ? whole : all;
}

function head(file: string): string {
  const handle = openSync(file, 'r');
  try {
    const bytes = Buffer.alloc(1024);
    return bytes.toString('latin1', 0, readSync(handle, bytes));
  } finally {
    closeSync(handle);
  }
}

/** RFC 3986: a relative reference. The target's real place counts, so that no link leads out. */
function inside(root: string, href: string, from: string): string {
  const refused = (why: string) => new Failure('include', why);
  if (/^[a-z][a-z\d+.-]*:/i.test(href) || href.startsWith('/') || /[?#\\]/.test(href))
    throw refused('only files beside it are');
  let real: string;
  try {
    real = realpathSync(resolve(dirname(from), decodeURIComponent(href)));
  } catch (error) {
    throw new Failure('include', 'there is no such file', error);
  }
  if (!real.startsWith(root + sep)) throw refused('it is outside of the directory');
  if (!statSync(real).isFile()) throw refused('it is no file');
  return real;
}

async function* counted(
  source: AsyncIterable<Uint8Array>,
  count: (bytes: number) => void,
): AsyncGenerator<Uint8Array> {
  for await (const bytes of source) {
    count(bytes.length);
    yield bytes;
  }
}
