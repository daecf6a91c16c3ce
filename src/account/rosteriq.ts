import { fixed } from '../base/fixed.ts';
import { el, type Element } from '../xmpp/element.ts';
import { StanzaError } from '../xmpp/error.ts';
import { Jid } from '../xmpp/jid.ts';
import { NS } from '../xmpp/namespaces.ts';
import { tell } from './broadcast.ts';
import type { Feature, Request } from './iq.ts';
import { Item, ungrouped } from './item.ts';
import { keep } from './record.ts';
import { change, follow, loaded, release, settled, type Roster } from './roster.ts';
import { part, prepare, ready } from './subscription.ts';

/** Longest name of a contact or a group, in bytes of UTF-8: as long as a part of an address (RFC 7622 §3). */
const longest = fixed.rosterName.value;

/** Most groups of a contact. */
const mostGroups = fixed.rosterGroups.value;

/** The roster (RFC 6121 §2). */
export const roster: Feature = {
  account: {
    [`get query ${NS.roster}`]: get,
    [`set query ${NS.roster}`]: set,
  },
};

/** RFC 6121 §2.1.3, §2.1.4 and §2.6: whoever asks is interested from now on. */
function get(request: Request): Element | undefined | Promise<Element | undefined> {
  const { account, payload } = request;
  const { ver } = payload.attrs;
  const { roster } = account;
  if (roster === undefined) {
    // Nothing has changed and nothing is on its way: the version tells it all.
    if (account.quiet && ver === String(account.rosterVersion))
      return answered(request, account.rosterVersion);
    return loaded(account).then((read) => answerWith(request, read));
  }
  // A version that could not be written must never have been told.
  if (roster.version > roster.committed) {
    const end = settled(account);
    if (end !== undefined) return end.then(() => loaded(account)).then((read) => answerWith(request, read));
  }
  return answerWith(request, roster);
}

function answerWith(request: Request, roster: Roster): Element | undefined {
  const { payload, session, work } = request;
  const { ver } = payload.attrs;
  const known = ver !== undefined && /^\d{1,15}$|^\d{16}$/.test(ver) ? Number(ver) : undefined;
  if (known === roster.version) return answered(request, known);
  if (known !== undefined && roster.tells(known)) {
    const changed = roster.since(known);
    // §2.6.3: an empty result, then the changes as pushes, where that is shorter.
    if (changed.length <= roster.size) {
      follow(session, known, true);
      interested(request);
      // Effects of a unit run in one step: this one comes behind the answer.
      work.after(() => queueMicrotask(() => release(session)));
      return undefined;
    }
  }
  follow(session, roster.version, false);
  interested(request);
  const items: Element[] = [];
  for (const item of roster) if (item.listed) items.push(item.toElement());
  // §2.6.2: a client that does not know of versions ignores the attribute.
  return el('query', NS.roster, { ver: String(roster.version) }, items);
}

function answered(request: Request, version: number): undefined {
  follow(request.session, version, false);
  interested(request);
}

function interested({ session }: Request): void {
  session.interested = true;
  keep(session);
}

/** RFC 6121 §2.3 to §2.5. */
function set(request: Request): undefined | Promise<undefined> {
  const { account, session, payload } = request;
  // §2.3.3: nobody changes somebody else's.
  if (session.account !== account) throw new StanzaError('forbidden');
  const items = payload.elements('item');
  if (items.length !== 1) throw new StanzaError('bad-request', 'one item at a time');
  const item = items[0]!;
  const jid = Jid.parse(item.attrs['jid'] ?? '');
  if (jid === undefined) throw new StanzaError('bad-request', 'an item has an address');
  const contact = jid.toBare();
  // §2.1.2.5: any other value is ignored, like `ask` (§2.1.2.2) and `approved` (§2.1.2.1).
  if (item.attrs['subscription'] === 'remove') {
    const step = (): undefined => {
      request.work.step(() => remove(request, contact));
    };
    return ready(account, contact) ? step() : prepare(account, contact).then(step);
  }
  const name = named(item);
  const groups = grouped(item);
  const put = (): void => {
    const roster = account.roster!;
    const before = roster.get(contact.bare) ?? Item.unknown(contact.bare);
    if (!before.listed && roster.size >= account.partition.env.limits.roster)
      throw new StanzaError('resource-constraint', 'the roster is full');
    const subscription = before.listed ? before.subscription : 'none';
    change(request.work, account, before.with({ name, groups, subscription }));
  };
  const step = (): undefined => {
    request.work.step(put);
  };
  return account.roster !== undefined ? step() : loaded(account).then(step);
}

/** §2.3.3: `not-acceptable` for what is longer than we take. */
function named(item: Element): string {
  const name = item.attrs['name'] ?? '';
  if (Buffer.byteLength(name) > longest) throw new StanzaError('not-acceptable', 'the name is too long');
  return name;
}

function grouped(item: Element): readonly string[] {
  const elements = item.elements('group');
  if (elements.length === 0) return ungrouped;
  if (elements.length > mostGroups) throw new StanzaError('not-acceptable', 'too many groups');
  const groups = elements.map((group) => group.text());
  for (const group of groups) {
    if (group === '') throw new StanzaError('not-acceptable', 'a group has a name');
    if (Buffer.byteLength(group) > longest)
      throw new StanzaError('not-acceptable', 'the name of a group is too long');
  }
  if (new Set(groups).size < groups.length) throw new StanzaError('bad-request', 'a group is named twice');
  return groups;
}

/** RFC 6121 §2.5: the item goes, and with it every subscription and request, at both sides. */
function remove({ account, session, work }: Request, contact: Jid): void {
  const item = account.roster!.get(contact.bare);
  // §2.5.3.
  if (item?.listed !== true) throw new StanzaError('item-not-found');
  if (item.from) work.after(() => tell(account, contact.bare, 'unavailable'));
  const gone = Item.unknown(contact.bare);
  change(work, account, gone);
  // §2.5.2; a request of either side ends likewise.
  part(work, account, item, contact, { source: session.id, n: work.n });
}
