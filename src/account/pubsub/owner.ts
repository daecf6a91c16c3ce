import { token } from '../../base/random.ts';
import { el, type Element } from '../../xmpp/element.ts';
import { StanzaError } from '../../xmpp/error.ts';
import { buildForm, parseForm, type Form } from '../../xmpp/forms.ts';
import { Jid } from '../../xmpp/jid.ts';
import { NS } from '../../xmpp/namespaces.ts';
import type { Feature } from '../iq.ts';
import { rosterOf } from '../roster.ts';
import { barrier } from './access.ts';
import { fitting, ownedNode, pubsubOf, type Ask, type Verb } from './ask.ts';
import { tellState } from './authorize.ts';
import { admitNode, createNode, mostItems, purgeItems, subscribe, tell } from './change.ts';
import { configText, defaults, fieldsOf, type Config } from './config.ts';
import { unsupported } from './errors.ts';
import type { Node } from './nodes.ts';
import { configured } from './publish.ts';
import { pubsubRows } from './rows.ts';

/** XEP-0060 §8.1. */
export function create(ask: Ask): Element {
  const { account, nodes, from, work, payload, verb } = ask;
  const [, configure, more] = payload.elements();
  // §8.1.3.
  if (
    more !== undefined ||
    (configure !== undefined &&
      (!configure.is('configure', NS.pubsub) || configure.attrs['node'] !== undefined))
  )
    throw new StanzaError('bad-request');
  // §8.1.1: at an account, nobody else creates nodes.
  if (nodes.kind === 'pep' && from.bare !== account.address) throw new StanzaError('forbidden');
  const wanted = verb.attrs['node'];
  const name =
    wanted === undefined || wanted === '' ? token(account.partition.env.random, 15) : fitting(wanted);
  if (nodes.get(name) !== undefined) throw new StanzaError('conflict');
  const form = configure === undefined ? undefined : formIn(configure);
  const usual = defaults[nodes.kind];
  const config = form?.type === 'submit' ? configured(account, nodes.kind, usual, form) : usual;
  admitNode(account, nodes);
  createNode(work, account, nodes, name, config, from.bare);
  return pubsubOf([el('create', NS.pubsub, { node: name })]);
}

/** A form of `node_config` (§8.2.4); undefined where there is none. */
function formIn(parent: Element): Form | undefined {
  const form = parseForm(parent);
  if (form === undefined || form.type === 'cancel') return form;
  if (form.type !== 'submit' || form.of !== NS.pubsubNodeConfig)
    throw new StanzaError('bad-request', 'not a submitted configuration');
  return form;
}

/** XEP-0060 §8.2. */
export function getConfig(ask: Ask): Element {
  const node = ownedNode(ask);
  const form = buildForm('form', NS.pubsubNodeConfig, fieldsOf(node.config, ask.nodes.kind));
  return pubsubOf([el('configure', NS.pubsubOwner, { node: node.name }, [form])], NS.pubsubOwner);
}

/** XEP-0060 §8.3. */
export function getDefault({ nodes }: Ask): Element {
  const form = buildForm('form', NS.pubsubNodeConfig, fieldsOf(defaults[nodes.kind], nodes.kind));
  return pubsubOf([el('default', NS.pubsubOwner, {}, [form])], NS.pubsubOwner);
}

export async function setConfig(ask: Ask): Promise<undefined> {
  const { account, nodes, work, verb } = ask;
  const node = ownedNode(ask);
  const form = formIn(verb);
  if (form === undefined) throw new StanzaError('bad-request', 'a configuration is a form');
  if (form.type === 'cancel') return undefined;
  const config = configured(account, nodes.kind, node.config, form);
  const barred = await barredBy(ask, node, config);
  const { partition } = account;
  work.step(() => {
    const key = [partition.id, account.id, node.name];
    node.config = config;
    work.write(pubsubRows.putNode, [...key, configText(config, nodes.kind), partition.env.clock.now()]);
    if (!config.persist) {
      node.last = undefined;
      work.write(pubsubRows.removeItems, key);
    } else work.write(pubsubRows.trim, [...key, mostItems(account, config)]);
    // XEP-0163 §6.3: whoever lost access is not subscribed any more.
    for (const jid of barred) {
      subscribe(work, account, node, jid.full, undefined);
      tellState(work, account, node.name, jid, 'none');
    }
    if (!config.notifyConfig) return;
    const shown = config.payloads
      ? [buildForm('result', NS.pubsubNodeConfig, fieldsOf(config, nodes.kind))]
      : [];
    const event = el('configuration', NS.pubsubEvent, { node: node.name }, shown);
    tell(work, account, nodes, node, event, work.number(account));
  });
  return undefined;
}

/** Subscribers that may not see into the node under this configuration. */
async function barredBy({ account, nodes }: Ask, node: Node, config: Config): Promise<Jid[]> {
  if (node.subscriptions === undefined) return [];
  const roster = nodes.kind === 'pep' ? await rosterOf(account) : undefined;
  const next = Object.assign(Object.create(node) as Node, { config });
  return [...node.subscriptions.keys()]
    .map((address) => Jid.parse(address)!)
    .filter((jid) => barrier(next, account.address, jid, roster?.get(jid.bare)) !== undefined)
    .filter((jid) => config.access !== 'authorize' || node.subscriptions!.get(jid.full)?.state !== 'pending');
}

/** By name of the node: what else happens where an account's own node loses all its items. */
export type Emptied = ReadonlyMap<string, readonly NonNullable<Feature['emptied']>[string][]>;

/** The verb, behind the hooks of the node. */
export function emptying(hooks: Emptied, verb: (ask: Ask) => undefined): Verb {
  return async (ask) => {
    const { account, nodes, work } = ask;
    const { name } = ownedNode(ask);
    // oxlint-disable-next-line no-await-in-loop -- each reads, and then changes the unit
    if (nodes.kind === 'pep') for (const hook of hooks.get(name) ?? []) await hook({ account, work });
    return verb(ask);
  };
}

/** XEP-0060 §8.4. */
export function remove(ask: Ask): undefined {
  const { account, nodes, work, verb } = ask;
  const node = ownedNode(ask);
  const uri = verb.child('redirect')?.attrs['uri'];
  const redirect =
    uri === undefined || uri === '' ? [] : [el('redirect', NS.pubsubEvent, { uri: fitting(uri) })];
  const event = el('delete', NS.pubsubEvent, { node: node.name }, redirect);
  work.step(() => {
    nodes.delete(node.name);
    const key = [account.partition.id, account.id, node.name];
    work.write(pubsubRows.removeNode, key);
    work.write(pubsubRows.removeItems, key);
    work.write(pubsubRows.removeAffiliations, key);
    work.write(pubsubRows.removeSubscriptions, key);
    const cn = work.number(account);
    if (node.config.notifyDelete) tell(work, account, nodes, node, event, cn);
  });
  return undefined;
}

/** XEP-0060 §8.5. */
export function purge(ask: Ask): undefined {
  const { account, nodes, work } = ask;
  const node = ownedNode(ask);
  if (!node.config.persist) throw unsupported('persistent-items');
  purgeItems(work, account, nodes, node);
  return undefined;
}
