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

/** Opens the process's log on standard output: JSON lines, or readable ones where that is a terminal. */
export function openLog(level: Level, terminal: boolean = process.stdout.isTTY === true): Log {
  return pino({ level, base: null }, terminal ? pretty() : pino.destination({ fd: 1, sync: true }));
}

/** Drops everything: for tests and the simulation. */
export const quiet: Log = { debug() {}, info() {}, warn() {}, error() {}, child: () => quiet };
