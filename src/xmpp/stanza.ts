import { Element, el } from './element.ts';
import { StanzaError } from './error.ts';
import { NS } from './namespaces.ts';

export type MessageType = 'chat' | 'error' | 'groupchat' | 'headline' | 'normal';

/** RFC 6121 §5.2.2: none or an unknown one counts as `normal`. */
export function messageType(message: Element): MessageType {
  const type = message.attrs['type'];
  return type === 'chat' || type === 'error' || type === 'groupchat' || type === 'headline' ? type : 'normal';
}

/** What a request asks: its only child element (RFC 6120 §8.2.3); undefined where there is none or several. */
export function payload(iq: Element): Element | undefined {
  const children = iq.elements();
  return children.length === 1 ? children[0] : undefined;
}

/** The same; throws `bad-request` where there is not exactly one. */
export function payloadOf(iq: Element): Element {
  const found = payload(iq);
  if (found === undefined) throw new StanzaError('bad-request', 'a request has exactly one child');
  return found;
}

/** The text of a message in its first language, undefined where it has none. */
export function bodyOf(message: Element): string | undefined {
  return message.child('body')?.text();
}

/** `stanza` back to its sender as an error. Never for one that is an error or a result itself (RFC 6120 §8.3.1, §8.2.3). */
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
