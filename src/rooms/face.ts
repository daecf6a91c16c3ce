import type { Shown } from '../link/rooms.ts';
import { el, type Element } from '../xmpp/element.ts';
import { NS } from '../xmpp/namespaces.ts';
import { serialise } from '../xmpp/serialise.ts';
import type { Occupant, Room } from './room.ts';
import type { Affiliation, Role } from './standing.ts';

/** What is told of an occupant besides who it is (XEP-0045 §15.6, status codes). */
export interface Told {
  /** For everybody. */
  readonly codes?: readonly number[];
  /** For itself alone, besides 110. */
  readonly own?: readonly number[];
  /** Who did it: a nickname (§8.2, §9.1). */
  readonly actor?: string | undefined;
  readonly reason?: string | undefined;
  /** By what it goes from now on (§7.6). */
  readonly nick?: string | undefined;
  /** In place of its own presence: it is gone. */
  readonly gone?: Element | true;
  /** What it is from now on, where that is not what the room says. */
  readonly affiliation?: Affiliation;
  readonly role?: Role;
  /** The room is no more (§10.9). */
  readonly destroy?: Element | undefined;
}

/** The texts of one occupant's presence (link/rooms.ts). */
export interface Face {
  readonly open: string;
  readonly full: string | undefined;
  readonly self: string;
}

/** How an occupant is shown, with its real address to those who may see it (§7.2.3 and §7.2.4). */
export function faceOf(room: Room, occupant: Occupant, told: Told = {}): Face {
  const anyone = room.config.whois === 'anyone';
  const codes = told.codes ?? [];
  return {
    open: tail(room, occupant, told, anyone, codes),
    full: anyone ? undefined : tail(room, occupant, told, true, codes),
    // It knows its own address.
    self: tail(room, occupant, told, true, [110, ...(told.own ?? []), ...codes]),
  };
}

export function shownAs(nick: string, v: number, { open, full }: Face, gone: boolean): Shown {
  return { nick, v, open, ...(full === undefined ? {} : { full }), ...(gone ? { gone } : {}) };
}

function tail(room: Room, occupant: Occupant, told: Told, jid: boolean, codes: readonly number[]): string {
  const { nick, actor, reason, gone, destroy } = told;
  const item = el(
    'item',
    NS.mucUser,
    {
      affiliation: told.affiliation ?? room.affiliation(occupant.jid),
      role: told.role ?? (gone !== undefined && nick === undefined ? 'none' : occupant.role),
      jid: jid ? occupant.jid.full : undefined,
      nick,
    },
    [
      ...(actor === undefined ? [] : [el('actor', NS.mucUser, { nick: actor })]),
      ...(reason === undefined || reason === '' ? [] : [el('reason', NS.mucUser, {}, [reason])]),
    ],
  );
  const x = el('x', NS.mucUser, {}, [
    item,
    ...(destroy === undefined ? [] : [destroy]),
    ...codes.map((code) => el('status', NS.mucUser, { code: String(code) })),
  ]);
  const said = gone === undefined ? occupant.presence : gone === true ? undefined : gone;
  const attrs = {
    from: `${room.address}/${occupant.nick}`,
    id: said?.attrs['id'],
    type: gone === undefined ? undefined : 'unavailable',
    'xml:lang': said?.attrs['xml:lang'],
  };
  const id = el('occupant-id', NS.occupantId, { id: room.occupantId(occupant.jid) });
  const hats = gone === undefined ? hatsOf(room, occupant) : [];
  return tailOf(el('presence', NS.client, attrs, [...ownWords(said), ...hats, id, x]));
}

/** XEP-0317 §3.1. */
function hatsOf(room: Room, { jid }: Occupant): Element[] {
  const { hats = [] } = room.members.get(jid.bare) ?? {};
  if (hats.length === 0) return [];
  return [
    el(
      'hats',
      NS.hats,
      {},
      hats.map(({ uri, title, hue }) => el('hat', NS.hats, { uri, title, hue })),
    ),
  ];
}

/** What a client says of itself, without what only a room may say. */
function ownWords(presence: Element | undefined): Element[] {
  return (
    presence
      ?.elements(undefined)
      .filter(
        ({ ns }) =>
          ns !== NS.muc && ns !== NS.mucUser && ns !== NS.occupantId && ns !== NS.hats && ns !== NS.delay,
      ) ?? []
  );
}

/** What somebody is told who believes to be in and is not: by a fault, not on purpose (XEP-0045 §7.2.17). */
export function dismissal(room: string, nick: string): Element {
  const codes = [110, 307, 333].map((code) => el('status', NS.mucUser, { code: String(code) }));
  const item = el('item', NS.mucUser, { affiliation: 'none', role: 'none' });
  const attrs = { from: `${room}/${nick}`, type: 'unavailable' };
  return el('presence', NS.client, attrs, [el('x', NS.mucUser, {}, [item, ...codes])]);
}

/** The text of a stanza without its name and without `to`. */
export function tailOf(stanza: Element): string {
  return serialise(stanza).slice(stanza.name.length + 1);
}
