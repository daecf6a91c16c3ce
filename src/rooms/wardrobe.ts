import { createHash } from 'node:crypto';
import { fixed } from '../base/fixed.ts';
import type { Joint } from '../entity/joint.ts';
import { StanzaError } from '../xmpp/error.ts';
import { mayKnow } from './affiliate.ts';
import type { Hat } from './config.ts';
import { notice } from './notice.ts';
import { restate } from './restate.ts';
import type { Room } from './room.ts';

/**
 * The hats of a room and who wears them (XEP-0317 §3). Those who wear one have a copy of it, so that presence need not look
 * it up. Call these in a step; they throw `StanzaError` before they change anything.
 */

/** There is such a hat from here on; one with this URI is changed, also where it is worn (§3.2). */
export function define(unit: Joint, room: Room, hat: Hat): void {
  const { hats } = room.config;
  const others = hats.filter(({ uri }) => uri !== hat.uri);
  if (others.length >= fixed.roomHats.value)
    throw new StanzaError('resource-constraint', 'this room has as many hats as it may');
  keep(
    unit,
    room,
    hats.length === others.length ? [...hats, hat] : hats.map((one) => (one.uri === hat.uri ? hat : one)),
  );
  redress(unit, room, (worn) => worn.map((one) => (one.uri === hat.uri ? hat : one)));
}

/** There is no such hat any more, and nobody wears it (§3.3). */
export function destroy(unit: Joint, room: Room, uri: string): void {
  hatOf(room, uri);
  keep(
    unit,
    room,
    room.config.hats.filter((one) => one.uri !== uri),
  );
  redress(unit, room, (worn) => worn.filter((one) => one.uri !== uri));
}

/** An account wears a hat, whether or not it is in (§3.5). */
export function assign(unit: Joint, room: Room, jid: string, uri: string): void {
  const hat = hatOf(room, uri);
  const known = room.members.get(jid);
  if (known?.affiliation === 'outcast') throw new StanzaError('not-allowed', 'who is banned wears no hats');
  mayKnow(room, [jid]);
  const { hats = [] } = known ?? {};
  if (hats.every((one) => one.uri !== uri)) wear(unit, room, new Map([[jid, [...hats, hat]]]));
}

/** It takes it off (§3.6). */
export function unassign(unit: Joint, room: Room, jid: string, uri: string): void {
  const { hats = [] } = room.members.get(jid) ?? {};
  if (hats.every((one) => one.uri !== uri))
    throw new StanzaError('item-not-found', 'there is no such hat there');
  wear(unit, room, new Map([[jid, hats.filter((one) => one.uri !== uri)]]));
}

function hatOf({ config }: Room, uri: string): Hat {
  const hat = config.hats.find((one) => one.uri === uri);
  if (hat === undefined) throw new StanzaError('item-not-found', 'there is no such hat');
  return hat;
}

/** §2: the same as long as the list is. */
export function hatsHash(hats: readonly Hat[]): string {
  const lines = hats.map(({ uri, title, hue = '' }) => JSON.stringify([uri, title, hue]));
  return createHash('sha1').update(lines.toSorted().join('\n')).digest('hex');
}

/** §3.2: everybody there hears that the configuration has changed. */
function keep(unit: Joint, room: Room, hats: readonly Hat[]): void {
  room.configure(unit, { ...room.config, hats }, room.locked);
  unit.after(() => notice(room, [104]));
}

function redress(unit: Joint, room: Room, change: (worn: readonly Hat[]) => readonly Hat[]): void {
  const changed = new Map<string, readonly Hat[]>();
  for (const [jid, { hats }] of room.members) {
    if (hats === undefined) continue;
    const next = change(hats);
    if (next.length !== hats.length || next.some((hat, at) => hat !== hats[at])) changed.set(jid, next);
  }
  wear(unit, room, changed);
}

function wear(unit: Joint, room: Room, changed: ReadonlyMap<string, readonly Hat[]>): void {
  if (changed.size === 0) return;
  for (const [jid, hats] of changed) {
    const known = room.members.get(jid) ?? { affiliation: 'none', nick: '', reason: '' };
    room.setMember(unit, jid, { ...known, hats: hats.length === 0 ? undefined : hats });
  }
  for (const same of [...room.nicks.values()]) if (changed.has(same[0]!.jid.bare)) restate(unit, room, same);
}
