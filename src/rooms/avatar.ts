import { createHash } from 'node:crypto';
import { el, type Element } from '../xmpp/element.ts';
import { StanzaError } from '../xmpp/error.ts';
import { NS } from '../xmpp/namespaces.ts';
import { parseStored } from '../xmpp/parser.ts';
import { serialise } from '../xmpp/serialise.ts';
import type { Feature, Request } from './iq.ts';
import { notice } from './notice.ts';

/**
 * A room's picture (XEP-0486) is in its vCard, which an owner sets (XEP-0054). Its hash is in what disco#info tells; no presence
 * of the room itself has it, which clients take for somebody without a nickname (§6.2).
 */
export const avatar: Feature = {
  room: {
    [`get vCard ${NS.vcard}`]: show,
    [`set vCard ${NS.vcard}`]: set,
  },
  // XEP-0486 §3.1: the service says that rooms have pictures; itself it has none.
  service: { [`get vCard ${NS.vcard}`]: () => empty },
  roomFeatures: [NS.vcard],
  serviceFeatures: [NS.vcard],
};

const empty = el('vCard', NS.vcard);

/** Also for who is not in, but not for who is banned. */
function show({ room, from }: Request): Element {
  if (room.affiliation(from) === 'outcast')
    throw new StanzaError('forbidden', 'you are banned from this room');
  const { vcard } = room.config;
  // XEP-0054 §3.1.
  return vcard === '' ? empty : parseStored(vcard);
}

function set({ room, from, work, payload }: Request): undefined {
  if (room.affiliation(from) !== 'owner')
    throw new StanzaError('forbidden', 'only owners are allowed to set avatars');
  const vcard = payload.elements().length === 0 ? '' : serialise(payload);
  const most = room.partition.env.limits.vcard;
  if (Buffer.byteLength(vcard) > most)
    throw new StanzaError('policy-violation', `a vCard has at most ${most} bytes`);
  const hashes = payload.elements('PHOTO').flatMap(hashOf).join(' ');
  work.step(() => {
    if (vcard === room.config.vcard) return;
    room.configure(work, { ...room.config, vcard, avatar: hashes }, room.locked);
    // §3.2: they look for what is new in disco#info.
    work.after(() => notice(room, [104]));
  });
}

/** SHA-1 of a picture's bytes (XEP-0153 §4.1); one that is elsewhere has none. */
function hashOf(photo: Element): string[] {
  const text = photo.child('BINVAL')?.text().replaceAll(/\s+/g, '') ?? '';
  if (text === '') return [];
  if (text.length % 4 !== 0 || !/^[A-Za-z0-9+/]+={0,2}$/.test(text))
    throw new StanzaError('bad-request', 'the picture is no base64');
  return [createHash('sha1').update(Buffer.from(text, 'base64')).digest('hex')];
}
