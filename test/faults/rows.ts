import { setTimeout as pause } from 'node:timers/promises';
import { nats, postgres } from './engines.ts';
import type { Scenario } from './scenario.ts';
import { cuts, servers } from './servers.ts';

/** What a row promises, as far as numbers can say it. Times in milliseconds. */
export interface Bounds {
  /** The pause that one in a hundred people may exceed, and the one that nobody may. */
  readonly p99?: number;
  readonly longest?: number;
  /** How long after the engine answers again the last pause is over. */
  readonly behind?: number;
  /** Connections may be lost, and are resumed. */
  readonly disconnects?: boolean;
  /** No partition may move. */
  readonly stays?: boolean;
  /** Who asks for something in the middle of it may be told that it cannot be had now. */
  readonly errs?: boolean;
}

/** One row of the table of faults in DESIGN §4. */
export interface Row {
  readonly name: string;
  /** What is done to the pool in a round. */
  readonly how: string;
  /** What people may notice, in the words of DESIGN; undefined where nothing happens. */
  readonly promise?: string;
  readonly bounds: Bounds;
  /** Links are cut: processes reach the engines through proxies then. */
  readonly cuts?: boolean;
  /** Seconds that a round takes, about. */
  readonly seconds: number;
  /** One for all rounds, or several that take turns. */
  readonly scenarios: readonly Scenario[];
}

const known = [...servers, ...cuts, ...nats, ...postgres];

function scenario(name: string): Scenario {
  const found = known.find((one) => one.name === name);
  if (found === undefined) throw new Error(`there is no scenario '${name}'`);
  return found;
}

const calm: Scenario = {
  name: 'nothing',
  rounds: { short: 0, long: 0 },
  patience: 10,
  round: () => pause(4000),
};

/** The row of that name, or those with the text in their names. */
export function named(text: string): readonly Row[] {
  const same = rows.filter(({ name }) => name === text);
  return same.length > 0 ? same : rows.filter(({ name }) => name.includes(text));
}

/** All but the static host, which there is not yet; and nothing at all, to compare with. */
export const rows: readonly Row[] = [
  {
    name: 'nothing, to compare with',
    how: 'nothing for 4 s',
    bounds: { stays: true },
    seconds: 7,
    scenarios: [calm],
  },
  {
    name: 'server crash',
    how: '`kill -9` of a server and its supervisor, started again after 1.5 s',
    promise: 'a pause ≤ 1 s (p99), nobody disconnected',
    bounds: { p99: 1000 },
    seconds: 9,
    scenarios: [scenario('kill -9 of a server')],
  },
  {
    name: 'server hang or cut off',
    how: 'in turns: SIGSTOP of a server and its supervisor for 9 s; a server cut off from NATS, PostgreSQL and the others for 9 s',
    promise: 'a pause ≤ 8 s, nobody disconnected',
    bounds: { longest: 8000 },
    cuts: true,
    seconds: 17,
    scenarios: [scenario('server frozen past its lease'), scenario('server cut from both')],
  },
  {
    name: 'drain',
    how: '`muster drain` of a server, then `muster undrain`, until it has its share again',
    promise: '≤ 0.3 s per partition, nobody disconnected',
    bounds: { longest: 300 },
    seconds: 10,
    scenarios: [scenario('server drained and filled again')],
  },
  {
    name: 'rolling upgrade',
    how: 'SIGTERM and start of every server in turn behind the muxes, each once the one before it has its share again',
    promise: '≤ 0.3 s per partition, nobody disconnected',
    bounds: { longest: 300 },
    seconds: 27,
    scenarios: [scenario('all servers upgraded in turn')],
  },
  {
    name: 'mux crash',
    how: '`kill -9` of a mux and its supervisor, started again after 1.5 s',
    promise: 'its clients reconnect and resume; nothing lost',
    bounds: { disconnects: true },
    seconds: 7,
    scenarios: [scenario('kill -9 of a mux')],
  },
  {
    name: 'database primary lost',
    how: '`kill -9` of PostgreSQL’s primary, promotion of its synchronous standby; what was the primary becomes the next standby',
    promise: 'durable sends wait; no partition moves; nothing acknowledged is lost (synchronous standby)',
    bounds: { behind: 5000, stays: true },
    seconds: 10,
    scenarios: [scenario('standby promoted')],
  },
  {
    name: 'NATS out',
    how: '`kill -9` of all three nodes, started again after 7 s',
    promise:
      'nobody is declared dead, nothing is claimed; what crosses processes waits or errs by class until it is back',
    bounds: { behind: 5000, stays: true, errs: true },
    seconds: 13,
    scenarios: [scenario('all of NATS away')],
  },
  {
    name: 'database out and a server crashes',
    how: '`kill -9` of PostgreSQL’s primary, which stays away for 7 s, and of a server, started again 1.5 s after it',
    promise: 'that server’s partitions pause until the database answers',
    bounds: { behind: 5000, errs: true },
    seconds: 16,
    scenarios: [scenario('PostgreSQL and a server killed')],
  },
];
