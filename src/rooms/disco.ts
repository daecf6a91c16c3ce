import { fixed } from '../base/fixed.ts';
import { el, type Element } from '../xmpp/element.ts';
import { StanzaError } from '../xmpp/error.ts';
import { buildForm, type Field } from '../xmpp/forms.ts';
import { NS } from '../xmpp/namespaces.ts';
import { parseStored } from '../xmpp/parser.ts';
import { foundSet, parsePage } from '../xmpp/rsm.ts';
import { commandInfo, commandItems } from './hats.ts';
import type { Feature, Inquiry, Request } from './iq.ts';
import { compare, listedFor, pageBounds } from './listed.ts';
import { reservedNick } from './register.ts';
import type { Room } from './room.ts';
import { rankOf } from './standing.ts';
import { hatsHash } from './wardrobe.ts';

/** Where somebody asks by which nickname the room knows it (XEP-0045 §7.12). */
const traffic = 'http://jabber.org/protocol/muc#traffic';
const reserved = 'x-roomuser-item';
/** XEP-0045 §7.4: what is sent comes back with the id that it had. */
const stableId = `${NS.muc}#stable_id`;
/** XEP-0410 §3.3: the room answers who asks whether it is still in. */
const selfPing = `${NS.muc}#self-ping-optimization`;

/** Service discovery (XEP-0045 §6) of what all these features announce. */
export function disco(features: readonly Feature[]): Feature {
  const ofService = features.flatMap((feature) => feature.serviceFeatures ?? []);
  const ofRoom = features.flatMap((feature) => feature.roomFeatures ?? []);
  return {
    service: {
      [`get query ${NS.discoInfo}`]: ({ payload }) => {
        noNode(payload);
        return info('Rooms', [NS.muc, stableId, NS.rsm, NS.occupantId, ...ofService]);
      },
      [`get query ${NS.discoItems}`]: roomsOf,
    },
    room: {
      [`get query ${NS.discoInfo}`]: (request) => roomInfo(request, ofRoom),
      [`get query ${NS.discoItems}`]: occupantsOf,
    },
  };
}

/** §6.3: those that may be found, a page at a time. */
async function roomsOf({ partition, from, to, payload }: Inquiry): Promise<Element> {
  noNode(payload);
  const page = parsePage(payload, pageBounds);
  const { rooms, found } = await listedFor(partition.env.store, to.full, from, page);
  const items = rooms.map(({ address, config }) =>
    el('item', NS.discoItems, { jid: address, name: config.name === '' ? localOf(address) : config.name }),
  );
  return el('query', NS.discoItems, {}, [...items, ...paged(payload, items.length, found)]);
}

/** §6.4. */
function roomInfo(request: Request, features: readonly string[]): Element {
  const { room, from, payload } = request;
  const { node = '' } = payload.attrs;
  if (node === reserved) {
    const name = reservedNick(room, from);
    const identity = el('identity', NS.discoInfo, { category: 'conference', name, type: 'text' });
    // §7.12: an empty one says that there is none.
    return el('query', NS.discoInfo, { node }, name === undefined ? [] : [identity]);
  }
  // §18.1.1: a room that passes on whatever is said.
  if (node === traffic) throw new StanzaError('service-unavailable');
  const command = commandInfo(node);
  if (command !== undefined) return command;
  noNode(payload);
  const { config } = room;
  const name = config.name === '' ? localOf(room.address) : config.name;
  const always = [NS.muc, stableId, selfPing, NS.occupantId];
  const about = info(name, [...always, ...kindOf(room), ...features]);
  return about.withChildren([...about.children, buildForm('result', `${NS.muc}#roominfo`, form(request))]);
}

/** §4.2 and §16.3: what kind of a room it is. */
function kindOf({ config }: Room): string[] {
  return [
    config.public ? 'muc_public' : 'muc_hidden',
    config.membersOnly ? 'muc_membersonly' : 'muc_open',
    config.moderated ? 'muc_moderated' : 'muc_unmoderated',
    config.whois === 'anyone' ? 'muc_nonanonymous' : 'muc_semianonymous',
    config.password === '' ? 'muc_unsecured' : 'muc_passwordprotected',
    config.persistent ? 'muc_persistent' : 'muc_temporary',
  ];
}

/** `muc#roominfo` (§16.5). What goes on inside is for who may look inside (§14.4). */
function form({ room, from, occupant }: Request): Field[] {
  const { config } = room;
  const inside = occupant !== undefined || mayLook(room, from);
  const fields: Field[] = [
    one('muc#roomconfig_roomname', config.name),
    one('muc#roominfo_description', config.description),
    one('muc#roominfo_lang', config.language),
    many('muc#roominfo_contactjid', config.contacts),
    one('muc#roominfo_logs', config.logs),
    one('muc#roominfo_ldapgroup', config.ldapGroup),
    one('muc#roomconfig_pubsub', config.pubsub),
    // XEP-0486 §6.1: of each form in which it is there.
    {
      name: 'muc#roominfo_avatarhash',
      type: 'text-multi' as const,
      values: config.avatar === '' ? [] : config.avatar.split(' '),
    },
    one('muc#maxhistoryfetch', String(Math.min(config.history, fixed.roomRecent.value))),
    one('hats#hash', config.hats.length === 0 ? '' : hatsHash(config.hats)),
    flag('muc#roomconfig_changesubject', config.changeSubject),
    flag('muc#roominfo_subjectmod', config.changeSubject),
    // §6.4: any field of the configuration may be told; by these clients know what to offer.
    one('muc#roomconfig_allowpm', config.privateMessages),
    flag('muc#roomconfig_allowinvites', config.allowInvites || !config.membersOnly),
  ].filter(({ values }) => values !== undefined && values.length > 0);
  if (!inside) return fields;
  fields.push(one('muc#roominfo_occupants', String(room.nicks.size)));
  const subject = subjectOf(room);
  if (subject !== '') fields.push(one('muc#roominfo_subject', subject));
  return fields;
}

function mayLook(room: Room, from: Request['from']): boolean {
  const rank = rankOf[room.affiliation(from)];
  if (rank !== rankOf.none) return rank > rankOf.none;
  const { config } = room;
  return config.public && !config.membersOnly && config.password === '';
}

function subjectOf({ subject }: Room): string {
  if (subject === undefined) return '';
  return parseStored(`<message${subject.xml}`).child('subject')?.text() ?? '';
}

const one = (name: string, value: string): Field => ({
  name,
  type: 'text-single',
  values: value === '' ? [] : [value],
});
const many = (name: string, values: readonly string[]): Field => ({ name, type: 'jid-multi', values });
const flag = (name: string, value: boolean): Field => ({
  name,
  type: 'boolean',
  values: [value ? '1' : '0'],
});

/** §6.5: who is in is told to who is in; for others the list is empty. */
function occupantsOf(request: Request): Element {
  const { room, occupant, payload } = request;
  if (payload.attrs['node'] === NS.commands) return commandItems(request);
  noNode(payload);
  if (occupant === undefined) return el('query', NS.discoItems);
  const page = parsePage(payload, pageBounds);
  if (page.index !== undefined) throw new StanzaError('feature-not-implemented', 'pages go by nickname');
  const { after, before } = page;
  const all: string[] = [];
  for (const [nick, [first]] of room.nicks) if (first!.shown || first!.nick === occupant.nick) all.push(nick);
  const count = all.length;
  const inside = all
    .filter((nick) => after === undefined || compare(nick, after) > 0)
    .filter((nick) => before === undefined || before === '' || compare(nick, before) < 0)
    .toSorted(compare);
  const cut = inside.length - page.max;
  const nicks = before === undefined ? inside.slice(0, page.max) : inside.slice(Math.max(0, cut));
  const items = nicks.map((nick) => el('item', NS.discoItems, { jid: `${room.address}/${nick}` }));
  const found = { first: nicks[0], last: nicks.at(-1), count };
  return el('query', NS.discoItems, {}, [...items, ...paged(payload, items.length, found)]);
}

/** XEP-0059 §2.1: told to who asked for a page, and to everybody who did not get all. */
function paged(payload: Element, told: number, found: Parameters<typeof foundSet>[0]): Element[] {
  return payload.child('set', NS.rsm) === undefined && found.count === told ? [] : [foundSet(found)];
}

function noNode({ attrs }: Element): void {
  if ((attrs['node'] ?? '') !== '') throw new StanzaError('item-not-found');
}

function localOf(address: string): string {
  return address.slice(0, address.indexOf('@'));
}

/** XEP-0030 §3.1: every entity names itself, and disco among its features. */
function info(name: string, features: readonly string[]): Element {
  const all = new Set([NS.discoInfo, NS.discoItems, ...features]);
  return el('query', NS.discoInfo, {}, [
    el('identity', NS.discoInfo, { category: 'conference', name, type: 'text' }),
    ...[...all].sort().map((feature) => el('feature', NS.discoInfo, { var: feature })),
  ]);
}
