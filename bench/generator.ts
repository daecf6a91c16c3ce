/**
 * The child process that plays the clients, so that their CPU is not the server's. Takes one order at a time from its
 * parent (`load.ts`) and answers each with a result or an error text.
 */
import { Client, type Hooks, type Person, type Target } from './client.ts';
import { Gathering, type Joins, type Talk } from './gathering.ts';
import { type Heard, Murmur } from './murmur.ts';
import { parallel } from './parallel.ts';
import { pause } from './proc.ts';
import { latency, type Latency } from './stats.ts';
import { stir, type Stirred } from './stir.ts';
import { type Ears, type Entrance, Synthetic } from './synthetic.ts';
import { type Flow, Traffic } from './traffic.ts';
import { type Returned, type Seen, Vigil } from './vigil.ts';

/** What a parent can ask for. Users are named `u0`, `u1`, …; `from` and `count` choose a range of them. */
export type Order =
  | { do: 'open'; target: Target; password: string; from: number; count: number; at: number; chat: boolean }
  | { do: 'saturate'; window: number; seconds: number; patience: number }
  | { do: 'steady'; rate: number; seconds: number; patience: number }
  | { do: 'login'; target: Target; password: string; users: number; count: number; at: number }
  | { do: 'vigil'; target: Target; password: string; jitter: number; people?: number }
  | { do: 'watch'; rate: number; seconds: number; patience: number }
  | { do: 'returned' }
  | { do: 'resume'; target: Target; password: string; count: number; at: number }
  | { do: 'pour'; target: Target; password: string; from: number; seconds: number }
  | { do: 'archive'; room?: string }
  | { do: 'create'; room: string; fields: Record<string, readonly string[]> }
  | { do: 'join'; room: string; from: number; count: number; at: number; rate?: number; patience: number }
  | { do: 'flood'; room: string; flight: number; seconds: number; patience: number }
  | { do: 'drip'; room: string; rate: number; seconds: number; patience: number }
  | { do: 'listen'; id: string }
  | { do: 'hear'; room: string; id: string; speak: boolean; count: number; patience: number }
  | {
      do: 'conjure';
      entrance: Entrance;
      password: string;
      from: number;
      count: number;
      at: number;
      each?: number;
    }
  | { do: 'stir'; changers: number; people: number; contacts: number; patience: number }
  | { do: 'populate'; host: string; rooms: number; founders: boolean; at: number }
  | { do: 'murmur'; rate: number; seconds: number }
  | { do: 'heard' }
  | { do: 'close' };

/** How a batch of logins went. */
export interface Logins {
  done: number;
  seconds: number;
  latency: Latency;
  /** Contacts that the last one's roster had. */
  contacts: number;
  /** How often somebody was told to try again later, and did. */
  again: number;
}

/** What one client sent as fast as it could, and how much of it came to another one meanwhile. */
export interface Poured {
  written: number;
  delivered: number;
  /** Of its connection, where the server did not like it. */
  cut: boolean;
}

/** Answer to each order. */
export interface Answers {
  open: Logins;
  saturate: Flow;
  steady: Flow;
  login: Logins;
  vigil: null;
  watch: Seen;
  returned: Returned;
  /** How many resumed. */
  resume: number;
  pour: Poured;
  /** Archived messages that the first pair's two sides, or the first two in a room, can page through: the newest page. */
  archive: { sender: number; recipient: number };
  create: null;
  join: Joins;
  flood: Talk;
  drip: Talk;
  listen: null;
  /** When it was sent from here, and when the last one here had it: ms since the epoch. */
  hear: { sent: number; heard: number; last: number };
  /** Logins of people without a connection. */
  conjure: Logins;
  stir: Stirred;
  populate: Joins;
  /** Messages sent. */
  murmur: number;
  heard: Heard;
  close: null;
}

const STRIDE = 37;
const BODY = 'The quick brown fox jumps over the lazy dog, and then once more. ';
const clients: Client[] = [];
let traffic: Traffic | undefined;
let vigil: Vigil | undefined;
const gathering = new Gathering(clients);
let murmur: Murmur | undefined;
let synthetic: Synthetic | undefined;
const puppets: Person[] = [];
const lost: string[] = [];

const hooks: Hooks = {
  message: (client, text) => (vigil ?? traffic ?? murmur ?? gathering).message(client, text),
  acked: (client, h) => (vigil ?? traffic)?.acked(client, h),
  lost: (client, reason) => {
    if (vigil) vigil.lost(client);
    else lost.push(`${client.user}: ${reason}`);
  },
};

async function run(order: Order): Promise<Answers[Order['do']]> {
  if (lost.length > 0) throw new Error(`${lost.length} connections lost, first: ${lost[0]}`);
  switch (order.do) {
    case 'open':
      return open(order);
    case 'saturate':
      return chat().saturate(order.window, order.seconds, order.patience);
    case 'steady':
      return chat().steady(order.rate, order.seconds, order.patience);
    case 'login':
      return logins(order);
    case 'vigil':
      vigil = watchers(order);
      return null;
    case 'watch':
      return watched().watch(order.rate, order.seconds, order.patience);
    case 'returned':
      return watched().returned();
    case 'resume':
      return resume(order);
    case 'pour':
      return pour(order);
    case 'archive':
      return {
        sender: await archived(clients[0], order.room),
        recipient: await archived(clients[1], order.room),
      };
    case 'create':
      await gathering.create(order.room, order.fields);
      return null;
    case 'join':
      return gathering.join(order.room, order.from, order.count, order.at, order.rate, order.patience);
    case 'flood':
      return gathering.saturate(order.room, order.flight, order.seconds, order.patience);
    case 'drip':
      return gathering.steady(order.room, order.rate, order.seconds, order.patience);
    case 'listen':
      gathering.listen(order.id);
      return null;
    case 'hear':
      return gathering.hear(order.room, order.id, order.speak, order.count, order.patience);
    case 'conjure':
      return conjure(order);
    case 'stir':
      return stir(clients, order);
    case 'populate':
      murmur ??= new Murmur(synthetic ? puppets : clients, order.host, order.rooms);
      return murmur.populate(order.founders, order.at);
    case 'murmur':
      return murmuring().speak(order.rate, order.seconds);
    case 'heard':
      return murmuring().heard();
    case 'close':
      await Promise.all(clients.splice(0).map((client) => client.close()));
      return null;
  }
}

/** Opens sessions that stay: roster, presence, and stream management last, so that `h` counts messages only. */
async function open(order: Order & { do: 'open' }): Promise<Logins> {
  const started = performance.now();
  const times: number[] = [];
  let contacts = 0;
  let again = 0;
  const offset = clients.length;
  await parallel(numbers(order.count), order.at, async (n) => {
    const index = order.from + n;
    const client = new Client(order.target, `u${index}`, index, hooks);
    const from = performance.now();
    again += await client.login(order.password, 'bench', source(index));
    contacts = await client.roster();
    client.send('<presence/>');
    await client.manage();
    times.push(performance.now() - from);
    clients[offset + n] = client;
  });
  if (order.chat) {
    traffic = new Traffic(order.target.domain);
    for (let n = 0; n + 1 < order.count; n += 2)
      traffic.pair(clients[offset + n] as Client, clients[offset + n + 1] as Client);
  }
  return { done: times.length, seconds: since(started), latency: latency(times), contacts, again };
}

/** So many times somebody, one after the other, loses the connection and resumes; who is refused ends it. */
async function resume({ target, password, count, at }: Order & { do: 'resume' }): Promise<number> {
  let resumed = 0;
  await parallel(numbers(count), at, async (n) => {
    const client = clients[n % clients.length] as Client;
    client.drop();
    if ((await client.resume(target, password, source(client.index))) === undefined)
      throw new Error(`${client.user} may not resume`);
    resumed += 1;
  });
  return resumed;
}

/** `u<from>` sends to `u<from + 1>` without waiting for anything; both are there for that time only. */
async function pour(order: Order & { do: 'pour' }): Promise<Poured> {
  const { target, password, from } = order;
  let delivered = 0;
  let cut = false;
  const deaf: Hooks = { message: () => void (delivered += 1), acked() {}, lost: () => void (cut = true) };
  const [sender, recipient] = [0, 1].map((n) => new Client(target, `u${from + n}`, from + n, deaf)) as [
    Client,
    Client,
  ];
  for (const client of [recipient, sender]) {
    await client.login(password, 'bench', source(client.index));
    client.send('<presence/>');
    await client.manage();
  }
  const to = `${recipient.user}@${target.domain}`;
  const written = await sender.pour(
    (n) => `<message to='${to}' type='chat' id='p${n}'><body>${BODY}${n}</body></message>`,
    order.seconds,
  );
  const came = delivered;
  await recipient.close();
  return { written, delivered: came, cut };
}

/**
 * People of a mux that there is not: see synthetic.ts. They are as those of `open`; where an account has several sessions
 * (`each`), they are bare: without contact list and presence. Then two accounts take turns, so that one index and the next
 * are of different ones.
 */
async function conjure(order: Order & { do: 'conjure' }): Promise<Logins> {
  const { each, password } = order;
  const started = performance.now();
  const times: number[] = [];
  let again = 0;
  const mux = (synthetic ??= await Synthetic.open(order.entrance));
  const ears: Ears = {
    message: (person, text) => (vigil ?? murmur)?.message(person, text),
    acked: (person, h) => vigil?.acked(person, h),
  };
  await parallel(numbers(order.count), order.at, async (n) => {
    const index = order.from + n;
    const from = performance.now();
    const who = each === undefined ? { user: `u${index}`, resource: 'bench' } : oneOf(each, index);
    const login = await mux.login({ ...who, index, password }, ears);
    again += login.again;
    if (each === undefined) {
      await login.puppet.iq('get', "<query xmlns='jabber:iq:roster'/>");
      login.puppet.send('<presence/>');
    }
    await login.puppet.manage();
    times.push(performance.now() - from);
    puppets[n] = login.puppet;
  });
  return { done: times.length, seconds: since(started), latency: latency(times), contacts: 0, again };
}

function oneOf(each: number, index: number): { user: string; resource: string } {
  const place = index % (2 * each);
  const account = ((index - place) / (2 * each)) * 2 + (place % 2);
  return { user: `u${account}`, resource: `r${place >> 1}` };
}

/** The first `people` of those here, or all. Without a connection they write to one session, with one to an account. */
function watchers({ target, password, jitter, people }: Order & { do: 'vigil' }): Vigil {
  const known = new Map(clients.map((client) => [client.index, client]));
  return new Vigil(
    (synthetic ? puppets : clients).slice(0, people),
    ({ user, jid }) => (synthetic ? jid : `${user}@${target.domain}`),
    async (index) => {
      // As clients do it, so that a lost server does not get all of them in one instant.
      await pause(Math.random() * jitter);
      return known.get(index)?.resume(target, password, source(index));
    },
  );
}

/** Whole logins as a client that starts does them, each closed at once: stream management, roster, presence. */
async function logins(order: Order & { do: 'login' }): Promise<Logins> {
  const started = performance.now();
  const times: number[] = [];
  const ends: Promise<void>[] = [];
  let contacts = 0;
  let again = 0;
  await parallel(numbers(order.count), order.at, async (n) => {
    // A stride, so that logins at the same time are not of contacts, who would hear of each other.
    const index = (n * STRIDE) % order.users;
    const client = new Client(order.target, `u${index}`, index, hooks);
    const from = performance.now();
    again += await client.login(order.password, `r${n % 4}`, source(index));
    await client.manage();
    contacts = await client.roster();
    // Our own presence comes back to us (RFC 6121 §4.2.2): the login is over when it does.
    await client.ask('<presence/>', (text) => text.startsWith('<presence'));
    times.push(performance.now() - from);
    // Not waited for: ejabberd keeps a closed stream for 100 ms, and a server that waits is not what we measure.
    ends.push(client.close());
  });
  await Promise.all(ends);
  return { done: times.length, seconds: since(started), latency: latency(times), contacts, again };
}

/** XEP-0313 §4: the newest page of a client's archive, or of a room's. Proves that a bench with archive measured one. */
async function archived(client: Client | undefined, room?: string): Promise<number> {
  if (!client) return 0;
  let found = 0;
  const id = 'archive';
  const page = "<set xmlns='http://jabber.org/protocol/rsm'><max>10</max><before/></set>";
  const to = room === undefined ? '' : ` to='${room}'`;
  const query = `<iq type='set' id='${id}'${to}><query xmlns='urn:xmpp:mam:2'>${page}</query></iq>`;
  await client.ask(query, (text) => {
    if (text.startsWith('<message') && text.includes('urn:xmpp:forward:0')) found += 1;
    return text.startsWith('<iq') && text.includes(id);
  });
  return found;
}

function chat(): Traffic {
  if (!traffic) throw new Error('no pairs are open');
  return traffic;
}

function murmuring(): Murmur {
  if (!murmur) throw new Error('nobody is in a room');
  return murmur;
}

function watched(): Vigil {
  if (!vigil) throw new Error('nobody keeps vigil');
  return vigil;
}

/** Spreads connections over loopback addresses: each has its own 28,000 ports. */
function source(index: number): string {
  return `127.0.1.${1 + (index % 8)}`;
}

function since(started: number): number {
  return (performance.now() - started) / 1000;
}

/** 0..count-1 */
function numbers(count: number): Iterable<number> {
  return Array(count).keys();
}

process.on('message', (order: Order | { do: 'stop' }) => {
  // Ends what another order began; that one answers.
  if (order.do === 'stop') {
    vigil?.stop();
    return;
  }
  run(order).then(
    (result) => process.send?.({ result }),
    async (error: unknown) => {
      // One connection or all of them: what is lost together is heard of together.
      await pause(200);
      const all = lost.length > 1 ? ` (${lost.length} of ${clients.length} connections lost)` : '';
      process.send?.({ error: `${error instanceof Error ? error.message : String(error)}${all}` });
    },
  );
});
process.on('disconnect', () => process.exit(0));
