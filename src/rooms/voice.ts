import type { Joint } from '../entity/joint.ts';
import { el, type Element } from '../xmpp/element.ts';
import { StanzaError } from '../xmpp/error.ts';
import { buildForm, type Form } from '../xmpp/forms.ts';
import { Jid } from '../xmpp/jid.ts';
import { NS } from '../xmpp/namespaces.ts';
import { tailOf } from './face.ts';
import { restate } from './restate.ts';
import type { Occupant, Room } from './room.ts';

/** XEP-0045 §15.5.2. */
export const voiceForm = `${NS.muc}#request`;

/** A visitor asks for voice (§7.13), or a moderator gives it to the one who asked (§8.6). */
export function voice(unit: Joint, room: Room, message: Element, form: Form, from: Jid): void {
  const occupant = room.occupants.get(from.full);
  if (occupant === undefined) throw new StanzaError('not-acceptable', 'you are not in this room');
  if (form.type === 'cancel') return;
  if (form.type !== 'submit') throw new StanzaError('bad-request', 'this form is not filled in');
  const answers = form.has('muc#request_allow');
  if ((form.value('muc#role') ?? (answers ? 'participant' : '')) !== 'participant')
    throw new StanzaError('bad-request', 'what may be asked for is the role of a participant');
  if (answers) approve(unit, room, form, occupant);
  else ask(unit, room, message, occupant);
}

/** §8.6: every moderator who is there gets a form; whoever answers first decides. */
function ask(unit: Joint, room: Room, { attrs }: Element, { jid, nick, role }: Occupant): void {
  if (!room.config.voiceRequests) throw new StanzaError('forbidden', 'nobody may ask for voice here');
  if (role !== 'visitor') throw new StanzaError('not-acceptable', 'you have a voice');
  const moderators = [...room.occupants.values()].filter((one) => one.role === 'moderator');
  if (moderators.length === 0)
    throw new StanzaError('recipient-unavailable', 'no moderator is there to be asked');
  const fields = [
    { name: 'muc#role', type: 'list-single', label: 'Requested role', values: ['participant'] },
    { name: 'muc#jid', type: 'jid-single', label: 'User ID', values: [jid.full] },
    { name: 'muc#roomnick', type: 'text-single', label: 'Room Nickname', values: [nick] },
    {
      name: 'muc#request_allow',
      type: 'boolean',
      label: 'Grant voice to this person?',
      values: ['false'],
    },
  ] as const;
  const form = buildForm('form', voiceForm, fields, {
    title: 'Voice request',
    instructions: 'To let this person speak, submit the form with consent; to pass it over, cancel it.',
  });
  const tail = tailOf(el('message', NS.client, { from: room.address, id: attrs['id'] }, [form]));
  const to = moderators.map((one) => one.jid.full);
  unit.after(() => room.company.say(0, tail, to));
}

/** Somebody who has a voice by now, by another moderator or because this comes twice, keeps it. */
function approve(unit: Joint, room: Room, form: Form, moderator: Occupant): void {
  if (moderator.role !== 'moderator') throw new StanzaError('forbidden', 'this is for moderators to decide');
  const sessions = meant(room, form);
  if (form.flag('muc#request_allow') === true && sessions[0]!.role === 'visitor')
    restate(unit, room, sessions, {}, 'participant');
}

/** All sessions by the nickname of the one who asked. */
function meant(room: Room, form: Form): readonly Occupant[] {
  const address = form.value('muc#jid');
  const jid = address === undefined ? undefined : Jid.parse(address);
  if (address !== undefined && jid === undefined)
    throw new StanzaError('jid-malformed', 'muc#jid is no address');
  const nick = form.value('muc#roomnick') ?? room.occupants.get(jid?.full ?? '')?.nick ?? '';
  const sessions = room.nicks.get(nick);
  // By that nickname somebody else may be here by now.
  if (sessions === undefined || (jid !== undefined && sessions[0]!.jid.bare !== jid.bare))
    throw new StanzaError('item-not-found', 'nobody here has asked so');
  return sessions;
}
