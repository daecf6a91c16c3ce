import { pino } from 'pino';
import { pretty } from './pretty.ts';

/** What the rest of the house logs with. Never pass passwords, bodies, tokens or whole stanzas in `fields`. */
export interface Log {
  debug(fields: object, text: string): void;
  info(fields: object, text: string): void;
  warn(fields: object, text: string): void;
  error(fields: object, text: string): void;
  /** A logger that adds `fields` to each line. */
  child(fields: object): Log;
}

export type Level = 'debug' | 'info' | 'warn' | 'error' | 'silent';

/**
 * Opens the process's log: JSON lines, or readable ones where it goes to a terminal. A server's log is its standard
 * output (1); a command whose standard output is its answer logs to standard error (2).
 */
export function openLog(level: Level, fd: 1 | 2 = 1): Log {
  const terminal = (fd === 1 ? process.stdout : process.stderr).isTTY === true;
  return pino({ level, base: null }, terminal ? pretty(fd) : pino.destination({ fd, sync: true }));
}

/** Drops everything: for tests and the simulation. */
export const quiet: Log = { debug() {}, info() {}, warn() {}, error() {}, child: () => quiet };
