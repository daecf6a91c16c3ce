import { el, type Element } from '../xmpp/element.ts';
import { StanzaError } from '../xmpp/error.ts';
import { NS } from '../xmpp/namespaces.ts';
import type { Feature, Handler } from './iq.ts';
import { mayKnow } from './mayknow.ts';
import { softwareName } from './version.ts';

/** Service discovery (XEP-0030) of what all these features announce. */
export function disco(features: readonly Feature[]): Feature {
  const server = info(
    { category: 'server', type: 'im', name: softwareName },
    // XEP-0160 §4: the spool.
    [...features.flatMap((feature) => feature.serverFeatures ?? []), NS.offline],
  );
  const account = info(
    { category: 'account', type: 'registered' },
    features.flatMap((feature) => feature.accountFeatures ?? []),
  );
  const infoKey = `get query ${NS.discoInfo}`;
  const itemsKey = `get query ${NS.discoItems}`;
  return {
    server: { [infoKey]: answer(server), [itemsKey]: answer(noItems) },
    account: { [infoKey]: answer(account), [itemsKey]: answer(noItems) },
    others: {
      // §8: who may not see their presence learns neither what the account can nor whether there is one.
      [infoKey]: async (request) => {
        if (!(await mayKnow(request.account, request.to))) throw new StanzaError('service-unavailable');
        return answer(account)(request);
      },
      // §8: an empty list in every case, and that is what there is.
      [itemsKey]: () => noItems,
    },
  };
}

/** There are no nodes yet: §7, `item-not-found`. */
function answer(known: Element): Handler {
  return ({ payload }) => {
    if ((payload.attrs['node'] ?? '') !== '') throw new StanzaError('item-not-found');
    return known;
  };
}

const noItems = el('query', NS.discoItems);

/** §3.1: every entity names itself, and disco among its features. */
function info(identity: Record<string, string>, features: readonly string[]): Element {
  const all = new Set([NS.discoInfo, NS.discoItems, ...features]);
  return el('query', NS.discoInfo, {}, [
    el('identity', NS.discoInfo, identity),
    ...[...all].sort().map((name) => el('feature', NS.discoInfo, { var: name })),
  ]);
}
