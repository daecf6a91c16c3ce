import { products, rotated, type Setup } from './arena.ts';
import { Load } from './load.ts';
import { metered, resting, type Spent } from './meter.ts';
import type { Peer, Running } from './peers/peer.ts';
import type { Column, Report, Row } from './table.ts';

const PASSWORD = 'pencil';
const USERS = 210;
const CONTACTS = 20;
const AT = 8;

const columns: Column[] = [
  { key: 'cpu', title: 'CPU ms/login, no contacts', digits: 2, compare: true },
  { key: 'contactsCpu', title: `CPU ms/login, ${CONTACTS} contacts`, digits: 2, compare: true },
  { key: 'broker', title: '  of which NATS', digits: 2, compare: false },
  { key: 'database', title: '  beside it: PostgreSQL', digits: 2, compare: false },
  { key: 'p50', title: `p50 ms, ${AT} at a time`, digits: 1, compare: true },
  { key: 'p99', title: 'p99 ms', digits: 1, compare: true },
  { key: 'generator', title: 'generator, share of a core', digits: 2, compare: false },
  { key: 'others', title: 'others’ share of the machine', digits: 2, compare: false },
];

interface Stand {
  peer: Peer;
  bare: Running;
  befriended: Running;
  rest: [Spent, Spent];
  row: Row;
}

/** Whole logins: connect, authenticate, bind, stream management, contact list, presence, close. */
export async function login(setup: Setup): Promise<Report> {
  const notes = [
    'connect, SCRAM-SHA-256, bind, session where required, SM enable, roster get, presence until its echo, then unavailable and stream close; TLS off',
    `keys are stored on both sides: no PBKDF2 is measured; ${AT} logins at a time over ${USERS} accounts, contacts (almost all) offline`,
  ];
  const stands: Stand[] = [];
  await using load = new Load();
  const count = setup.quick ? 300 : 1500;
  const order = (running: Running, many: number) =>
    ({ do: 'login', target: running.plain, password: PASSWORD, users: USERS, count: many, at: AT }) as const;
  try {
    for (const peer of products(setup.peers)) {
      setup.say(`login: ${peer.name} starts`);
      const one = await stand(setup, peer);
      stands.push(one);
      for (const running of [one.bare, one.befriended]) await load.ask(order(running, 2 * USERS));
    }
    for (let round = 0; round < setup.rounds; round++) {
      for (const { peer, bare, befriended, rest, row } of rotated(stands, round)) {
        setup.say(`login: round ${round + 1} of ${setup.rounds}, ${peer.name}`);
        const add = (key: string, value: number) => (row.figures[key] ??= []).push(value);
        const first = await metered(bare, load, () => load.ask(order(bare, count)), rest[0]);
        add('cpu', (first.usage.server * 1e3) / count);
        if (bare.broker) add('broker', (first.usage.broker * 1e3) / count);
        if (bare.database) add('database', (first.usage.database * 1e3) / count);
        add('p50', first.result.latency.p50);
        add('p99', first.result.latency.p99);
        add('generator', first.usage.busy);
        add('others', first.usage.others);
        const second = await metered(befriended, load, () => load.ask(order(befriended, count)), rest[1]);
        if (second.result.contacts !== CONTACTS)
          throw new Error(`${peer.name}: ${second.result.contacts} contacts`);
        add('contactsCpu', (second.usage.server * 1e3) / count);
      }
    }
  } finally {
    for (const one of stands) {
      await setup.arena.stop(one.bare);
      await setup.arena.stop(one.befriended);
    }
  }
  return { name: 'login', title: 'whole logins', columns, rows: stands.map(({ row }) => row), notes };
}

async function stand(setup: Setup, peer: Peer): Promise<Stand> {
  const bare = await setup.arena.start(peer, 'login');
  await bare.accounts(USERS, PASSWORD, 0);
  const befriended = await setup.arena.start(peer, 'login-contacts');
  await befriended.accounts(USERS, PASSWORD, CONTACTS);
  const { name, conditions } = peer;
  const rest: [Spent, Spent] = [await resting(bare), await resting(befriended)];
  return { peer, bare, befriended, rest, row: { name, version: bare.version, conditions, figures: {} } };
}
