import { defaultLimits } from '../src/base/limits.ts';
import type { Client } from './client.ts';
import type { History } from './history.ts';
import type { World } from './world.ts';

interface Stored {
  readonly address: string;
  readonly id: number;
  readonly direction: number;
  readonly pending: number;
  readonly body: string;
}

/** What must hold when everything has healed and come to rest: invariants 2, 4, 5, 6 and 10. */
export function check(world: World, people: readonly Client[], history: History): void {
  const rows = world.model
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
  order(history, received);
  mirrored(world, history);
  atRest(world, people, history);
  bounded(world, history);
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
  for (const { address, contact, subscription } of world.model.rows<{
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
  const [outbox] = world.model.rows<{ n: number }>('select count(*) as n from outbox');
  if (outbox!.n > 0) history.fault(6, `${outbox!.n} letters still wait in the outbox`);
  for (const person of people) {
    if (!person.ready) {
      history.fault(8, `${person.name} has no session, although everything has healed`);
      continue;
    }
    if (person.waiting > 0)
      history.fault(2, `${person.waiting} stanzas of ${person.name} are not acknowledged`);
    const waiting = world.model.rows<{ id: number; target: string; kind: number; posted: number }>(
      `select m.id, m.target, m.kind, m.posted from message m join account a on a.id = m.account
        where a.address = ?1 and m.pending = 1 and m.id > a.watermark and m.kind in (0, 3)`,
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
  const { owner } = world;
  if (owner === undefined) {
    history.fault(8, 'no owner serves, although everything has healed');
    return;
  }
  for (const partition of owner.accounts.partitions())
    for (const session of partition.sessions.values())
      if (session.unacked.size > defaultLimits.unackedHard)
        history.fault(10, `${session.full} holds ${session.unacked.size} unacknowledged stanzas`);
}

/** What the owner has of a person's sessions: for the reader of a violation. */
function state(world: World, person: Client): string {
  const told: string[] = [];
  for (const partition of world.owner?.accounts.partitions() ?? [])
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
