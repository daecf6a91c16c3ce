import { el, type Element } from '../../xmpp/element.ts';
import { Jid } from '../../xmpp/jid.ts';
import { NS } from '../../xmpp/namespaces.ts';
import { attribute, textOf } from '../../xmpp/serialise.ts';
import type { Account } from '../account.ts';
import { blocksAddress, isBlocked } from '../blocks.ts';
import { missEvent, recallCaps } from '../caps.ts';
import type { Partition } from '../partition.ts';
import { withRoster, type Roster } from '../roster.ts';
import { sendPassing, withSessions } from '../route.ts';
import { barrier } from './access.ts';
import type { Node, Nodes } from './nodes.ts';
import { wants } from './options.ts';

/**
 * Tells everybody who may know and wants to (XEP-0060 §12.9, XEP-0163 §4.3). Call it as an effect, when what it tells is
 * stored. An account's contacts subscribe by seeing its presence; which of their sessions want it, their own owner knows.
 */
export function notify(
  account: Account,
  nodes: Nodes,
  node: Node,
  stanza: Element,
  dismiss: (account: Account, nodes: Nodes, node: Node, jid: Jid) => void,
): void {
  if (!node.config.notifications) return;
  const lose: Lose = (jid) => dismiss(account, nodes, node, jid);
  if (nodes.kind === 'service') {
    toSubscribers(account, node, stanza, undefined, lose);
    return;
  }
  showNotice(account, new Notice(node.name, stanza));
  withRoster(account, (roster) => {
    const explicit = toSubscribers(account, node, stanza, roster, lose);
    toContacts(account, node, stanza, roster, explicit);
  });
}

/** Ends a subscription; see `dismiss` of change.ts. */
type Lose = (jid: Jid) => void;

/** Explicit subscribers, whatever their clients say; returns the bare addresses that were told. */
function toSubscribers(
  account: Account,
  node: Node,
  stanza: Element,
  roster: Roster | undefined,
  lose: Lose,
): ReadonlySet<string> {
  const told = new Set<string>();
  for (const [address, subscription] of node.subscriptions ?? []) {
    const jid = Jid.parse(address);
    if (
      jid === undefined ||
      isBlocked(account, jid) ||
      subscription.state !== 'subscribed' ||
      !wants(subscription)
    )
      continue;
    // XEP-0163 §6.3: who lost access is told nothing, and is no subscriber any more.
    if (barrier(node, account.address, jid, roster?.get(jid.bare)) !== undefined) {
      lose(jid);
      continue;
    }
    // XEP-0163 §4.3: the account itself is told by what its clients want.
    if (jid.bare === account.address) continue;
    if (jid.resource === '') told.add(jid.bare);
    sendPassing(account.partition, jid, stanza.with({ to: address }));
  }
  return told;
}

/** Everybody who sees this account's presence and may see into the node: one frame for each of their partitions. */
function toContacts(
  account: Account,
  node: Node,
  stanza: Element,
  roster: Roster,
  except: ReadonlySet<string>,
): void {
  const { partition } = account;
  const elsewhere = new Map<number, string[]>();
  let notice: Notice | undefined;
  for (const item of roster) {
    const { contact } = item;
    // XEP-0163 §4.3.3: nothing to whom the account blocks.
    if (!item.from || except.has(contact) || blocksAddress(account, contact)) continue;
    const jid = Jid.parse(contact);
    if (jid === undefined || barrier(node, account.address, jid, item) !== undefined) continue;
    const home = partition.env.partitionOf(contact);
    if (home === undefined) continue;
    if (home === partition.id) give(partition, contact, (notice ??= new Notice(node.name, stanza)));
    else {
      const list = elsewhere.get(home);
      if (list === undefined) elsewhere.set(home, [contact]);
      else list.push(contact);
    }
  }
  for (const contacts of elsewhere.values())
    partition.post.pass(
      partition,
      contacts[0]!,
      el('notify', NS.between, { node: node.name }, [
        stanza,
        ...contacts.map((jid) => el('to', NS.between, { jid })),
      ]),
    );
}

/** Another owner tells contacts of this partition (`toContacts`). */
export function receiveNotify(partition: Partition, frame: Element): void {
  const stanza = frame.child('message', NS.client);
  if (stanza === undefined) return;
  const notice = new Notice(frame.attrs['node'] ?? '', stanza);
  for (const { attrs } of frame.elements('to')) give(partition, attrs['jid'] ?? '', notice);
}

function give(partition: Partition, address: string, notice: Notice): void {
  if (partition.accounts.peek(address)?.sessions.length === 0) return;
  withSessions(partition, address, (account) => showNotice(account, notice));
}

/** To each available session of an account whose client asked for what this node tells (XEP-0163 §4.3, XEP-0060 §9.2). */
function showNotice(account: Account, notice: Notice): void {
  if (blocksAddress(account, notice.from)) return;
  for (const session of account.sessions) {
    if (!session.available) continue;
    if (session.dormant) {
      missEvent(session);
      continue;
    }
    if (session.interests === undefined) recallCaps(session);
    else if (session.interests.has(notice.node)) session.send(notice.text(session.full));
  }
}

/** A notification on its way to many: encoded once, only `to` differs. */
class Notice {
  readonly node: string;
  readonly from: string;
  readonly #behind: string;

  constructor(node: string, stanza: Element) {
    this.node = node;
    this.from = stanza.attrs['from'] ?? '';
    this.#behind = textOf(stanza).slice('<message'.length);
  }

  text(to: string): string {
    return `<message to="${attribute(to)}"${this.#behind}`;
  }
}
