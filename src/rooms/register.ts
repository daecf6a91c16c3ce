import { el, type Element } from '../xmpp/element.ts';
import { StanzaError } from '../xmpp/error.ts';
import { buildForm, parseForm } from '../xmpp/forms.ts';
import type { Jid } from '../xmpp/jid.ts';
import { NS } from '../xmpp/namespaces.ts';
import { affiliate, mayKnow } from './affiliate.ts';
import { mayBeCalled } from './enter.ts';
import type { Feature, Request } from './iq.ts';
import { nickIn } from './nick.ts';
import type { Room } from './room.ts';

/** XEP-0045 §16.5.1. */
const registerForm = `${NS.muc}#register`;
const field = 'muc#register_roomnick';

/**
 * Somebody becomes a member of the room, and has a nickname there that is nobody else's (XEP-0045 §7.10, XEP-0077). An open
 * room takes everybody at once; into one for its members people come by its admins alone, who are not asked (§9.9).
 */
export const register: Feature = {
  room: {
    [`get query ${NS.register}`]: show,
    [`set query ${NS.register}`]: set,
  },
  roomFeatures: [NS.register],
};

function show({ room, from }: Request): Element {
  mayRegister(room, from);
  const { nick = '' } = room.members.get(from.bare) ?? {};
  if (nick !== '')
    return el('query', NS.register, {}, [
      el('registered', NS.register),
      el('username', NS.register, {}, [nick]),
    ]);
  const instructions = 'Choose the nickname that this room is to keep for you.';
  const form = buildForm(
    'form',
    registerForm,
    [{ name: field, type: 'text-single', label: 'Desired Nickname', required: true }],
    { title: 'Registration with this room', instructions },
  );
  return el('query', NS.register, {}, [el('instructions', NS.register, {}, [instructions]), form]);
}

function set({ room, from, work, payload, answer }: Request): undefined {
  if (payload.child('remove') !== undefined) {
    // XEP-0077 §3.2.
    if (payload.elements().length > 1) throw new StanzaError('bad-request', 'remove stands alone');
    work.step(() => {
      const known = room.members.get(from.bare);
      if (known === undefined || (known.nick === '' && known.affiliation !== 'member'))
        throw new StanzaError('registration-required', 'you are not registered with this room');
      answer();
      const affiliation = known.affiliation === 'member' ? 'none' : known.affiliation;
      affiliate(work, room, [{ jid: from.bare, affiliation, nick: '' }]);
    });
    return undefined;
  }
  const form = parseForm(payload);
  // XEP-0004 §3.2: nothing is changed.
  if (form?.type === 'cancel') return undefined;
  if (form?.type !== 'submit' || form.of !== registerForm)
    throw new StanzaError('bad-request', 'this is no registration with a room');
  const nick = nickIn(room, form.value(field) ?? '');
  if (nick === undefined) throw new StanzaError('bad-request', 'this cannot be a nickname');
  work.step(() => {
    mayRegister(room, from);
    mayBeCalled(room, from, nick);
    mayKnow(room, [from.bare]);
    answer();
    const known = room.members.get(from.bare)?.affiliation ?? 'none';
    affiliate(work, room, [{ jid: from.bare, affiliation: known === 'none' ? 'member' : known, nick }]);
  });
  return undefined;
}

/** §5.2.1, and of a whole domain what is said of it. */
function mayRegister(room: Room, from: Jid): void {
  const affiliation = room.affiliation(from);
  if (affiliation === 'outcast') throw new StanzaError('not-allowed', 'you are banned from this room');
  if (affiliation === 'none' && room.config.membersOnly)
    throw new StanzaError('not-allowed', 'the members of this room are made by its admins');
}

/** The nickname that is kept for an account (§7.12); undefined for none. */
export function reservedNick(room: Room, { bare }: Jid): string | undefined {
  const { nick = '' } = room.members.get(bare) ?? {};
  return nick === '' ? undefined : nick;
}
