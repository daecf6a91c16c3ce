import type { Setup } from './arena.ts';
import { city } from './city.ts';
import { crowd } from './crowd.ts';
import { flood } from './flood.ts';
import { idle } from './idle.ts';
import { joins } from './joins.ts';
import { kill } from './kill.ts';
import { large } from './large.ts';
import { login } from './login.ts';
import { long } from './long.ts';
import { message } from './message.ts';
import { million } from './million.ts';
import { profile } from './profile.ts';
import { room } from './room.ts';
import { scale } from './scale.ts';
import { startup } from './startup.ts';
import { storm } from './storm.ts';
import { merged, type Report } from './table.ts';

/** One bench of the suite. */
export interface Bench {
  readonly name: string;
  readonly about: string;
  /** Of a pool alone, with real processes; else of servers side by side. */
  readonly pool: boolean;
  /** Minutes in its full form with the peers of `beside`, about. */
  readonly minutes: number;
  readonly rounds: number;
  /** The peers where nobody is named; undefined: ejabberd and Prosody in all variants. */
  readonly beside?: readonly string[];
  /** Runs where no bench is named. */
  readonly usual?: boolean;
  /** Muxes of its pool. */
  readonly muxes?: number;
  /** Its servers. */
  readonly servers?: number;
  /** Another build beside this one belongs to it: its figures are before and after. */
  readonly builds?: boolean;
  readonly run: (setup: Setup) => Promise<Report>;
}

/** A bench that takes every figure once: each round starts everything afresh. */
function rounds(once: Bench['run']): Bench['run'] {
  return async (setup) => {
    const reports: Report[] = [];
    for (let round = 0; round < setup.rounds; round++) {
      const say = (text: string) => setup.say(`round ${round + 1} of ${setup.rounds}, ${text}`);
      reports.push(await once({ ...setup, say }));
      setup.arena.clear();
    }
    return merged(reports);
  };
}

export const suite: readonly Bench[] = [
  {
    name: 'message',
    about: '1:1 messages, acknowledged: CPU, throughput, latency',
    pool: false,
    minutes: 35,
    rounds: 5,
    usual: true,
    run: message,
  },
  {
    name: 'idle',
    about: 'memory of 10,000 connections, plain and TLS',
    pool: false,
    minutes: 15,
    rounds: 5,
    usual: true,
    run: idle,
  },
  {
    name: 'login',
    about: 'CPU of a whole login with SCRAM-SHA-256',
    pool: false,
    minutes: 5,
    rounds: 5,
    usual: true,
    run: login,
  },
  {
    name: 'room',
    about: 'rooms of 20, 200 and 2,000: CPU and latency of a delivery, the share of the floor',
    pool: false,
    minutes: 30,
    rounds: 5,
    beside: ['floor', 'ejabberd/none', 'ejabberd/mnesia', 'prosody/none', 'prosody/internal'],
    run: room,
  },
  {
    name: 'large',
    about: 'one room of 10,000 with limited presence',
    pool: false,
    minutes: 4,
    rounds: 5,
    beside: ['none'],
    run: rounds(large),
  },
  {
    name: 'joins',
    about: '2,000 joins within a minute into a room that starts empty',
    pool: false,
    minutes: 10,
    rounds: 5,
    beside: ['ejabberd/none'],
    run: rounds(joins),
  },
  {
    name: 'flood',
    about: 'one client sends at full speed: latency of the others before, during and after',
    pool: false,
    minutes: 12,
    rounds: 5,
    beside: ['muster-pool'],
    run: flood,
  },
  {
    name: 'kill',
    about: 'a server is killed, hangs, is drained, or all are restarted (--how): the pause of each client',
    pool: true,
    minutes: 15,
    rounds: 20,
    run: kill,
  },
  {
    name: 'profile',
    about:
      'login, 1:1, room, presence, resumption: where the CPU goes by the stops of the way, how far the floor is',
    pool: true,
    minutes: 8,
    rounds: 2,
    servers: 2,
    builds: true,
    muxes: 1,
    run: profile,
  },
  {
    name: 'crowd',
    about: '19,500 connections on one mux: memory, statements of a login',
    pool: true,
    minutes: 5,
    rounds: 5,
    muxes: 1,
    run: rounds(crowd),
  },
  {
    name: 'storm',
    about: 'a mux with 19,000 clients is killed: until all have resumed, statements of a resumption',
    pool: true,
    minutes: 5,
    rounds: 5,
    muxes: 3,
    run: rounds(storm),
  },
  {
    name: 'startup',
    about:
      'starts with 1,000,000 accounts in the directory, standalone and in a pool: until ready, until the first login',
    pool: true,
    minutes: 8,
    rounds: 5,
    muxes: 1,
    run: startup,
  },
  {
    name: 'city',
    about: '100,000 people in 1,000 rooms, real and synthetic',
    pool: true,
    minutes: 40,
    rounds: 1,
    run: rounds(city),
  },
  {
    name: 'scale',
    about: '100,000 connections at one server, all online; then it is killed',
    pool: true,
    minutes: 20,
    rounds: 1,
    muxes: 6,
    run: rounds(scale),
  },
  {
    name: 'million',
    about: '1,000,000 synthetic sessions at one server: memory, latency beside its collections of garbage',
    pool: true,
    minutes: 20,
    rounds: 1,
    run: rounds(million),
  },
  {
    name: 'long',
    about: 'an hour at 60 % load, a fault each minute: memory, files, lag, tables; retention runs',
    pool: true,
    minutes: 70,
    rounds: 1,
    run: long,
  },
];

export const named = new Map(suite.map((bench) => [bench.name, bench]));

/** `bench list`, as rows of a table. */
export function listed(): string[][] {
  return [
    ['bench', 'what', 'of', 'rounds', 'minutes'],
    ...suite.map(({ name, about, pool, rounds, minutes, beside, usual }) => [
      usual === true ? `${name} *` : name,
      about,
      pool
        ? 'a pool'
        : `Muster, ${(beside ?? ['ejabberd', 'prosody']).filter((one) => one !== 'none').join(', ')}`.replace(
            /, $/,
            '',
          ),
      String(rounds),
      String(minutes),
    ]),
  ];
}
