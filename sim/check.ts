import type { Partition } from '../src/account/partition.ts';
import type { Partition as RoomPartition } from '../src/rooms/partition.ts';
import { kinds, type Kind } from '../src/placement/placement.ts';
import { defaultLimits } from '../src/base/limits.ts';
import type { Client } from './client.ts';
import { node } from './habits.ts';
import type { History } from './history.ts';
import { checkRooms } from './rooms.ts';
import { serverNames, type World } from './world.ts';

interface Stored {
  readonly address: string;
  readonly id: number;
  readonly direction: number;
  readonly pending: number;
  readonly body: string;
}

/** What must hold when everything has healed and come to rest: invariants 2, 4, 5, 6 and 10. */
export function check(world: World, people: readonly Client[], history: History): void {
  const rows = world.database
    .rows<{ address: string; id: number; direction: number; pending: number; xml: string }>(
      `select a.address, m.id, m.direction, m.pending, m.xml from message m join account a on a.id = m.account
        where m.kind in (0, 3) order by a.address, m.id`,
    )
    .map(({ xml, ...row }): Stored => ({ ...row, body: /<body>([^<]*)<\/body>/.exec(xml)?.[1] ?? '' }));
  const sent = new Map<string, Stored[]>();
  const received = new Map<string, Stored[]>();
  for (const row of rows) {
    const into = row.direction === 1 ? sent : received;
    const list = into.get(row.body);
    if (list === undefined) into.set(row.body, [row]);
    else list.push(row);
  }
  for (const message of history.messages.values()) {
    const copies = sent.get(message.id) ?? [];
    const arrived = received.get(message.id) ?? [];
    if (copies.length > 1)
      history.fault(4, `${message.id} is ${copies.length} times in its sender's archive`);
    if (arrived.length > 1)
      history.fault(4, `${message.id} is ${arrived.length} times in its recipient's archive`);
    if (history.early.has(message))
      history.fault(2, `${message.id} was acknowledged before it was committed`);
    if (message.acked && copies.length === 0 && !message.bounced)
      history.fault(2, `${message.id} was acknowledged and is lost at its sender`);
    if (message.acked && arrived.length === 0 && !message.bounced)
      history.fault(6, `${message.id} was acknowledged, and neither arrived nor came back`);
    if (!message.acked && !message.maybe)
      history.fault(2, `${message.id} was never acknowledged, although everything has healed`);
    if (arrived.length > 0 && copies.length === 0)
      history.fault(2, `${message.id} arrived and is not at its sender`);
  }
  checkRooms(world, people, history);
  habits(world, people, history, received);
  order(history, received);
  mirrored(world, history);
  atRest(world, people, history);
  bounded(world, history);
}

/** What was accepted of publishing and blocking holds: invariants 2 and 4. And who was unblocked is heard again: 6. */
function habits(
  world: World,
  people: readonly Client[],
  history: History,
  received: ReadonlyMap<string, readonly Stored[]>,
): void {
  for (const { name, address, habits: one } of people) {
    const items = world.database.rows<{ payload: string }>(
      'select i.payload from pubsub_item i join account a on a.id = i.account where a.address = ?1 and i.node = ?2',
      address,
      node,
    );
    if (items.length > 1) history.fault(4, `${items.length} items are stored of ${name}, who has one`);
    const stored = Number(/>(\d+)</.exec(items[0]?.payload ?? '')?.[1] ?? 0);
    if (stored < one.accepted || stored > one.published)
      history.fault(2, `${stored} is stored of ${name}, of ${one.published}; ${one.accepted} was accepted`);
    for (const other of people) {
      if (!other.habits.shown.has(address)) continue;
      const shown = other.habits.shown.get(address);
      if (shown !== stored)
        history.fault(9, `${other.name} sees ${shown ?? 'nothing'} of ${name}, who published ${stored}`);
    }
    if (!one.open) history.fault(8, `${name} could not unblock, although everything has healed`);
    const [row] = world.database.rows<{ blocked: string | null }>(
      'select blocked from account where address = ?1',
      address,
    );
    if (one.open && one.pest !== undefined && row?.blocked?.includes(one.pest.address) === true)
      history.fault(2, `${name} still blocks ${one.pest.name}`);
  }
  for (const message of history.greetings)
    if (message.bounced || (message.acked && !received.has(message.id)))
      history.fault(6, `${message.id} has not arrived at ${message.to}, who blocks nobody any more`);
}

/** Invariant 5: in the recipient's archive, what one session sent stands in the order in which it was sent. */
function order(history: History, received: ReadonlyMap<string, readonly Stored[]>): void {
  const last = new Map<string, { number: number; id: number; text: string }>();
  for (const message of [...history.messages.values()].sort((a, b) => a.number - b.number)) {
    const [row] = received.get(message.id) ?? [];
    if (row === undefined) continue;
    const lane = `${message.session} ${message.to}`;
    const before = last.get(lane);
    if (before !== undefined && row.id <= before.id)
      history.fault(5, `${message.id} stands before ${before.text} in the archive of ${message.to}`);
    last.set(lane, { number: message.number, id: row.id, text: message.id });
  }
}

/** Invariant 4: a change of a subscription has happened at both sides or at neither. */
function mirrored(world: World, history: History): void {
  const lists = new Map<string, string>();
  for (const { address, contact, subscription } of world.database.rows<{
    address: string;
    contact: string;
    subscription: string;
  }>('select a.address, r.contact, r.subscription from roster r join account a on a.id = r.account'))
    lists.set(`${address} ${contact}`, subscription);
  const mirror: Readonly<Record<string, string>> = {
    none: 'none',
    removed: 'none',
    to: 'from',
    from: 'to',
    both: 'both',
  };
  for (const [pair, here] of lists) {
    const [address, contact] = pair.split(' ') as [string, string];
    if (contact === '') continue;
    const there = lists.get(`${contact} ${address}`) ?? 'none';
    if ((there === 'removed' ? 'none' : there) !== mirror[here])
      history.fault(4, `${address} has ${contact} as '${here}', which has it as '${there}'`);
  }
}

/** Invariant 6: nothing waits any more, because everybody is there. */
function atRest(world: World, people: readonly Client[], history: History): void {
  const [outbox] = world.database.rows<{ n: number }>('select count(*) as n from outbox');
  if (outbox!.n > 0) history.fault(6, `${outbox!.n} letters still wait in the outbox`);
  for (const person of people) {
    if (!person.ready) {
      history.fault(8, `${person.name} has no session, although everything has healed`);
      continue;
    }
    if (person.waiting > 0)
      history.fault(2, `${person.waiting} stanzas of ${person.name} are not acknowledged`);
    const waiting = world.database.rows<{ id: number; target: string; kind: number; posted: number }>(
      `select m.id, m.target, m.kind, m.posted from account a
        join message m on m.partition = a.partition and m.account = a.id and m.id > a.watermark
        where a.partition = ?1 and a.address = ?2 and m.pending = 1 and m.kind in (0, 3)`,
      world.partitionOf(person.address)!,
      person.address,
    );
    if (waiting.length > 0)
      history.fault(
        6,
        `${waiting.length} messages wait for ${person.name}, who is there: ${JSON.stringify(waiting.slice(0, 3))} ${state(world, person)}`,
      );
  }
}

/** Invariant 10: what sessions hold stays within its bounds. */
function bounded(world: World, history: History): void {
  const served = new Map<number, number>();
  for (const { id } of roomPartitionsOf(world)) served.set(id, (served.get(id) ?? 0) + 1);
  for (const partition of partitionsOf(world)) {
    served.set(partition.id, (served.get(partition.id) ?? 0) + 1);
    for (const session of partition.sessions.values())
      if (session.unacked.size > defaultLimits.unackedHard)
        history.fault(10, `${session.full} holds ${session.unacked.size} unacknowledged stanzas`);
    if (partition.lane.depth > defaultLimits.lane)
      history.fault(10, `${partition.lane.depth} units wait in the lane of ${partition.id}`);
  }
  for (const kind of kinds) shared(world, history, kind, served);
}

/** Invariants 1 and 8: each partition of a kind is served, once; and no server has much more than its share. */
function shared(world: World, history: History, kind: Kind, served: ReadonlyMap<number, number>): void {
  const { first, count } = world.ranges[kind]!;
  for (let id = first; id < first + count; id++) {
    const times = served.get(id) ?? 0;
    if (times === 0) history.fault(8, `nobody serves partition ${id}, although everything has healed`);
    if (times > 1) history.fault(1, `${times} servers serve partition ${id}`);
  }
  const shares = new Map<string, number>();
  for (const { owner } of world.database.rows<{ owner: string }>(
    'select owner from partition where id >= ?1 and id < ?2',
    first,
    first + count,
  ))
    shares.set(owner, (shares.get(owner) ?? 0) + 1);
  const fair = Math.ceil(count / serverNames.length);
  for (const [owner, share] of shares)
    if (share > fair + 1) history.fault(8, `${owner} still has ${share} partitions, a fair share is ${fair}`);
}

function roomPartitionsOf(world: World): RoomPartition[] {
  return [...world.servers.values()].flatMap(({ life, opened }) =>
    life.alive && opened !== undefined ? [...opened.rooms.partitions()].filter(({ ended }) => !ended) : [],
  );
}

function partitionsOf(world: World): Partition[] {
  return [...world.servers.values()].flatMap(({ life, opened }) =>
    life.alive && opened !== undefined ? [...opened.accounts.partitions()].filter(({ ended }) => !ended) : [],
  );
}

/**
 * Invariant 9, `within` ms after everything has healed: who is there is seen by whoever may see it, as it is; and, once the
 * resume window is over, nobody else is.
 */
export function seen(world: World, people: readonly Client[], history: History, within: number): void {
  const { now } = world.scheduler;
  const allowed = new Set(
    world.database
      .rows<{ address: string; contact: string }>(
        `select a.address, r.contact from roster r join account a on a.id = r.account where r.subscription in ('to', 'both')`,
      )
      .map(({ address, contact }) => `${address} ${contact}`),
  );
  // Within 10 s of the moment at which both were connected again.
  const settled = ({ ready, since }: Client) => ready && now - since >= Math.min(within, 20_000) - 2_000;
  for (const subscriber of people) {
    const { inactive, activeSince } = subscriber.habits;
    if (!settled(subscriber) || inactive || now - activeSince < Math.min(within, 20_000) - 2_000) continue;
    const ghosts = new Set(
      [...subscriber.view.keys()].filter((full) =>
        allowed.has(`${subscriber.address} ${full.split('/')[0]}`),
      ),
    );
    for (const person of people) {
      if (person === subscriber || !settled(person)) continue;
      if (!allowed.has(`${subscriber.address} ${person.address}`)) continue;
      if (within < Infinity && (person.habits.hides(subscriber) || subscriber.habits.hides(person))) {
        ghosts.delete(person.full);
        continue;
      }
      const shown = subscriber.view.get(person.full);
      ghosts.delete(person.full);
      if (within < Infinity && !subscriber.steady && !person.steady) continue;
      if (shown === undefined)
        history.fault(9, `${subscriber.name} does not see ${person.full}, who is there`);
      else if (shown !== person.status)
        history.fault(9, `${subscriber.name} sees '${shown}' of ${person.full}, who says '${person.status}'`);
    }
    if (within === Infinity)
      for (const ghost of ghosts) history.fault(9, `${subscriber.name} sees ${ghost}, who is not there`);
  }
}

/** What the owner has of a person's sessions: for the reader of a violation. */
function state(world: World, person: Client): string {
  const told: string[] = [];
  for (const partition of partitionsOf(world))
    for (const session of partition.sessions.values()) {
      if (session.account.address !== person.address) continue;
      const { unacked, cursor, wanted, ready, dormant, account } = session;
      told.push(
        `session ${session.id} of ${session.mux ?? 'nobody'}: ${unacked.size} unacked, pos ${cursor.pos}, spool ${cursor.spoolPos}..${cursor.spoolUntil}, ` +
          `${cursor.live ? 'live' : 'behind'}${wanted ? ', asked' : ''}${ready ? '' : ', not ready'}${dormant ? ', dormant' : ''}, ` +
          `${account.spooled} in the spool, head ${account.head}`,
      );
    }
  return told.join('; ');
}
