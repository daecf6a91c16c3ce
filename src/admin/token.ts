import { createHash, timingSafeEqual } from 'node:crypto';
import { chmodSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { token, type Random } from '../base/random.ts';

/**
 * How the command line finds the running server and is let in: DATA/admin.token (mode 0600), a secret that only the
 * user who runs the server can read, and DATA/server.json, which says where it listens.
 */
export interface Announcement {
  /** Base URL of the administrator's API. */
  readonly url: string;
  readonly pid: number;
  /** PEM text of its certificate, where the URL is https. */
  readonly cert?: string | undefined;
}

/** The kept token, or a new one where there is none or others could have read it. */
export function adminToken(data: string, random: Random): string {
  const file = join(data, 'admin.token');
  const kept = readToken(data);
  if (kept !== undefined && (statSync(file).mode & 0o077) === 0) return kept;
  const secret = token(random, 32);
  mkdirSync(data, { recursive: true, mode: 0o700 });
  replace(file, `${secret}\n`, 0o600);
  return secret;
}

export function readToken(data: string): string | undefined {
  const text = read(join(data, 'admin.token'))?.trim();
  return text === undefined || text.length < 32 ? undefined : text;
}

/** Writes server.json; returns what removes it again, unless another server wrote its own in the meantime. */
export function announce(data: string, announcement: Announcement): () => void {
  const file = join(data, 'server.json');
  replace(file, `${JSON.stringify(announcement)}\n`, 0o600);
  return () => {
    if (readAnnouncement(data)?.pid === announcement.pid) rmSync(file, { force: true });
  };
}

/** Where the server of this data directory says it listens; it may be gone without having removed its note. */
export function readAnnouncement(data: string): Announcement | undefined {
  const text = read(join(data, 'server.json'));
  if (text === undefined) return undefined;
  try {
    const { url, pid, cert } = JSON.parse(text) as Partial<Announcement>;
    return typeof url === 'string' && typeof pid === 'number' ? { url, pid, cert } : undefined;
  } catch {
    return undefined; // half written by a full disk
  }
}

/** Compares in a time that does not depend on where the texts differ, nor on their lengths. */
export function same(one: string, other: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(one), digest(other));
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

function replace(file: string, text: string, mode: number): void {
  const fresh = `${file}.${process.pid}.tmp`;
  writeFileSync(fresh, text, { mode });
  chmodSync(fresh, mode);
  renameSync(fresh, file);
}
