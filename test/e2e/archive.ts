import type { Actor } from './actor.ts';
import { attr, child, children, type Element, text } from './xml.ts';

export interface Kept {
  readonly id: string;
  readonly from: string;
  readonly to: string;
  readonly body: string;
}

/**
 * The archive of this client's account, oldest first, page by page (XEP-0313, XEP-0059).
 *
 * @param after the id behind which it begins; all of it where there is none
 */
export async function archive(actor: Actor, page = 250, after = ''): Promise<Kept[]> {
  const kept: Kept[] = [];
  for (;;) {
    const set = `<set xmlns='http://jabber.org/protocol/rsm'><max>${page}</max>${after && `<after>${after}</after>`}</set>`;
    const answer = await actor.ask('set', `<query xmlns='urn:xmpp:mam:2'>${set}</query>`);
    const fin = child(answer, 'fin');
    if (!fin) throw new Error(`no archive page: ${attr(answer, 'type')}`);
    for (const result of taken(actor)) kept.push(read(result));
    if (attr(fin, 'complete') === 'true') return kept;
    const last = child(child(fin, 'set') ?? fin, 'last');
    if (!last || text(last) === after) throw new Error('an incomplete page that does not go on');
    after = text(last);
  }
}

/** Takes the archive's results out of the inbox. */
export function taken(actor: Actor): Element[] {
  const results: Element[] = [];
  for (const stanza of actor.inbox.splice(0)) {
    const result = child(stanza, 'result', 'urn:xmpp:mam:2');
    if (result) results.push(result);
  }
  return results;
}

export function read(result: Element): Kept {
  const message = children(child(result, 'forwarded')!, 'message')[0]!;
  const body = child(message, 'body');
  return {
    id: attr(result, 'id') ?? '',
    from: attr(message, 'from') ?? '',
    to: attr(message, 'to') ?? '',
    body: body ? text(body) : '',
  };
}
