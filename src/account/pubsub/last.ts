import { formatDate } from '../../xmpp/datetime.ts';
import { el, type Element } from '../../xmpp/element.ts';
import { Jid } from '../../xmpp/jid.ts';
import { NS } from '../../xmpp/namespaces.ts';
import { serialise } from '../../xmpp/serialise.ts';
import type { Account } from '../account.ts';
import { blocksAddress, isBlocked, readBlocks } from '../blocks.ts';
import type { Partition } from '../partition.ts';
import { withRoster } from '../roster.ts';
import { sendPassing, withSessions } from '../route.ts';
import type { Session } from '../session.ts';
import { barrier, type Seen } from './access.ts';
import { itemEvent, itemsEvent, message } from './event.ts';
import type { Item } from './item.ts';
import type { Node, Nodes } from './nodes.ts';
import { itemOf } from './retrieve.ts';
import { batch, pubsubRows } from './rows.ts';
import { nodesOf, nodesOfAll } from './shelf.ts';

/**
 * The last items of nodes, for who begins to be interested (XEP-0163 §4.3.4): a session gets those of its own account, and
 * those of each contact whose presence it sees, whether or not that contact is there. It asks each partition of its
 * contacts once; their owners answer from memory (shelf.ts), and decide by their own rosters what may be told.
 */
export function sendLast(session: Session, names: ReadonlySet<string>): void {
  const { account, partition } = session;
  const fail = (error: unknown) =>
    partition.env.log.warn({ err: error }, 'the last items of nodes could not be read');
  own(session, names).catch(fail);
  withRoster(account, (roster) => {
    const contacts = new Map<number, string[]>();
    for (const { to, contact } of roster) {
      const home = to && !blocksAddress(account, contact) ? partition.env.partitionOf(contact) : undefined;
      if (home === undefined) continue;
      const list = contacts.get(home);
      if (list === undefined) contacts.set(home, [contact]);
      else list.push(contact);
    }
    for (const [home, list] of contacts) askOwner(partition, home, list, session.full, names);
  });
}

/** Asks the owner of these contacts, who may be this one. */
function askOwner(
  partition: Partition,
  home: number,
  contacts: readonly string[],
  to: string,
  names: ReadonlySet<string>,
): void {
  const frame = el('last', NS.between, { to }, [
    ...[...names].map((node) => el('node', NS.between, { node })),
    ...contacts.map((jid) => el('of', NS.between, { jid })),
  ]);
  if (home === partition.id) receiveLast(partition, frame);
  else partition.post.pass(partition, contacts[0]!, frame);
}

async function own(session: Session, names: ReadonlySet<string>): Promise<void> {
  const { account } = session;
  const nodes = await nodesOf(account);
  for (const [node, item] of matching(nodes, names)) {
    // oxlint-disable-next-line no-await-in-loop -- a few, and nearly always in memory
    const stanza = await lastOf(account.partition, account.address, node, item);
    if (stanza !== undefined)
      account.inOrder(() => {
        if (session.available) session.send(textFor(stanza, session.full));
      });
  }
}

function textFor(stanza: Element, to: string): string {
  return serialise(stanza.with({ to }));
}

/** Nodes of these names that say something to newcomers, with what they say. */
function matching(nodes: Nodes, names: ReadonlySet<string>): (readonly [Node, Item])[] {
  const found: (readonly [Node, Item])[] = [];
  for (const node of nodes)
    if (
      node.last !== undefined &&
      names.has(node.name) &&
      node.config.notifications &&
      node.config.last === 'on_sub_and_presence'
    )
      found.push([node, node.last]);
  return found;
}

/** The owner of a session asks for what its contacts said last. */
export function receiveLast(partition: Partition, frame: Element): void {
  const to = Jid.parse(frame.attrs['to'] ?? '');
  if (to === undefined) return;
  const names = new Set(frame.elements('node').map(({ attrs }) => attrs['node'] ?? ''));
  const contacts = frame
    .elements('of')
    .map(({ attrs }) => attrs['jid'] ?? '')
    .filter((jid) => partition.env.partitionOf(jid) === partition.id);
  tellLast(partition, contacts, to, names).catch((error: unknown) =>
    partition.env.log.warn({ err: error }, 'the last items of nodes could not be read'),
  );
}

async function tellLast(
  partition: Partition,
  contacts: readonly string[],
  to: Jid,
  names: ReadonlySet<string>,
): Promise<void> {
  const candidates: (readonly [string, Node, Item])[] = [];
  for (const [address, nodes] of await nodesOfAll(partition, contacts))
    for (const [node, item] of matching(nodes, names)) candidates.push([address, node, item]);
  if (candidates.length === 0) return;
  const seen = await seenByAll(partition, new Set(candidates.map(([address]) => address)), to);
  for (const [address, node, item] of candidates) {
    const how = seen.get(address);
    if (how?.from !== true || barrier(node, address, to, how) !== undefined) continue;
    // oxlint-disable-next-line no-await-in-loop -- nearly always in memory
    const stanza = await lastOf(partition, address, node, item);
    if (stanza === undefined || partition.ended) continue;
    const send = () => sendPassing(partition, to, stanza.with({ to: to.full }));
    // What is not stored yet is not told (invariant 3).
    const known = partition.accounts.peek(address);
    if (known === undefined) send();
    else known.inOrder(send);
  }
}

/**
 * What the rosters of these accounts say of somebody: from memory, or a few at a time from the store. Nothing for those
 * that block them (XEP-0163 §4.3.3).
 */
async function seenByAll(
  partition: Partition,
  addresses: ReadonlySet<string>,
  contact: Jid,
): Promise<ReadonlyMap<string, Seen>> {
  const seen = new Map<string, Seen>();
  const missing: string[] = [];
  for (const address of addresses) {
    const account = partition.accounts.peek(address);
    if (account !== undefined && isBlocked(account, contact)) continue;
    const roster = account?.roster;
    const item = roster?.get(contact.bare);
    if (roster === undefined) missing.push(address);
    else if (item !== undefined) seen.set(address, item);
  }
  for (let at = 0; at < missing.length; at += batch) {
    const some = missing.slice(at, at + batch);
    const filled = [...some, ...Array.from({ length: batch - some.length }, () => some[0]!)];
    // oxlint-disable-next-line no-await-in-loop -- one question after the other
    const rows = await partition.env.store.query<SeenRow>(pubsubRows.seen, [
      partition.id,
      ...filled,
      contact.bare,
    ]);
    for (const { address, blocked, subscription, groups } of rows)
      if (readBlocks(blocked)?.has(contact) !== true)
        seen.set(address, {
          from: subscription === 'from' || subscription === 'both',
          groups: groups === '' ? [] : (JSON.parse(groups) as string[]),
        });
  }
  return seen;
}

interface SeenRow {
  readonly address: string;
  readonly blocked: string | null;
  readonly subscription: string;
  readonly groups: string;
}

/** The message of an item that is not new; undefined where it is over. */
async function lastOf(
  partition: Partition,
  address: string,
  node: Node,
  item: Item,
): Promise<Element | undefined> {
  const { expire } = node.config;
  if (expire > 0 && item.at < partition.env.clock.now() - expire * 1000) return undefined;
  let whole: Item | undefined = item;
  if (!item.whole && node.config.payloads) {
    const account = await partition.account(address);
    whole = account === undefined ? undefined : await itemOf(account, node, item.id);
  }
  if (whole === undefined) return undefined;
  const event = itemsEvent(node.name, [itemEvent(whole, node.config)]);
  const stanza = message(address, `l${whole.cn}`, node.config.message, event);
  // XEP-0060 §6.1.7.
  return stanza.withChildren([...stanza.children, el('delay', NS.delay, { stamp: formatDate(whole.at) })]);
}

/**
 * Somebody begins to see this account's presence (XEP-0163 §4.3.4: new subscribers): their owner is told, and asks for what
 * their sessions want.
 */
export function offerLast(account: Account, address: string): void {
  const { partition } = account;
  const home = partition.env.partitionOf(address);
  if (home === undefined) return;
  const frame = el('offer', NS.between, { of: account.address, to: address });
  if (home === partition.id) receiveOffer(partition, frame);
  else partition.post.pass(partition, address, frame);
}

export function receiveOffer(partition: Partition, frame: Element): void {
  const { of = '', to = '' } = frame.attrs;
  const home = partition.env.partitionOf(of);
  if (home === undefined || partition.env.partitionOf(to) !== partition.id) return;
  withSessions(partition, to, (account) => {
    for (const session of account.sessions)
      if (session.available && !session.dormant && (session.interests?.size ?? 0) > 0)
        askOwner(partition, home, [of], session.full, session.interests!);
  });
}
