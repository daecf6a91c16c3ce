import { token } from '../../base/random.ts';
import { el, type Element } from '../../xmpp/element.ts';
import { buildForm, parseForm } from '../../xmpp/forms.ts';
import { Jid } from '../../xmpp/jid.ts';
import { NS } from '../../xmpp/namespaces.ts';
import type { Account } from '../account.ts';
import type { Partition } from '../partition.ts';
import { placeOf, sendPassing } from '../route.ts';
import { Work } from '../work.ts';
import { affiliationOf } from './access.ts';
import { subscribe } from './change.ts';
import type { Node, Nodes } from './nodes.ts';
import { nodesOf } from './shelf.ts';

const formType = 'http://jabber.org/protocol/pubsub#subscribe_authorization';

/** Asks the owners of a node whether somebody may subscribe (XEP-0060 §8.6), after the commit. */
export function requestApproval(
  work: Work,
  account: Account,
  nodes: Nodes,
  node: Node,
  subscriber: string,
): void {
  const owners = ownersOf(account, nodes, node);
  work.after(() => {
    for (const owner of owners) sendRequest(account, owner, node.name, subscriber);
  });
}

function ownersOf(account: Account, nodes: Nodes, node: Node): string[] {
  const named = [...(node.affiliations ?? [])].filter(([, what]) => what === 'owner').map(([jid]) => jid);
  return nodes.kind === 'pep' ? [account.address, ...named] : named;
}

/** One request, to one owner. */
function sendRequest(account: Account, owner: string, node: string, subscriber: string): void {
  const to = Jid.parse(owner);
  if (to === undefined) return;
  const form = buildForm(
    'form',
    formType,
    [
      { name: 'pubsub#node', type: 'text-single', label: 'Node', values: [node] },
      { name: 'pubsub#subscriber_jid', type: 'jid-single', label: 'Subscriber', values: [subscriber] },
      {
        name: 'pubsub#allow',
        type: 'boolean',
        label: 'Allow this address to subscribe to this node?',
        values: ['false'],
      },
    ],
    { title: 'PubSub subscriber request' },
  );
  const id = `approve-${Buffer.from(`${node} ${subscriber}`).toString('base64url').slice(0, 64)}`;
  sendPassing(
    account.partition,
    to,
    el('message', NS.client, { from: account.address, to: owner, id }, [form]),
  );
}

/** Is this message an owner's answer, and to whom? Call it for messages to an account itself or to a service. */
export function isApproval(stanza: Element): boolean {
  const x = stanza.child('x', NS.dataForms);
  const type = x?.elements('field').find(({ attrs }) => attrs['var'] === 'FORM_TYPE');
  return type?.child('value')?.text() === formType && x?.attrs['type'] !== 'form';
}

/** Takes an answer to the entity that asked; call it as an effect. */
export function passApproval(partition: Partition, stanza: Element, to: Jid): void {
  if (placeOf(partition, to) === 'elsewhere') partition.post.pass(partition, to.bare, stanza);
  else receiveApproval(partition, stanza, to);
}

/** An owner's answer has come to the entity that asked. Whoever sent it has to be an owner; all else is ignored. */
export function receiveApproval(partition: Partition, stanza: Element, to: Jid): void {
  const from = Jid.parse(stanza.attrs['from'] ?? '');
  if (from === undefined) return;
  Promise.resolve(partition.account(to.bare)).then(
    (account) => account?.mailbox.run(() => approve(account, stanza, from)),
    (error: unknown) => partition.env.log.warn({ err: error }, 'an account could not be read'),
  );
}

async function approve(account: Account, stanza: Element, from: Jid): Promise<void> {
  const nodes = await nodesOf(account);
  try {
    const form = parseForm(stanza);
    const allow = form?.flag('pubsub#allow');
    const jid = Jid.parse(form?.value('pubsub#subscriber_jid') ?? '');
    const node = nodes.get(form?.value('pubsub#node') ?? '');
    // §8.6: cancelled, it stays as it is.
    if (form?.type !== 'submit' || allow === undefined || jid === undefined || node === undefined) return;
    if (affiliationOf(node, account.address, from.bare) !== 'owner') return;
    const held = node.subscriptions?.get(jid.full);
    if (held?.state !== 'pending') return;
    const work = new Work(account);
    work.step(() =>
      subscribe(work, account, node, jid.full, allow ? { ...held, state: 'subscribed' } : undefined),
    );
    tellState(work, account, node.name, jid, allow ? 'subscribed' : 'none');
    work.commit();
  } catch (error) {
    account.partition.env.log.debug({ err: error }, 'an answer to a request was no such form');
  }
}

/** Tells a subscriber of a change by somebody else (§12.12), after the commit. */
export function tellState(
  work: Work,
  account: Account,
  node: string,
  jid: Jid,
  subscription: 'subscribed' | 'pending' | 'unconfigured' | 'none',
): void {
  const event = el('event', NS.pubsubEvent, {}, [
    el('subscription', NS.pubsubEvent, { node, jid: jid.full, subscription }),
  ]);
  const id = `s${token(account.partition.env.random, 9)}`;
  const stanza = el('message', NS.client, { from: account.address, to: jid.full, type: 'headline', id }, [
    event,
  ]);
  work.after(() => sendPassing(account.partition, jid, stanza));
}
