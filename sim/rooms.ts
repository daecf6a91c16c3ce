import type { Client } from './client.ts';
import { roomNames } from './guest.ts';
import type { History } from './history.ts';
import type { World } from './world.ts';

interface Said {
  readonly pos: number;
  readonly body: string;
}

/** What must hold of rooms when everything has healed and come to rest: invariants 2, 4, 5 and 8. */
export function checkRooms(world: World, people: readonly Client[], history: History): void {
  const kept = new Map<string, number>();
  for (const room of world.database.rows<{ partition: number; room: number }>(
    'select distinct partition, room from room_message order by partition, room',
  )) {
    const said = world.database
      .rows<{ pos: number; xml: string }>(
        'select pos, xml from room_message where partition = ?1 and room = ?2 and kind <> 1 order by pos',
        room.partition,
        room.room,
      )
      .map(({ pos, xml }): Said => ({ pos, body: /<body>([^<]*)<\/body>/.exec(xml)?.[1] ?? '' }));
    for (const { body } of said) kept.set(body, (kept.get(body) ?? 0) + 1);
    ordered(room.room, said, history);
  }
  const begun = beginnings(world);
  for (const message of history.words.values()) {
    const count = kept.get(message.id) ?? 0;
    if (count > 1) history.fault(4, `${message.id} is ${count} times in the archive of ${message.to}`);
    if (history.early.has(message))
      history.fault(2, `${message.id} was acknowledged before it was committed`);
    // What was said in a room that has gone since goes after it, in rounds (rooms/retention.ts).
    if (message.acked && count === 0 && !message.bounced && message.at > (begun.get(message.to) ?? Infinity))
      history.fault(2, `${message.id} was acknowledged and is not in ${message.to}`);
    if (message.bounced && count > 0) history.fault(4, `${message.id} came back, and is in ${message.to}`);
    if (!message.acked && !message.maybe)
      history.fault(2, `${message.id} was never acknowledged, although everything has healed`);
  }
  for (const { name, full, guest, ready } of people)
    for (const [room, { state, next, unsaid }] of guest.visits) {
      if (!ready || unsaid) continue;
      const [stored] = world.database.rows(
        'select 1 from room_occupant where partition = ?1 and jid = ?2 and gone = 0',
        world.roomPartitionOf(room)!,
        full,
      );
      // A refusal is an error that nobody stores.
      if (state !== 'in' && (state === 'leaving' || stored !== undefined))
        history.fault(8, `${name} is still ${state} ${room}, although everything has healed`);
      const [last] = world.database.rows<{ pos: number | null }>(
        `select max(m.pos) as pos from room_message m join room r on r.partition = m.partition and r.id = m.room
          where r.partition = ?1 and r.address = ?2`,
        world.roomPartitionOf(room)!,
        room,
      );
      if (state === 'in' && next <= (last?.pos ?? 0))
        history.fault(5, `${name} has heard up to ${next - 1} in ${room}, where ${last?.pos} was said`);
    }
}

/** Since when each room is there that is there now, in virtual ms. */
function beginnings({ database, scheduler }: World): Map<string, number> {
  const zero = scheduler.clock().now() - scheduler.now;
  const rows = database.rows<{ address: string; created: number }>('select address, created from room');
  return new Map(rows.map(({ address, created }) => [address, created - zero]));
}

/** Without gaps; and what one session said stands in the order in which it said it (invariant 5). */
function ordered(room: number, said: readonly Said[], history: History): void {
  const last = new Map<string, number>();
  for (const [at, { pos, body }] of said.entries()) {
    const before = said[at - 1];
    if (before !== undefined && pos !== before.pos + 1)
      history.fault(5, `between ${before.body} and ${body} there is a gap in the archive of ${room}`);
    const message = history.words.get(body);
    if (message === undefined) continue;
    const number = last.get(message.session) ?? 0;
    if (message.number < number)
      history.fault(5, `${body} stands behind a later one in the archive of ${room}`);
    last.set(message.session, Math.max(number, message.number));
  }
}

interface Row {
  readonly jid: string;
  readonly nick: string;
  readonly xml: string;
}

/**
 * Invariant 9: what occupants see of each other is what is stored, and whoever is in is stored; once the resume window is
 * over (`within` Infinity), nobody else is.
 */
export function seenInRooms(world: World, people: readonly Client[], history: History, within: number): void {
  const { now } = world.scheduler;
  const long = Math.min(within, 20_000) - 2_000;
  const settled = (person: Client) =>
    person.ready &&
    now - person.since >= long &&
    !person.habits.inactive &&
    now - person.habits.activeSince >= long;
  for (const room of roomNames) {
    const rows = new Map<string, Row>();
    for (const row of world.database.rows<Row>(
      `select o.jid, o.nick, o.xml from room_occupant o join room r on r.partition = o.partition and r.id = o.room
        where r.partition = ?1 and r.address = ?2 and o.gone = 0 order by o.v`,
      world.roomPartitionOf(room)!,
      room,
    ))
      rows.set(row.jid, row);
    for (const { full, name, guest, ready, since } of people) {
      const visit = guest.visits.get(room);
      const row = rows.get(full);
      if (visit === undefined && row !== undefined && ready && now - since >= long)
        history.fault(9, `${name} is stored as in ${room}, where it is not`);
      if (visit?.state === 'in' && ready && row?.nick !== visit.nick)
        history.fault(8, `${name} is in ${room} as ${visit.nick}, which is not stored`);
    }
    const stored = new Map([...rows.values()].map(({ nick, xml }) => [nick, statusOf(xml)]));
    for (const person of people) {
      const visit = person.guest.visits.get(room);
      if (visit?.state !== 'in' || !settled(person) || now - visit.since < long) continue;
      for (const [nick, status] of stored) {
        const shown = visit.seen.get(nick);
        if (shown === undefined)
          history.fault(9, `${person.name} does not see ${nick} in ${room}, who is there`);
        else if (shown !== status)
          history.fault(9, `${person.name} sees '${shown}' of ${nick} in ${room}, who says '${status}'`);
      }
      for (const nick of visit.seen.keys())
        if (!stored.has(nick)) history.fault(9, `${person.name} sees ${nick} in ${room}, who is not there`);
      const own = stored.get(visit.nick);
      if (own !== undefined && own !== visit.status && visit.wanted === undefined)
        history.fault(9, `${person.name} says '${visit.status}' in ${room}, where '${own}' is stored`);
    }
    if (within < Infinity) continue;
    const there = new Set(people.map(({ full }) => full));
    for (const { jid } of rows.values())
      if (!there.has(jid)) history.fault(9, `${jid} is in ${room}, and its session is over`);
  }
}

function statusOf(xml: string): string {
  return /<status>([^<]*)<\/status>/.exec(xml)?.[1] ?? '';
}
