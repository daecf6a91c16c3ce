import type { Element } from '../src/xmpp/element.ts';
import { parseFragment } from '../src/xmpp/parser.ts';

/** So many texts are known before they are forgotten. */
const most = 1_000;
const known = new Map<string, Element>();
/** The address in the opening tag of a stanza, and the tag in front of it. */
const addressed = /^(<(?:message|presence|iq)(?: [a-z:]+="[^"]*")*?) to="[\w@./-]*"/;
const again = /^<\w+(?: [a-z:]+="[^"]*")* to=/;

/**
 * What a client reads, as strictly as a stream is read. Of what goes to many, only the address differs: the rest is read
 * once, and the address is left out of what is given.
 */
export function read(text: string): Element {
  const rest = text.replace(addressed, '$1');
  if (rest.length === text.length || again.test(rest)) return parseFragment(text);
  let element = known.get(rest);
  if (element === undefined) {
    element = parseFragment(rest);
    if (known.size >= most) known.clear();
    known.set(rest, element);
  }
  return element;
}
