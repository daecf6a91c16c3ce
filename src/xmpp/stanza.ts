import { formatDate } from './datetime.ts';
import { Element, el } from './element.ts';
import type { StanzaError } from './error.ts';
import { NS } from './namespaces.ts';

export type StanzaKind = 'message' | 'presence' | 'iq';
export type MessageType = 'chat' | 'error' | 'groupchat' | 'headline' | 'normal';
export type PresenceType =
  | 'available'
  | 'unavailable'
  | 'probe'
  | 'subscribe'
  | 'subscribed'
  | 'unsubscribe'
  | 'unsubscribed'
  | 'error';
export type IqType = 'get' | 'set' | 'result' | 'error';

/** Which of the three stanzas (RFC 6120 §8) it is; undefined for anything else on the stream. */
export function kindOf(element: Element): StanzaKind | undefined {
  const { name } = element;
  if (element.ns !== NS.client) return undefined;
  return name === 'message' || name === 'presence' || name === 'iq' ? name : undefined;
}

/** RFC 6121 §5.2.2: none or an unknown one counts as `normal`. */
export function messageType(message: Element): MessageType {
  const type = message.attrs['type'];
  return type === 'chat' || type === 'error' || type === 'groupchat' || type === 'headline' ? type : 'normal';
}

/** RFC 6121 §4.7.1: none means available; undefined for one that does not exist. */
export function presenceType(presence: Element): PresenceType | undefined {
  const type = presence.attrs['type'];
  switch (type) {
    case undefined:
      return 'available';
    case 'unavailable':
    case 'probe':
    case 'subscribe':
    case 'subscribed':
    case 'unsubscribe':
    case 'unsubscribed':
    case 'error':
      return type;
    default:
      return undefined;
  }
}

/** RFC 6120 §8.2.3; undefined where it is missing or does not exist. */
export function iqType(iq: Element): IqType | undefined {
  const type = iq.attrs['type'];
  return type === 'get' || type === 'set' || type === 'result' || type === 'error' ? type : undefined;
}

/** What a request asks: its only child element (RFC 6120 §8.2.3); undefined where there is none or several. */
export function payload(iq: Element): Element | undefined {
  const children = iq.elements();
  return children.length === 1 ? children[0] : undefined;
}

/** RFC 6121 §4.7.2.3: 0 where none is given, undefined for anything but an integer from -128 to 127. */
export function priorityOf(presence: Element): number | undefined {
  const text = presence.child('priority')?.text();
  if (text === undefined) return 0;
  if (!/^[ \t\r\n]*[+-]?\d{1,5}[ \t\r\n]*$/.test(text)) return undefined;
  const priority = Number(text);
  return priority >= -128 && priority <= 127 ? priority : undefined;
}

/** The text of a message in its first language, undefined where it has none. */
export function bodyOf(message: Element): string | undefined {
  return message.child('body')?.text();
}

/** May this be answered with an error? Errors and results never are (RFC 6120 §8.3.1, §8.2.3). */
export function answerable(stanza: Element): boolean {
  const type = stanza.attrs['type'];
  return type !== 'error' && !(stanza.name === 'iq' && type === 'result');
}

/** `stanza` back to its sender as an error. Only for an `answerable` one. */
export function errorReply(stanza: Element, error: StanzaError): Element {
  return new Element(stanza.name, stanza.ns, { ...reversed(stanza), type: 'error' }, [errorChild(error)]);
}

/** `<error/>` (RFC 6120 §8.3.2). */
export function errorChild({
  type,
  condition,
  text,
  detail,
}: Pick<StanzaError, 'type' | 'condition' | 'text'> & { readonly detail?: Element | undefined }): Element {
  const children = [el(condition, NS.stanzas)];
  if (text !== undefined) children.push(el('text', NS.stanzas, { 'xml:lang': 'en' }, [text]));
  if (detail !== undefined) children.push(detail);
  return el('error', NS.client, { type }, children);
}

/** The answer to a request, empty without `content`. */
export function result(iq: Element, content?: Element): Element {
  return new Element(
    'iq',
    iq.ns,
    { ...reversed(iq), type: 'result' },
    content === undefined ? [] : [content],
  );
}

function reversed({ attrs }: Element): {
  id?: string | undefined;
  to?: string | undefined;
  from?: string | undefined;
} {
  return { id: attrs['id'], to: attrs['from'], from: attrs['to'] };
}

/** With the mark of XEP-0203: `from` held it since `stamp` (milliseconds since the Unix epoch). */
export function delayed(stanza: Element, from: string, stamp: number): Element {
  return stanza.withChildren([...stanza.children, el('delay', NS.delay, { from, stamp: formatDate(stamp) })]);
}
