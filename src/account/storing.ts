import type { Element } from '../xmpp/element.ts';
import { NS } from '../xmpp/namespaces.ts';

/** How much a message may be missed (DESIGN §3): durable ones are stored, transient ones reach who is there. */
export type Class = 'durable' | 'transient';

/**
 * The class of a message by its type, the sender's hints and what it carries (XEP-0160 §3, XEP-0334 §4, XEP-0313 §6.1).
 * Called once for every message: one pass over its children.
 */
export function classify(message: Element): Class {
  const { type } = message.attrs;
  // XEP-0160 §3: errors are not stored; their hints belong to the message they are about (XEP-0334 §5). A room commits
  // what is said in it: no occupant stores that (DESIGN §3).
  if (type === 'error' || type === 'groupchat') return 'transient';
  let content = false;
  let store = false;
  for (const child of message.children) {
    if (typeof child === 'string') continue;
    const { name, ns } = child;
    if (ns === NS.hints) {
      // XEP-0334 §4.2; who says both means the stricter one.
      if (name === 'no-store') return 'transient';
      if (name === 'store') store = true;
    } else if (!content && !isAccompanying(child)) content = true;
  }
  if (store) return 'durable';
  // XEP-0160 §3: a headline is for now. Everything else is kept unless it says nothing but a state.
  return content && type !== 'headline' ? 'durable' : 'transient';
}

/**
 * Is it something that a room keeps, or acts on (XEP-0045 §7.4)? Not what says only that somebody is typing, and not what its
 * sender wants nobody to store: who is there gets that.
 */
export function isSaid(message: Element): boolean {
  if (message.attrs['type'] === 'error') return false;
  if (message.child('no-store', NS.hints) !== undefined) return false;
  return message.elements(undefined).some((child) => child.ns !== NS.hints && !isAccompanying(child));
}

/** XEP-0334 §4.1: may wait in the spool, but no archive shows it. */
export function isOffTheRecord(message: Element): boolean {
  return message.child('no-permanent-store', NS.hints) !== undefined;
}

/**
 * Is it worth waking its recipient for (XEP-0357)? Not what machines tell each other, though it is stored: that something
 * arrived or was read (XEP-0184, XEP-0333).
 */
export function isNotable(message: Element): boolean {
  if (message.attrs['type'] === 'error') return false;
  return message
    .elements(undefined)
    .some(
      (child) =>
        !isAccompanying(child) &&
        child.ns !== NS.hints &&
        child.ns !== NS.receipts &&
        child.ns !== NS.markers,
    );
}

/**
 * May carbons copy it (XEP-0280 §6.1, §9; XEP-0334 §4.3)? `received`: from the other side's point of view, which differs
 * for what a room's occupant says in private. Errors are for the session that caused them and never copied, which is
 * why `urn:xmpp:carbons:rules:0` is not announced.
 */
export function mayBeCopied(message: Element, received = false): boolean {
  const { type } = message.attrs;
  if (type === 'groupchat' || type === 'error') return false;
  let eligible = type === 'chat';
  let invited = false;
  let occupant = false;
  for (const child of message.children) {
    if (typeof child === 'string') continue;
    const { name, ns } = child;
    switch (ns) {
      case NS.carbons:
        // `private` (§9); and no copy of what looks like a copy.
        return false;
      case NS.hints:
        if (name === 'no-copy') return false;
        break;
      case NS.client:
        // "of type normal and contains a body": no type and unknown ones are normal (RFC 6121 §5.2.2).
        if (name === 'body' && type !== 'headline') eligible = true;
        break;
      case NS.receipts:
      case NS.chatstates:
      case NS.markers:
        eligible = true;
        break;
      case NS.conference:
        invited = true;
        break;
      case NS.mucUser:
        if (isInvitation(child)) invited = true;
        else occupant = true;
    }
  }
  if (invited) return true;
  // The room sent it to every resource that is in it.
  if (occupant && received) return false;
  return eligible;
}

/** XEP-0045 §7.8.2: an invitation through the room, or its refusal. */
function isInvitation(x: Element): boolean {
  return x.child('invite') !== undefined || x.child('decline') !== undefined;
}

/** Elements that say nothing alone: states, marks for machines, and what goes with a body. */
function isAccompanying(child: Element): boolean {
  const { name } = child;
  switch (child.ns) {
    case NS.client:
      // <thread/> names the conversation that a state is about (XEP-0085 §5.7).
      return name === 'thread';
    case NS.chatstates:
    case NS.event:
    case NS.sid:
    case NS.delay:
    case NS.legacyDelay:
    case NS.carbons:
      return true;
    case NS.receipts:
      return name === 'request';
    case NS.markers:
      return name === 'markable';
    case NS.mucUser:
      // Alone it marks a private message in a room (XEP-0045 §7.5).
      return name === 'x' && !isInvitation(child);
    default:
      return false;
  }
}
