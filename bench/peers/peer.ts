import type { Target } from '../client.ts';

/** A server under measurement: one product with one archive engine. */
export interface Peer {
  /** `product/variant`, as the tables show it. */
  readonly name: string;
  readonly product: 'muster' | 'muster-before' | 'muster-pool' | 'ejabberd' | 'prosody' | 'floor';
  /** True where messages are archived for both sides. */
  readonly archives: boolean;
  /** Archive engine, its sync setting, and whether the peer fsyncs before it acknowledges. */
  readonly conditions: string;
  /** Starts it on free loopback ports with its data in `where.dir`, which may hold data from an earlier start. */
  open(where: Place): Promise<Running>;
}

export interface Place {
  /** A private directory that exists; the caller removes it. */
  dir: string;
  /** One PEM key pair for all, so that TLS costs the same. */
  cert: string;
  key: string;
  /** With the limits that people have who set none; else without those that would be measured in the place of the server. */
  usual?: boolean;
}

/** A server that runs. */
export interface Running {
  version: string;
  /** Where clients connect: without TLS, and with TLS from the first byte. */
  plain: Target;
  secure: Target;
  /** Every process of the server, helpers included, its message broker too. */
  pids(): number[];
  /** Those of `pids` that are the message broker's. */
  broker?(): number[];
  /** The processes of the database beside the server; not in `pids`. */
  database?(): number[];
  /**
   * Creates accounts `u0`…`u<count-1>`. With `contacts` > 0, blocks of `contacts + 1` consecutive accounts have each
   * other as contacts, subscribed both ways.
   */
  accounts(count: number, password: string, contacts: number): Promise<void>;
  /** Stops it in good order; its data stays. */
  close(): Promise<void>;
}

/** The domain all benched servers serve. */
export const DOMAIN = 'bench.test';

/** Where a server has its rooms: all of them under this name. */
export function conference(domain: string): string {
  return `conference.${domain}`;
}

/** The accounts that share a block with `index`, among `count`. */
export function block(index: number, count: number, contacts: number): number[] {
  if (contacts === 0) return [];
  const from = index - (index % (contacts + 1));
  const found: number[] = [];
  for (let at = from; at <= from + contacts && at < count; at++) if (at !== index) found.push(at);
  return found;
}
