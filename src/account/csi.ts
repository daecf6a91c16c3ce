import type { Element } from '../xmpp/element.ts';
import { NS } from '../xmpp/namespaces.ts';
import { Lull } from './lull.ts';
import { keep } from './record.ts';
import type { Session } from './session.ts';

/**
 * The client says whether its user looks at it (XEP-0352). While nobody does, `Session.sendLater` holds back what can
 * wait; whatever cannot, takes it along, so that order is kept. Runs in the account's mailbox, in the order of its stanzas:
 * what was held back leaves before anything that is answered later (§5.1).
 */
export function indicate(session: Session, inactive: boolean): void {
  if (session.ended || inactive === (session.lull !== undefined)) return;
  if (inactive) session.lull = new Lull();
  else session.wake();
  keep(session);
  session.tellRecord();
  session.partition.touch(session);
}

/**
 * The key under which an inactive client's message waits, of which the newest counts; undefined where it must not wait:
 * whatever has a body, is an error, or that this server cannot judge. `own`: the account's bare address.
 */
export function waitingKey(message: Element, own: string): string | undefined {
  const { type, from = '' } = message.attrs;
  if (type === 'error') return undefined;
  let state = false;
  let event: Element | undefined;
  for (const child of message.children) {
    if (typeof child === 'string') continue;
    switch (child.ns) {
      case NS.chatstates:
        state = true;
        break;
      case NS.pubsubEvent:
        event = child;
        break;
      case NS.hints:
      case NS.sid:
      case NS.occupantId:
      case NS.shim:
      case NS.delay:
        break;
      default:
        if (child.ns !== NS.client || child.name !== 'thread') return undefined;
    }
  }
  // What another client of the same person did (bookmarks, what was displayed) shows at once.
  if (event !== undefined) return from === own ? undefined : eventKey(from, event);
  return state ? `s ${from}` : undefined;
}

/** Each item of a node stands for itself. */
function eventKey(from: string, event: Element): string {
  const parts = event.elements().map((what) => {
    const ids = what.elements().map(({ attrs }) => attrs['id'] ?? '');
    return `${what.name} ${what.attrs['node'] ?? ''} ${ids.join(' ')}`;
  });
  return `e ${from} ${parts.join(' ')}`;
}
