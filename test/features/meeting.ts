import { randomBytes } from 'node:crypto';
import assert from 'node:assert/strict';
import type { Actor } from '../e2e/actor.ts';
import { attr, show, type Element } from '../e2e/xml.ts';
import { ok, refused, said, type Scene } from './scene.ts';

export const muc = 'http://jabber.org/protocol/muc';

export const info = "<query xmlns='http://jabber.org/protocol/disco#info'/>";
const items = "<query xmlns='http://jabber.org/protocol/disco#items'/>";

/** Address of a room. */
export type Room = string;

/** Comes in, and has seen who is there, what was said and the subject (XEP-0045 §7.2.15). */
export async function come(actor: Actor, room: Room, nick: string): Promise<void> {
  actor.send(enters(room, nick));
  await actor.expect(
    `<presence from='${room}/${nick}'><x xmlns='${muc}#user'><status code='110'/></x></presence>`,
  );
  await actor.expect(`<message type='groupchat' from='${room}{any}'><subject/></message>`);
}

/** The owner says so, and no more: what is not named stays as it is. */
export async function configure(
  owner: Actor,
  room: Room,
  values: Readonly<Record<string, string>>,
): Promise<void> {
  const fields = Object.entries({ ...values })
    .map(([name, value]) => `<field var='muc#roomconfig_${name}'><value>${escaped(value)}</value></field>`)
    .join('');
  const type = `<field var='FORM_TYPE'><value>${muc}#roomconfig</value></field>`;
  const form = `<x xmlns='jabber:x:data' type='submit'>${type}${fields}</x>`;
  await ok(owner, 'set', `<query xmlns='${muc}#owner'>${form}</query>`, room);
}

/** Both are in: who was in already, with a session that lasts, still is. Alice makes the room. */
export async function both(
  { alice, bob, kept }: Scene,
  room: Room,
  values: Readonly<Record<string, string>> = {},
): Promise<void> {
  const made = kept.has('made');
  for (const [one, nick] of [
    [alice, 'Alice'],
    [bob, kept.get('bob') ?? 'Bob'],
  ] as const) {
    if (!kept.has(one.full)) await come(one, room, nick);
    kept.set(one.full, 'in');
    if (one === alice && !made) {
      kept.set('made', room);
      await configure(alice, room, values);
    }
  }
  if (!made) await alice.expect(`<presence from='${room}/Bob'/>`);
}

/** Says something, which itself and others hear, each once. @returns the message's id */
export async function heard(from: Actor, room: Room, by: readonly Actor[]): Promise<string> {
  const id = randomBytes(4).toString('hex');
  const last = `${id}-and`;
  for (const one of [id, last])
    from.send(
      `<message type='groupchat' to='${room}' id='${one}'><body>${one}</body>${one === last ? "<no-store xmlns='urn:xmpp:hints'/>" : ''}</message>`,
    );
  for (const one of [from, ...by]) {
    const got = await one.expect(`<message type='groupchat' id='${id}'><body>${id}</body></message>`);
    said(got, new RegExp(`<stanza-id[^>]* by="${room}"`));
    await one.expect(`<message type='groupchat' id='${last}'/>`);
    const again = one.inbox.filter((other) => [id, last].includes(attr(other, 'id') ?? ''));
    assert.deepEqual(again.map(show), [], `${one.full} heard it twice`);
  }
  return id;
}

/** The condition with which a word to all is refused. */
export async function refusedAt(actor: Actor, room: Room): Promise<string> {
  const id = randomBytes(4).toString('hex');
  actor.send(`<message type='groupchat' to='${room}' id='${id}'><body>?</body></message>`);
  const answer = await actor.expect(
    `<message type='error' from='${room}' id='${id}'><error type='{any}'/></message>`,
  );
  return said(answer, /<([\w-]+)[^>]* xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/)[1]!;
}

/** Ids of all messages in the room's archive, two at a time. */
export async function pages(actor: Actor, room: Room): Promise<string[]> {
  const ids: string[] = [];
  for (let after = ''; ;) {
    const queryid = randomBytes(4).toString('hex');
    const fin = await ok(
      actor,
      'set',
      `<query xmlns='urn:xmpp:mam:2' queryid='${queryid}'><set xmlns='http://jabber.org/protocol/rsm'><max>2</max>${after}</set></query>`,
      room,
    );
    for (const got of actor.inbox.map(show))
      if (got.includes(`queryid="${queryid}"`))
        ids.push(/<forwarded.*?<message[^>]* id="(\w+)"/s.exec(got)?.[1] ?? got);
    if (/complete="(true|1)"/.test(show(fin))) return ids;
    after = `<after>${said(fin, /<last>([^<]+)</)[1]}</after>`;
  }
}

/** Presence of occupants that came and that nobody asked about yet. */
export function occupants(actor: Actor, room: Room): Element[] {
  return actor.inbox.filter(
    (one) => one.localName === 'presence' && attr(one, 'from')?.startsWith(`${room}/`) === true,
  );
}

/** The words by which one comes in. */
export function enters(room: Room, nick: string): string {
  return `<presence to='${room}/${nick}'><x xmlns='${muc}'/></presence>`;
}

/** A request of moderators and admins. */
export function admin(item: string): string {
  return `<query xmlns='${muc}#admin'>${item}</query>`;
}

export async function talk(scene: Scene, room: Room): Promise<void> {
  const { alice, bob } = scene;
  await both(scene, room);
  await heard(alice, room, [bob]);
  await heard(bob, room, [alice]);
}

export async function whisper(scene: Scene, room: Room): Promise<void> {
  const { alice, bob } = scene;
  await both(scene, room);
  for (const [one, other, from, to] of [
    [alice, bob, 'Alice', 'Bob'],
    [bob, alice, 'Bob', 'Alice'],
  ] as const) {
    const id = randomBytes(4).toString('hex');
    one.send(`<message type='chat' to='${room}/${to}' id='${id}'><body>between us</body></message>`);
    await other.expect(
      `<message type='chat' from='${room}/${from}' id='${id}'><body>between us</body><x xmlns='${muc}#user'/></message>`,
    );
  }
}

export async function pinged(scene: Scene, room: Room): Promise<void> {
  const { alice, bob, pair } = scene;
  await both(scene, room);
  const ping = "<ping xmlns='urn:xmpp:ping'/>";
  await ok(alice, 'get', ping, `${room}/Alice`);
  await ok(bob, 'get', ping, `${room}/Bob`);
  const late = await pair.login('bob', `late${randomBytes(3).toString('hex')}`);
  assert.equal(await refused(late, 'get', ping, `${room}/Bob`), 'not-acceptable');
  await late.close();
}

export async function found(scene: Scene, room: Room): Promise<void> {
  await both(scene, room);
  const listed = show(await ok(scene.bob, 'get', items, room.split('@')[1]!));
  assert.match(listed, new RegExp(`jid="${room}"`));
  const told = show(await ok(scene.bob, 'get', info, room));
  assert.match(told, new RegExp(`name="Found ${wordOf(room)}"`));
  assert.match(told, /<feature var="muc_public"/);
  const there = show(await ok(scene.bob, 'get', items, room));
  for (const nick of ['Alice', 'Bob']) assert.match(there, new RegExp(`jid="${room}/${nick}"`));
}

export async function sought({ bob }: Scene, room: Room): Promise<void> {
  const field = (name: string, value: string) => `<field var='${name}'><value>${value}</value></field>`;
  const fields =
    field('FORM_TYPE', 'urn:xmpp:channel-search:0:search-params') +
    field('q', wordOf(room)) +
    field('sinname', 'true') +
    field('key', '{urn:xmpp:channel-search:0:order}address');
  const found = await ok(
    bob,
    'get',
    `<search xmlns='urn:xmpp:channel-search:0:search'><x xmlns='jabber:x:data' type='submit'>${fields}</x></search>`,
    room.split('@')[1]!,
  );
  said(found, new RegExp(`<item[^>]* address="${room}"`));
}

export async function asked(scene: Scene, room: Room): Promise<void> {
  await both(scene, room);
  said(await ok(scene.alice, 'get', "<vCard xmlns='vcard-temp'/>", `${room}/Bob`), /<FN>Bob B\.<\/FN>/);
}

export async function mentioned({ alice, bob }: Scene, room: Room): Promise<void> {
  bob.send('<presence/>');
  await bob.expect(`<presence from='${bob.full}'/>`);
  const id = randomBytes(4).toString('hex');
  alice.send(
    `<message type='groupchat' to='${room}' id='${id}'><body>Bob: come</body><reference xmlns='urn:xmpp:reference:0' type='mention' begin='0' end='3' uri='xmpp:${bob.bare}'/></message>`,
  );
  await bob.expect(
    `<message from='${room}'><mentions xmlns='urn:xmpp:mmn:0'><forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client' type='groupchat' id='${id}'/></forwarded></mentions></message>`,
  );
}

/** The word in a room's name that no other has. */
export function wordOf(room: Room): string {
  return room.split('@')[0]!;
}

function escaped(value: string): string {
  return value.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}
