import { formatDate } from '../../xmpp/datetime.ts';
import { el, type Element } from '../../xmpp/element.ts';
import { StanzaError } from '../../xmpp/error.ts';
import { Jid } from '../../xmpp/jid.ts';
import { NS } from '../../xmpp/namespaces.ts';
import { sendPassing } from '../route.ts';
import { affiliationIn, isSecret, nameIn, pubsubOf, reached, type Ask } from './ask.ts';
import { requestApproval } from './authorize.ts';
import { subscribe as put } from './change.ts';
import { refusal } from './errors.ts';
import { itemEvent, itemsEvent, message } from './event.ts';
import type { Node, Subscription } from './nodes.ts';
import { optionsForm, optionsIn } from './options.ts';
import { newestItems } from './retrieve.ts';

/** XEP-0060 §6.1. */
export async function subscribe(ask: Ask): Promise<Element> {
  const { account, nodes, from, work, payload, verb } = ask;
  const [, options, more] = payload.elements();
  // §6.3.7: options follow, and name nothing themselves.
  if (
    more !== undefined ||
    (options !== undefined &&
      (!options.is('options', NS.pubsub) ||
        options.attrs['node'] !== undefined ||
        options.attrs['jid'] !== undefined))
  )
    throw new StanzaError('bad-request');
  const jid = subscriberIn(verb);
  // §6.1.3.1.
  if (jid === undefined || jid.bare !== from.bare) throw refusal('bad-request', 'invalid-jid');
  const { node, barred } = reached(ask);
  const affiliation = affiliationIn(ask, node);
  if (affiliation === 'outcast' || affiliation === 'publish-only') throw new StanzaError('forbidden');
  const held = node.subscriptions?.get(jid.full);
  // §6.1.3.7.
  if (held?.state === 'pending') throw refusal('not-authorized', 'pending-subscription');
  const approval = barred !== undefined && node.config.access === 'authorize';
  if (barred !== undefined && !approval) throw barred;
  const most = account.partition.env.limits.nodePeople;
  if (held === undefined && (node.subscriptions?.size ?? 0) >= most)
    throw refusal('policy-violation', 'too-many-subscriptions', { type: 'wait' });
  const chosen = options === undefined ? held?.options : (optionsIn(options) ?? held?.options);
  const subscription: Subscription = {
    state: approval ? 'pending' : 'subscribed',
    options: chosen ?? {},
  };
  const [last] =
    approval || node.config.last === 'never' || held !== undefined ? [] : await newestItems(account, node, 1);
  work.step(() => put(work, account, node, jid.full, subscription));
  if (approval) requestApproval(work, account, nodes, node, jid.full);
  if (last !== undefined) {
    // §6.1.7: the last item, and that it is not new.
    const event = itemsEvent(node.name, [itemEvent(last, node.config)]);
    const stanza = message(account.address, `l${last.cn}`, node.config.message, event);
    const delayed = stanza.withChildren([
      ...stanza.children,
      el('delay', NS.delay, { stamp: formatDate(last.at) }),
    ]);
    work.after(() => sendPassing(account.partition, jid, delayed.with({ to: jid.full })));
  }
  const told = toElement(node.name, jid.full, subscription);
  return options === undefined
    ? pubsubOf([told.withChildren([el('subscribe-options', NS.pubsub)])])
    : pubsubOf([told, el('options', NS.pubsub, {}, [optionsForm('result', subscription)])]);
}

/** XEP-0060 §6.2. */
export function unsubscribe(ask: Ask): undefined {
  const { account, work } = ask;
  const { node, jid } = subscribed(ask);
  work.step(() => put(work, account, node, jid.full, undefined));
  return undefined;
}

/** XEP-0060 §6.3. */
export function getOptions(ask: Ask): Element {
  const { node, jid, subscription } = subscribed(ask);
  return pubsubOf([
    el('options', NS.pubsub, { node: node.name, jid: jid.full }, [optionsForm('form', subscription)]),
  ]);
}

export function setOptions(ask: Ask): undefined {
  const { account, work, verb } = ask;
  const { node, jid, subscription } = subscribed(ask);
  const options = optionsIn(verb);
  if (options !== undefined)
    work.step(() => put(work, account, node, jid.full, { state: subscription.state, options }));
  return undefined;
}

/** XEP-0060 §6.4. */
export function defaultOptions(ask: Ask): Element {
  const name = ask.verb.attrs['node'];
  if (name !== undefined && name !== '') {
    const { barred } = reached(ask);
    if (barred !== undefined) throw barred;
  }
  return pubsubOf([el('default', NS.pubsub, { node: name }, [optionsForm('form')])]);
}

/** The subscription that the request names. */
function subscribed(ask: Ask): {
  readonly node: Node;
  readonly jid: Jid;
  readonly subscription: Subscription;
} {
  const { from, verb } = ask;
  nameIn(verb);
  // §6.3.4.3.
  if (verb.attrs['jid'] === undefined) throw refusal('bad-request', 'jid-required');
  const jid = subscriberIn(verb);
  if (jid === undefined) throw refusal('bad-request', 'invalid-jid');
  const { node, barred } = reached(ask);
  if (jid.bare !== from.bare) {
    if (barred !== undefined && isSecret(ask, node)) throw new StanzaError('item-not-found');
    throw new StanzaError('forbidden');
  }
  const subscription = node.subscriptions?.get(jid.full);
  if (subscription === undefined) throw refusal('unexpected-request', 'not-subscribed', { type: 'cancel' });
  return { node, jid, subscription };
}

function subscriberIn(verb: Element): Jid | undefined {
  return Jid.parse(verb.attrs['jid'] ?? '');
}

function toElement(node: string, jid: string, { state }: Subscription, ns: string = NS.pubsub): Element {
  return el('subscription', ns, { node, jid, subscription: state });
}

/** XEP-0060 §5.6: what the one who asks has subscribed to here. */
export function subscriptions(ask: Ask): Element {
  const { nodes, from } = ask;
  const only = ask.verb.attrs['node'];
  const found: Element[] = [];
  for (const node of nodes)
    if (only === undefined || only === '' || node.name === only)
      for (const [jid, subscription] of node.subscriptions ?? [])
        if (jid === from.bare || jid.startsWith(`${from.bare}/`))
          found.push(toElement(node.name, jid, subscription));
  return pubsubOf([el('subscriptions', NS.pubsub, { node: only }, found)]);
}

/** XEP-0060 §5.7. */
export function affiliations(ask: Ask): Element {
  const { nodes } = ask;
  const only = ask.verb.attrs['node'];
  const found: Element[] = [];
  for (const node of nodes) {
    if (only !== undefined && only !== '' && node.name !== only) continue;
    const affiliation = affiliationIn(ask, node);
    if (affiliation !== 'none') found.push(el('affiliation', NS.pubsub, { node: node.name, affiliation }));
  }
  return pubsubOf([el('affiliations', NS.pubsub, { node: only }, found)]);
}
