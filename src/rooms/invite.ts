import { fixed } from '../base/fixed.ts';
import type { Joint, Origin } from '../entity/joint.ts';
import { copied } from '../post/kinds.ts';
import { el, type Element } from '../xmpp/element.ts';
import { StanzaError, type StanzaCondition } from '../xmpp/error.ts';
import { Jid } from '../xmpp/jid.ts';
import { NS } from '../xmpp/namespaces.ts';
import { errorChild } from '../xmpp/stanza.ts';
import { affiliate, mayKnow, type Change } from './affiliate.ts';
import { sendLetter } from './outbox.ts';
import type { Room } from './room.ts';
import { rankOf } from './standing.ts';

/**
 * An occupant, or an admin who is away, invites people (XEP-0045 §7.8.2): the room tells each of them, in their archives. All
 * of them, or nobody: throws `StanzaError` where one of them cannot be invited.
 */
export function invite(
  unit: Joint,
  room: Room,
  message: Element,
  invitations: readonly Element[],
  from: Jid,
  origin: Origin | undefined,
): void {
  mayInvite(room, from);
  if (invitations.length > fixed.roomInvites.value)
    throw new StanzaError('not-acceptable', `at most ${fixed.roomInvites.value} people at once`);
  const invitees = invitations.map((one) => inviteeOf(room, one));
  const words = invitations.map(wordsOf);
  const { env, id } = room.partition;
  if (origin !== undefined && env.post.waitingOf(id, room.id) + invitees.length > env.limits.outbox)
    throw new StanzaError('resource-constraint', 'too much of this room waits to be handed over');
  // In a room for its members the one who is invited is one from now on.
  const members = invitees
    .filter((invitee) => room.config.membersOnly && room.affiliation(invitee) === 'none')
    .map(({ bare }): Change => ({ jid: bare, affiliation: 'member' }));
  mayKnow(
    room,
    members.map(({ jid }) => jid),
  );
  affiliate(unit, room, members);
  for (const [at, invitee] of invitees.entries()) {
    const invitation = el('invite', NS.mucUser, { from: from.bare }, words[at]);
    const { password } = room.config;
    const secret = password === '' ? [] : [el('password', NS.mucUser, {}, [password])];
    tell(unit, room, message, [invitation, ...secret], invitee, origin, at);
  }
}

/** §7.8.2 and §9.3: into a room for its members only those invite who may make members, and members where they may. */
function mayInvite(room: Room, from: Jid): void {
  const rank = rankOf[room.affiliation(from)];
  const occupant = room.occupants.get(from.full);
  if (occupant === undefined && rank < rankOf.admin)
    throw new StanzaError('forbidden', 'you are not in this room');
  const least = room.config.allowInvites ? rankOf.member : rankOf.admin;
  if (room.config.membersOnly && rank < least)
    throw new StanzaError('forbidden', 'this room is for its members, and you may not make any');
}

function inviteeOf(room: Room, invitation: Element): Jid {
  const { env } = room.partition;
  const invitee = Jid.parse(invitation.attrs['to'] ?? '');
  if (invitee === undefined) throw new StanzaError('jid-malformed', 'an invitation names whom it is for');
  // Nobody is there by such an address.
  if (invitee.local === '' || env.hosts.has(invitee.domain)) throw new StanzaError('item-not-found');
  if (env.partitionOf(invitee.bare) === undefined) throw new StanzaError('remote-server-not-found');
  if (room.affiliation(invitee) === 'outcast')
    throw new StanzaError('not-allowed', `${invitee.bare} is banned from this room`);
  return invitee;
}

/** Somebody does not come (§7.8.2): the one who invited it hears so. */
export function decline(
  unit: Joint,
  room: Room,
  message: Element,
  refusal: Element,
  from: Jid,
  origin: Origin | undefined,
): void {
  const inviter = inviterOf(room, refusal.attrs['to'] ?? '');
  // Who is here by which address is for nobody to learn by what comes back.
  if (inviter === undefined) return;
  const declined = el('decline', NS.mucUser, { from: from.bare }, wordsOf(refusal));
  tell(unit, room, message, [declined], inviter, origin, 0);
}

/** Only who can have invited somebody: a room passes on nothing to anybody else. */
function inviterOf(room: Room, address: string): Jid | undefined {
  const named = Jid.parse(address);
  if (named === undefined) throw new StanzaError('jid-malformed', 'a refusal names who invited you');
  const inviter = named.bare === room.address ? room.nicks.get(named.resource)?.[0]?.jid : named;
  const there = [...room.occupants.values()].some(({ jid }) => jid.bare === inviter?.bare);
  if (inviter === undefined || (!there && rankOf[room.affiliation(inviter)] < rankOf.member))
    return undefined;
  return inviter.toBare();
}

/** What the room passes on of it. */
function wordsOf(said: Element): Element[] {
  const reason = said.child('reason')?.text();
  const thread = said.child('continue');
  if ((reason?.length ?? 0) > fixed.roomWords.value)
    throw new StanzaError('not-acceptable', 'the reason is too long');
  return [
    ...(reason === undefined ? [] : [el('reason', NS.mucUser, {}, [reason])]),
    // §7.9.
    ...(thread === undefined ? [] : [el('continue', NS.mucUser, { thread: thread.attrs['thread'] })]),
  ];
}

function tell(
  unit: Joint,
  room: Room,
  { attrs }: Element,
  words: readonly Element[],
  to: Jid,
  origin: Origin | undefined,
  k: number,
): void {
  const x = el('x', NS.mucUser, {}, words);
  const own = { from: room.address, id: attrs['id'], to: to.full, 'xml:lang': attrs['xml:lang'] };
  const stanza = el('message', NS.client, own, [x]);
  if (origin === undefined) unit.after(() => room.partition.send(to, stanza));
  else sendLetter(unit, room, stanza, to, { ...origin, k }, copied);
}

/** An invitation could not be delivered (§7.8.2): the sessions of the inviter that are in hear so. Call it as an effect. */
export function tellInviter(room: Room, letter: Element, condition: StanzaCondition): void {
  const invitation = letter.child('x', NS.mucUser)?.child('invite');
  if (invitation === undefined) return;
  const { attrs, children } = invitation;
  // Whether nobody is there, or somebody who wants to hear nothing, is not for the inviter to know.
  const error = new StanzaError(condition === 'service-unavailable' ? 'item-not-found' : condition);
  const sent = el('invite', NS.mucUser, { to: letter.attrs['to'] }, children);
  for (const { jid, nick } of room.occupants.values()) {
    if (attrs['from'] !== jid.bare && attrs['from'] !== `${room.address}/${nick}`) continue;
    const own = { from: room.address, to: jid.full, id: letter.attrs['id'], type: 'error' };
    const x = el('x', NS.mucUser, {}, [sent]);
    room.partition.send(jid, el('message', NS.client, own, [x, errorChild(error)]));
  }
}
