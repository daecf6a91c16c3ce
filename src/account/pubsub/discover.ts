import { fixed } from '../../base/fixed.ts';
import { el, type Element } from '../../xmpp/element.ts';
import { StanzaError } from '../../xmpp/error.ts';
import { buildForm } from '../../xmpp/forms.ts';
import type { Jid } from '../../xmpp/jid.ts';
import { NS } from '../../xmpp/namespaces.ts';
import type { Account } from '../account.ts';
import { info } from '../disco.ts';
import type { About, Catalogue, Host, Service } from '../iq.ts';
import { affiliationOf, barrier, seenBy, type Seen } from './access.ts';
import { fieldsOf } from './config.ts';
import type { Node, Nodes } from './nodes.ts';
import { newestItems } from './retrieve.ts';
import { nodesOf } from './shelf.ts';

/** What disco tells of the nodes of an account (XEP-0060 §5.2–§5.5): of those that who asks may see into. */
export const catalogue: Catalogue = { info: infoOf, items: itemsOf };

async function infoOf(about: About): Promise<Element | undefined> {
  const { account, from } = about;
  const nodes = await nodesOf(account);
  const node = nodes.get(about.node);
  if (node === undefined || !shows(account, nodes, node, from, await seenBy(account, nodes, from)))
    return undefined;
  const leaf = info([{ category: 'pubsub', type: 'leaf' }], [NS.pubsub]);
  return leaf.with({ node: node.name }).withChildren([...leaf.children, metadata(account, nodes, node)]);
}

async function itemsOf(about: About): Promise<readonly Element[] | undefined> {
  const { account, from } = about;
  const nodes = await nodesOf(account);
  const seen = await seenBy(account, nodes, from);
  const jid = account.address;
  if (about.node === '')
    return [...nodes]
      .filter((node) => shows(account, nodes, node, from, seen))
      .slice(0, fixed.nodesListed.value)
      .map((node) =>
        el('item', NS.discoItems, { jid, node: node.name, name: node.config.title || undefined }),
      );
  const node = nodes.get(about.node);
  if (node === undefined || barrier(node, jid, from, seen) !== undefined) return undefined;
  const items = await newestItems(account, node, account.partition.env.limits.nodeItems);
  return items.map(({ id }) => el('item', NS.discoItems, { jid, name: id }));
}

/** XEP-0163 §6.2: only what somebody may subscribe to or retrieve from. */
function shows(account: Account, nodes: Nodes, node: Node, from: Jid, seen: Seen | undefined): boolean {
  if (barrier(node, account.address, from, seen) === undefined) return true;
  return (
    nodes.kind === 'service' &&
    node.config.access === 'authorize' &&
    affiliationOf(node, account.address, from.bare) === 'none'
  );
}

/** XEP-0060 §5.4. */
function metadata(account: Account, nodes: Nodes, node: Node): Element {
  const people = (wanted: string) =>
    [...(node.affiliations ?? [])].filter(([, affiliation]) => affiliation === wanted).map(([jid]) => jid);
  const owners = nodes.kind === 'pep' ? [account.address, ...people('owner')] : people('owner');
  const subscribed = [...(node.subscriptions?.values() ?? [])].filter(({ state }) => state === 'subscribed');
  return buildForm('result', NS.pubsubMetaData, [
    ...fieldsOf(node.config, nodes.kind, [
      'title',
      'description',
      'language',
      'type',
      'access',
      'publishers',
      'items',
    ]),
    { name: 'pubsub#owner', type: 'jid-multi', values: owners },
    { name: 'pubsub#publisher', type: 'jid-multi', values: people('publisher') },
    { name: 'pubsub#num_subscribers', type: 'text-single', values: [String(subscribed.length)] },
  ]);
}

/** The same for a service: its own disco as well. */
export function discovered(service: Pick<Service, 'identity' | 'features'>): Readonly<Record<string, Host>> {
  const itself = info([service.identity], service.features);
  return {
    [`get query ${NS.discoInfo}`]: async ({ account, from, payload }) => {
      const node = payload.attrs['node'] ?? '';
      if (node === '') return itself;
      const answer = await infoOf({ account, from, node });
      if (answer === undefined) throw new StanzaError('item-not-found');
      return answer;
    },
    [`get query ${NS.discoItems}`]: async ({ account, from, payload }) => {
      const node = payload.attrs['node'] ?? '';
      const answer = await itemsOf({ account, from, node });
      if (answer === undefined) throw new StanzaError('item-not-found');
      return el('query', NS.discoItems, node === '' ? {} : { node }, answer);
    },
  };
}
