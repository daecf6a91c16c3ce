import { NS } from '../../xmpp/namespaces.ts';
import type { Feature } from '../iq.ts';
import { handlerOf, type Verbs } from './ask.ts';
import { publishing, retracting } from './publish.ts';
import { retrieve } from './retrieve.ts';

/** XEP-0060 at every account (XEP-0163) and at `pubsub.DOMAIN`. `features`: whose hooks run when somebody publishes. */
export function pubsub(features: readonly Feature[]): Feature {
  const hooks = new Map<string, NonNullable<Feature['published']>[string][]>();
  for (const { published } of features)
    for (const [node, hook] of Object.entries(published ?? {}))
      hooks.set(node, [...(hooks.get(node) ?? []), hook]);
  const gets: Verbs = { items: retrieve };
  const sets: Verbs = { publish: publishing(hooks), retract: retracting(hooks) };
  const handlers = {
    [`get pubsub ${NS.pubsub}`]: handlerOf(gets),
    [`set pubsub ${NS.pubsub}`]: handlerOf(sets),
  };
  return {
    account: handlers,
    visitors: handlers,
    service: {
      label: 'pubsub',
      identity: { category: 'pubsub', type: 'service', name: 'Publish-Subscribe' },
      features: [NS.pubsub],
      visitors: handlers,
    },
    identities: [{ category: 'pubsub', type: 'pep' }],
    accountFeatures: [NS.pubsub],
  };
}
