import { StanzaError } from '../../xmpp/error.ts';
import type { Jid } from '../../xmpp/jid.ts';
import type { Account } from '../account.ts';
import { rosterOf } from '../roster.ts';
import { refusal } from './errors.ts';
import type { Affiliation, Node, Nodes } from './nodes.ts';

/** What an account's roster says of who asks; undefined where it says nothing. */
export interface Seen {
  /** They see our presence. */
  readonly from: boolean;
  readonly groups: readonly string[];
}

/** The affiliation of a bare address; of an account's own nodes the account itself is the owner (XEP-0163 §3.2). */
export function affiliationOf(node: Node, owner: string, bare: string): Affiliation | 'none' {
  if (bare === owner) return 'owner';
  return node.affiliations?.get(bare) ?? 'none';
}

/** Is the subscription of an address, or of its bare address, in force? */
export function isSubscribed(node: Node, jid: Jid): boolean {
  const { subscriptions } = node;
  return (
    subscriptions?.get(jid.full)?.state === 'subscribed' ||
    subscriptions?.get(jid.bare)?.state === 'subscribed'
  );
}

/** Why somebody may not see what is in a node (XEP-0060 §6.1.3, §6.5.9); undefined where they may. */
export function barrier(
  node: Node,
  owner: string,
  jid: Jid,
  seen: Seen | undefined,
): StanzaError | undefined {
  const affiliation = affiliationOf(node, owner, jid.bare);
  if (affiliation === 'owner' || affiliation === 'publisher' || affiliation === 'member') return undefined;
  // §4.1: an outcast has no rights at all, publish-only none but that.
  if (affiliation !== 'none') return new StanzaError('forbidden');
  const { access, groups } = node.config;
  switch (access) {
    case 'open':
      return undefined;
    case 'presence':
      return seen?.from === true ? undefined : refusal('not-authorized', 'presence-subscription-required');
    case 'roster':
      return seen?.from === true && seen.groups.some((group) => groups.includes(group))
        ? undefined
        : refusal('not-authorized', 'not-in-roster-group');
    case 'whitelist':
      return refusal('not-allowed', 'closed-node');
    case 'authorize':
      return isSubscribed(node, jid) ? undefined : refusal('not-authorized', 'not-subscribed');
  }
}

/** What this account's roster says of an address. */
export async function seenBy(account: Account, nodes: Nodes, jid: Jid): Promise<Seen | undefined> {
  if (nodes.kind === 'service' || jid.bare === account.address) return undefined;
  const item = (await rosterOf(account)).get(jid.bare);
  return item === undefined ? undefined : { from: item.from, groups: item.groups };
}
