import { el, type Element } from '../../xmpp/element.ts';
import { StanzaError } from '../../xmpp/error.ts';
import { parseForm, type Form } from '../../xmpp/forms.ts';
import { NS } from '../../xmpp/namespaces.ts';
import { serialise } from '../../xmpp/serialise.ts';
import { token } from '../../base/random.ts';
import type { Feature } from '../iq.ts';
import { barrier, isSubscribed } from './access.ts';
import { affiliationIn, fitting, isSecret, nameIn, pubsubOf, reached, type Ask, type Verb } from './ask.ts';
import { admitNode, createNode, mostItems, putItem, removeItem } from './change.ts';
import { changed, defaults, meets, type Config } from './config.ts';
import { refusal, unsupported } from './errors.ts';
import type { Node } from './nodes.ts';
import { countItems, itemOf, newestItems } from './retrieve.ts';

type Hooks = ReadonlyMap<string, readonly NonNullable<Feature['published']>[string][]>;

/** XEP-0060 §7.1. */
export function publishing(hooks: Hooks): Verb {
  return async (ask) => {
    const { account, nodes, from, work, verb, payload } = ask;
    const name = nameIn(verb);
    const { random, limits } = account.partition.env;
    const items = verb.elements('item');
    const [item] = items;
    // §7.1.1: not more than one any more.
    if (items.length > 1) throw refusal('bad-request', 'invalid-payload');
    const options = optionsIn(payload);
    const node = nodes.get(name);
    const config = node === undefined ? configFor(ask, options) : mayPublish(ask, node, options);
    const content = item?.elements() ?? [];
    if (content.length > 1) throw refusal('bad-request', 'invalid-payload');
    fits(config, item, content[0]);
    if (content[0] !== undefined && serialise(content[0]).length > limits.nodePayload)
      throw refusal('not-acceptable', 'payload-too-big');
    const given = item?.attrs['id'];
    const id = given === undefined || given === '' ? token(random, 15) : fitting(given);
    if (node !== undefined && config.persist && config.full === 'reject') await roomFor(ask, node, id);
    // §7.1.4.
    if (node === undefined) {
      admitNode(account, nodes);
      createNode(work, account, nodes, name, config, from.bare);
    }
    const publisher = from.full;
    if (from.bare === account.address)
      for (const hook of hooks.get(name) ?? [])
        // oxlint-disable-next-line no-await-in-loop -- each reads, and then changes the unit
        await hook({ account, work, node: name, id, payload: content[0] });
    putItem(work, account, nodes, name, { id, payload: content[0], publisher });
    return pubsubOf([el('publish', NS.pubsub, { node: name }, [el('item', NS.pubsub, { id })])]);
  };
}

/** The form in `<publish-options/>` (§7.1.5). */
function optionsIn(payload: Element): Form | undefined {
  const [, options, more] = payload.elements();
  if (options === undefined) return undefined;
  if (more !== undefined || !options.is('publish-options', NS.pubsub)) throw new StanzaError('bad-request');
  const form = parseForm(options);
  if (form === undefined || form.type !== 'submit' || form.of !== NS.pubsubPublishOptions)
    throw new StanzaError('bad-request', 'publish-options is a submitted form of its own type');
  return form;
}

/** The configuration of a node that does not exist yet: whoever may create it makes it by publishing. */
function configFor({ account, nodes, from }: Ask, options: Form | undefined): Config {
  if (nodes.kind === 'pep' && from.bare !== account.address) throw new StanzaError('item-not-found');
  const usual = defaults[nodes.kind];
  return options === undefined ? usual : configured(account, usual, options);
}

/** With what a form says, where the limits allow it. */
export function configured(account: Ask['account'], config: Config, form: Form): Config {
  const next = changed(config, form, true);
  const { nodeItems } = account.partition.env.limits;
  if (next.items > nodeItems)
    throw refusal('not-acceptable', 'max-items-exceeded', { text: `no more than ${nodeItems} items` });
  return next;
}

/** §7.1.3.1: by affiliation, or by what the node says (`publish_model`). */
function mayPublish(ask: Ask, node: Node, options: Form | undefined): Config {
  const { from, account, seen } = ask;
  const { config } = node;
  const affiliation = affiliationIn(ask, node);
  const barred = barrier(node, account.address, from, seen);
  const may =
    affiliation === 'owner' ||
    affiliation === 'publisher' ||
    affiliation === 'publish-only' ||
    (affiliation !== 'outcast' &&
      (config.publishers === 'open' || (config.publishers === 'subscribers' && isSubscribed(node, from))));
  if (!may && barred !== undefined && isSecret(ask, node)) throw new StanzaError('item-not-found');
  if (!may) throw new StanzaError('forbidden');
  if (options !== undefined) {
    const met = meets(config, options);
    if (met === undefined) throw new StanzaError('not-acceptable', 'an unknown option');
    if (!met) throw refusal('conflict', 'precondition-not-met');
  }
  return config;
}

/** §7.1.3.6 and §7.1.3.5: does the request fit the event type of the node? */
function fits(config: Config, item: Element | undefined, payload: Element | undefined): void {
  if (!config.persist && !config.payloads) {
    if (item !== undefined) throw refusal('bad-request', 'item-forbidden');
    return;
  }
  if (config.persist && item === undefined) throw refusal('bad-request', 'item-required');
  if (config.payloads && payload === undefined) throw refusal('bad-request', 'payload-required');
  if (config.type !== '' && payload !== undefined && payload.ns !== config.type)
    throw refusal('bad-request', 'invalid-payload');
}

/** §7.1.3.4. */
async function roomFor(ask: Ask, node: Node, id: string): Promise<void> {
  const { account } = ask;
  if ((await countItems(account, node)) < mostItems(account, node.config)) return;
  if ((await itemOf(account, node, id)) === undefined) throw refusal('conflict', 'node-full');
}

/** XEP-0060 §7.2. */
export function retracting(hooks: Hooks): Verb {
  return async (ask) => {
    const { account, nodes, from, work, verb } = ask;
    const { node } = reached(ask);
    const affiliation = affiliationIn(ask, node);
    const items = verb.elements('item');
    const id = items[0]?.attrs['id'] ?? '';
    if (items.length !== 1 || id === '') throw refusal('bad-request', 'item-required');
    if (!node.config.persist) throw unsupported('persistent-items');
    if (affiliation === 'outcast') throw new StanzaError('forbidden');
    const item = await itemOf(account, node, id);
    const own = item !== undefined && item.publisher.split('/', 1)[0] === from.bare;
    // §4.1: owners and publishers remove any item, others what they published themselves.
    if (affiliation !== 'owner' && affiliation !== 'publisher' && !own) throw new StanzaError('forbidden');
    if (item === undefined) throw new StanzaError('item-not-found');
    const newest = node.last?.id === id ? await newestItems(account, node, 2) : [];
    if (from.bare === account.address)
      for (const hook of hooks.get(node.name) ?? [])
        // oxlint-disable-next-line no-await-in-loop -- each reads, and then changes the unit
        await hook({ account, work, node: node.name, id, payload: undefined });
    const notify = verb.attrs['notify'];
    const told = notify === '1' || notify === 'true' || (notify === undefined && node.config.notifyRetract);
    removeItem(
      work,
      account,
      nodes,
      node,
      id,
      newest.find((one) => one.id !== id),
      told,
    );
    return undefined;
  };
}
