import { NS } from '../../xmpp/namespaces.ts';
import type { Feature } from '../iq.ts';
import { handlerOf, type Verbs } from './ask.ts';
import { catalogue, discovered } from './discover.ts';
import { getAffiliations, getSubscriptions, setAffiliations, setSubscriptions } from './manage.ts';
import { create, emptying, getConfig, getDefault, purge, remove, setConfig } from './owner.ts';
import { publishing, retracting } from './publish.ts';
import { retrieve } from './retrieve.ts';
import {
  affiliations,
  defaultOptions,
  getOptions,
  setOptions,
  subscribe,
  subscriptions,
  unsubscribe,
} from './subscribe.ts';

/** What both an account and the service can (XEP-0060 §11). */
const common = [
  'access-authorize',
  'access-open',
  'access-whitelist',
  'auto-create',
  'config-node',
  'config-node-max',
  'create-and-configure',
  'create-nodes',
  'delete-items',
  'delete-nodes',
  'instant-nodes',
  'item-ids',
  'last-published',
  'manage-subscriptions',
  'member-affiliation',
  'meta-data',
  'modify-affiliations',
  'multi-items',
  'outcast-affiliation',
  'persistent-items',
  'publish',
  'publish-node-full',
  'publish-only-affiliation',
  'publish-options',
  'publisher-affiliation',
  'purge-nodes',
  'retract-items',
  'retrieve-affiliations',
  'retrieve-default',
  'retrieve-default-sub',
  'retrieve-items',
  'retrieve-subscriptions',
  'rsm',
  'subscribe',
  'subscription-notifications',
  'subscription-options',
].map((name) => `${NS.pubsub}#${name}`);

/** XEP-0163 §6: what an account can besides. */
const personal = [
  'access-presence',
  'access-roster',
  'auto-subscribe',
  'filtered-notifications',
  'presence-notifications',
  'presence-subscribe',
].map((name) => `${NS.pubsub}#${name}`);

/** XEP-0060 at every account (XEP-0163) and at `pubsub.DOMAIN`. `features`: whose hooks run when somebody publishes. */
export function pubsub(features: readonly Feature[]): Feature {
  const hooks = new Map<string, NonNullable<Feature['published']>[string][]>();
  const emptied = new Map<string, NonNullable<Feature['emptied']>[string][]>();
  for (const feature of features)
    for (const [node, hook] of Object.entries(feature.emptied ?? {}))
      emptied.set(node, [...(emptied.get(node) ?? []), hook]);
  for (const { published } of features)
    for (const [node, hook] of Object.entries(published ?? {}))
      hooks.set(node, [...(hooks.get(node) ?? []), hook]);
  const verbs: Readonly<Record<string, Verbs>> = {
    [`get pubsub ${NS.pubsub}`]: {
      items: retrieve,
      options: getOptions,
      default: defaultOptions,
      subscriptions,
      affiliations,
    },
    [`set pubsub ${NS.pubsub}`]: {
      publish: publishing(hooks),
      retract: retracting(hooks),
      subscribe,
      unsubscribe,
      options: setOptions,
      create,
    },
    [`get pubsub ${NS.pubsubOwner}`]: {
      configure: getConfig,
      default: getDefault,
      subscriptions: getSubscriptions,
      affiliations: getAffiliations,
    },
    [`set pubsub ${NS.pubsubOwner}`]: {
      configure: setConfig,
      delete: emptying(emptied, remove),
      purge: emptying(emptied, purge),
      subscriptions: setSubscriptions,
      affiliations: setAffiliations,
    },
  };
  const handlers = Object.fromEntries(
    Object.entries(verbs).map(([request, one]) => [request, handlerOf(one)]),
  );
  const identity = { category: 'pubsub', type: 'service', name: 'Publish-Subscribe' };
  const serviceFeatures = [NS.pubsub, ...common];
  return {
    account: handlers,
    visitors: handlers,
    nodes: catalogue,
    service: {
      label: 'pubsub',
      identity,
      features: serviceFeatures,
      visitors: { ...handlers, ...discovered({ identity, features: serviceFeatures }) },
    },
    identities: [{ category: 'pubsub', type: 'pep' }],
    accountFeatures: [NS.pubsub, ...common, ...personal],
  };
}
