import { fixed } from '../base/fixed.ts';
import type { Joint, Origin } from '../entity/joint.ts';
import { formatDate } from '../xmpp/datetime.ts';
import { el, type Element } from '../xmpp/element.ts';
import { StanzaError } from '../xmpp/error.ts';
import { Jid } from '../xmpp/jid.ts';
import { NS } from '../xmpp/namespaces.ts';
import { parseStored } from '../xmpp/parser.ts';
import { bodyOf } from '../xmpp/stanza.ts';
import { stamped } from './message.ts';
import { sendLetter } from './outbox.ts';
import type { Room } from './room.ts';
import type { MessageRow } from './rows.ts';
import { rankOf } from './standing.ts';

/**
 * Tells members who are not in that they are mentioned (XEP-0452 §3.2): the room forwards the message to them, which waits at
 * their account like any other. A mention is a reference to a member's address or nickname (XEP-0372), or a registered
 * nickname as a word of the body: few clients write references.
 */
export function mention(unit: Joint, room: Room, row: MessageRow, message: Element, origin: Origin): void {
  if (!room.config.mentions) return;
  const absent = mentioned(room, message);
  if (absent.size === 0) return;
  for (const { jid } of room.occupants.values()) absent.delete(jid.bare);
  let k = origin.k;
  for (const bare of absent) {
    const told = notice(room, row);
    k += 1;
    try {
      sendLetter(unit, room, told, Jid.parse(bare)!, { ...origin, k });
    } catch (error) {
      // Nobody's word is refused because somebody else cannot be told of it.
      if (!(error instanceof StanzaError)) throw error;
    }
    if (k - origin.k >= fixed.mentionsEach.value) return;
  }
}

function notice(room: Room, row: MessageRow): Element {
  const said = parseStored(`<message${stamped(room, row)}`).with({ to: room.address });
  const delay = el('delay', NS.delay, { stamp: formatDate(row.sent) });
  return el('message', NS.client, { from: room.address }, [
    el('mentions', NS.mentions, {}, [el('forwarded', NS.forward, {}, [delay, said])]),
  ]);
}

/** Bare addresses of those members whom the message names. */
function mentioned(room: Room, message: Element): Set<string> {
  const found = new Set<string>();
  const add = (bare: string | undefined) => {
    const member = bare === undefined ? undefined : room.members.get(bare);
    if (member !== undefined && rankOf[member.affiliation] >= rankOf.member && bare!.includes('@'))
      found.add(bare!);
  };
  for (const { attrs } of message.elements('reference', NS.reference)) {
    if (attrs['type'] !== 'mention') continue;
    const jid = addressOf(attrs['uri'] ?? '');
    add(jid?.bare === room.address ? room.registered.get(jid.resource) : jid?.bare);
  }
  if (room.registered.size === 0) return found;
  for (const nick of phrases(bodyOf(message) ?? '')) add(room.registered.get(nick));
  return found;
}

/** RFC 5122: an XMPP URI without a query. */
function addressOf(uri: string): Jid | undefined {
  const [, address] = /^xmpp:([^?#]+)/.exec(uri) ?? [];
  if (address === undefined) return undefined;
  try {
    return Jid.parse(decodeURIComponent(address));
  } catch {
    return undefined;
  }
}

/** What may be a nickname in a text: up to so many words in a row, without what addresses somebody. */
function* phrases(text: string): Iterable<string> {
  const words = text.split(/\s+/, most).filter(Boolean);
  for (let from = 0; from < words.length; from++)
    for (let to = from + 1; to <= Math.min(words.length, from + longest); to++) {
      const phrase = words.slice(from, to).join(' ');
      yield phrase;
      const bare = phrase.replace(/^[@("'“„«]+/u, '').replace(/[.,:;!?)"'”“»]+$/u, '');
      if (bare !== phrase) yield bare;
    }
}

/** Words of a message that are looked at, and of a nickname. */
const most = 500;
const longest = 4;
