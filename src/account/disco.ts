import { el, type Element } from '../xmpp/element.ts';
import { StanzaError } from '../xmpp/error.ts';
import { NS } from '../xmpp/namespaces.ts';
import type { Account } from './account.ts';
import type { Env } from './env.ts';
import type { Feature, Request, Service } from './iq.ts';
import { isGuest } from './guests.ts';
import { mayKnow } from './mayknow.ts';
import { softwareName } from './version.ts';

const infoKey = `get query ${NS.discoInfo}`;
const itemsKey = `get query ${NS.discoItems}`;

/** Service discovery (XEP-0030) of what all these features announce. */
export function disco(features: readonly Feature[]): Feature {
  const server = info(
    [{ category: 'server', type: 'im', name: softwareName }],
    // XEP-0160 §4: the spool.
    [...features.flatMap((feature) => feature.serverFeatures ?? []), NS.offline],
  );
  const accountAs = (type: 'registered' | 'anonymous') =>
    info(
      [{ category: 'account', type }, ...features.flatMap((feature) => feature.identities ?? [])],
      features.flatMap((feature) => feature.accountFeatures ?? []),
    );
  const registered = accountAs('registered');
  // XEP-0175 §5
  const anonymous = accountAs('anonymous');
  const about = ({ partition, address }: Account) =>
    isGuest(partition.env, address) ? anonymous : registered;
  const forms = features.flatMap((feature) => feature.serverForms ?? []);
  const services = features.flatMap(({ service }) => (service === undefined ? [] : [service]));
  const offers = features.flatMap((feature) => feature.offers ?? []);
  const atNode = (what: 'items' | 'info', request: Request): Element | undefined => {
    const { node = '' } = request.payload.attrs;
    if (node === '') return undefined;
    for (const one of offers) {
      const found = one[what](node, request);
      if (found !== undefined) return found;
    }
    return undefined;
  };
  return {
    server: {
      [infoKey]: (request) =>
        atNode('info', request) ??
        known(request.payload, extended(server, forms, request.account.partition.env)),
      [itemsKey]: (request) =>
        atNode('items', request) ??
        known(
          request.payload,
          items(
            services.map(({ label, identity }) => ({
              jid: `${label}.${request.to}`,
              name: identity['name'],
            })),
          ),
        ),
    },
    account: {
      [infoKey]: (request) => atNode('info', request) ?? known(request.payload, about(request.account)),
      [itemsKey]: (request) => atNode('items', request) ?? known(request.payload, noItems),
    },
    visitors: {
      // §8: who may not see their presence learns neither what the account can nor whether there is one.
      [infoKey]: async ({ account: asked, from, payload }) => {
        if (!(await mayKnow(asked, from))) throw new StanzaError('service-unavailable');
        return known(payload, about(asked));
      },
    },
    // §8: an empty list in every case, and that is what there is.
    blind: { [itemsKey]: () => noItems },
  };
}

/** The service with what it says of itself, unless it says so in its own words. */
export function discoverable(service: Service): Service {
  const about = info([service.identity], service.features);
  const answers = (env: Env, payload: Element) =>
    known(payload, extended(about, [...(service.forms === undefined ? [] : [service.forms])], env));
  return {
    ...service,
    handlers: service.visitors?.[infoKey]
      ? (service.handlers ?? {})
      : {
          [infoKey]: ({ account, payload }) => answers(account.partition.env, payload),
          [itemsKey]: ({ payload }) => known(payload, noItems),
          ...service.handlers,
        },
    visitors: {
      [infoKey]: ({ account, payload }) => answers(account.partition.env, payload),
      [itemsKey]: ({ payload }) => known(payload, noItems),
      ...service.visitors,
    },
  };
}

/** Where there are no nodes: §7, `item-not-found`. */
function known(payload: Element, answer: Element): Element {
  if ((payload.attrs['node'] ?? '') !== '') throw new StanzaError('item-not-found');
  return answer;
}

const noItems = el('query', NS.discoItems);

function items(list: readonly { readonly jid: string; readonly name: string }[]): Element {
  return el(
    'query',
    NS.discoItems,
    {},
    list.map(({ jid, name }) => el('item', NS.discoItems, { jid, name })),
  );
}

/** §3.1: every entity names itself, and disco among its features. */
function info(identities: readonly Readonly<Record<string, string>>[], features: readonly string[]): Element {
  const all = new Set([NS.discoInfo, NS.discoItems, ...features]);
  return el('query', NS.discoInfo, {}, [
    ...identities.map((identity) => el('identity', NS.discoInfo, { ...identity })),
    ...[...all].sort().map((name) => el('feature', NS.discoInfo, { var: name })),
  ]);
}

/** With its forms (XEP-0128). */
function extended(about: Element, forms: readonly ((env: Env) => readonly Element[])[], env: Env): Element {
  const all = forms.flatMap((form) => form(env));
  return all.length === 0 ? about : about.withChildren([...about.children, ...all]);
}
