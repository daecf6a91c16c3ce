import { serverNode, verification } from '../xmpp/caps.ts';
import { el, type Element } from '../xmpp/element.ts';
import { StanzaError } from '../xmpp/error.ts';
import { Jid } from '../xmpp/jid.ts';
import { NS } from '../xmpp/namespaces.ts';
import type { Account } from './account.ts';
import type { Env } from './env.ts';
import { roomHost } from '../placement/placement.ts';
import { isGuest } from './guests.ts';
import type { About, Catalogue, Feature, Request, Service, Visit } from './iq.ts';
import { mayKnow } from './mayknow.ts';
import { softwareName } from '../base/version.ts';

const infoKey = `get query ${NS.discoInfo}`;
const itemsKey = `get query ${NS.discoItems}`;

/** Service discovery (XEP-0030) of what all these features announce. */
export function disco(features: readonly Feature[]): Feature {
  const accountAs = (type: 'registered' | 'anonymous') =>
    info(
      [{ category: 'account', type }, ...features.flatMap((feature) => feature.identities ?? [])],
      features.flatMap((feature) => feature.accountFeatures ?? []),
    );
  const registered = accountAs('registered');
  // XEP-0175 §5
  const anonymous = accountAs('anonymous');
  const accountOf = ({ partition, address }: Account) =>
    isGuest(partition.env, address) ? anonymous : registered;
  const catalogues = features.flatMap(({ nodes }) => (nodes === undefined ? [] : [nodes]));
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
        atNode('info', request) ?? serverInfo(features, request.account.partition.env, request.payload),
      [itemsKey]: (request) =>
        atNode('items', request) ??
        known(
          request.payload,
          items([
            ...services
              .map(({ label, identity }) => ({ jid: `${label}.${request.to}`, name: identity['name'] }))
              // Those that the configuration has not turned off.
              .filter(({ jid }) => request.account.partition.env.hosts.has(jid)),
            ...[...(request.account.partition.env.roomHosts ?? [])]
              .filter((host) => host === roomHost(request.to))
              .map((jid) => ({ jid, name: 'Rooms' })),
            ...componentsAt(request.account.partition.env, request.to),
          ]),
        ),
    },
    account: {
      [infoKey]: (request) =>
        atNode('info', request) ?? infoOf(catalogues, accountOf(request.account), about(request)),
      [itemsKey]: (request) => atNode('items', request) ?? itemsOf(catalogues, about(request)),
    },
    visitors: {
      // §8: who may not see their presence learns neither what the account can nor whether there is one.
      [infoKey]: async (visit) => {
        const may = await mayKnow(visit.account, visit.from);
        if (!may && about(visit).node === '') throw new StanzaError('service-unavailable');
        return infoOf(
          catalogues,
          accountOf(visit.account),
          about(visit),
          may ? 'item-not-found' : 'service-unavailable',
        );
      },
      [itemsKey]: async (visit) => {
        // XEP-0050 §2.2: an account has no commands for others, which is no error.
        if (visit.payload.attrs['node'] === NS.commands) return noCommands;
        const may = await mayKnow(visit.account, visit.from);
        return itemsOf(catalogues, about(visit), may ? 'item-not-found' : 'service-unavailable');
      },
    },
    // §8: as of an account that has nothing to show.
    blind: { [itemsKey]: () => noItems },
  };
}

/** Also behind the node that the server's annotation makes (XEP-0115 §6.2). */
function serverInfo(features: readonly Feature[], env: Env, payload: Element): Element {
  const { node = '' } = payload.attrs;
  const answer = serverItself(features, env);
  if (node === '') return answer;
  if (node !== `${serverNode}#${verification(answer, 'sha-1')}`) throw new StanzaError('item-not-found');
  return answer.with({ node });
}

/** What the server says of itself, which its annotation stands for. */
export function serverItself(features: readonly Feature[], env: Env): Element {
  const known = told.get(env);
  if (known !== undefined) return known;
  const itself = info(
    [{ category: 'server', type: 'im', name: softwareName }],
    // XEP-0160 §4: the spool.
    [...features.flatMap((feature) => feature.serverFeatures ?? []), NS.offline],
  );
  const forms = features.flatMap((feature) => feature.serverForms ?? []);
  const all = extended(itself, forms, env);
  told.set(env, all);
  return all;
}

/** It does not change while a server runs. */
const told = new WeakMap<Env, Element>();

function about(request: Request | Visit): About {
  const { account, payload } = request;
  const from = 'from' in request ? request.from : Jid.parse(request.session.full)!;
  return { account, from, node: payload.attrs['node'] ?? '' };
}

/** What is behind an account's address, or behind a node of it (§3.2). */
async function infoOf(
  catalogues: readonly Catalogue[],
  account: Element,
  asked: About,
  unknown: 'item-not-found' | 'service-unavailable' = 'item-not-found',
): Promise<Element> {
  if (asked.node === '') return account;
  for (const catalogue of catalogues) {
    // oxlint-disable-next-line no-await-in-loop -- the first that knows it answers
    const answer = await catalogue.info(asked);
    if (answer !== undefined) return answer;
  }
  throw new StanzaError(unknown);
}

/** The nodes of an account, or what is at one of them (§4.2). */
async function itemsOf(
  catalogues: readonly Catalogue[],
  asked: About,
  unknown: 'item-not-found' | 'service-unavailable' = 'item-not-found',
): Promise<Element> {
  const found = (await Promise.all(catalogues.map(async (catalogue) => catalogue.items(asked)))).filter(
    (list) => list !== undefined,
  );
  if (found.length === 0 && asked.node !== '') throw new StanzaError(unknown);
  const attrs = asked.node === '' ? {} : { node: asked.node };
  return el('query', NS.discoItems, attrs, found.flat());
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

/** The components that a domain shows: its own, and those that are below none of ours. */
function componentsAt(env: Env, domain: string): { jid: string; name: string | undefined }[] {
  const shown = [...(env.components?.values() ?? [])].filter(
    (one) =>
      one.domain.endsWith(`.${domain}`) ||
      ![...env.domains].some((other) => one.domain.endsWith(`.${other}`)),
  );
  return shown.map((one) => ({ jid: one.domain, name: one.name === '' ? undefined : one.name }));
}

const noItems = el('query', NS.discoItems);
const noCommands = noItems.with({ node: NS.commands });

function items(list: readonly { readonly jid: string; readonly name: string | undefined }[]): Element {
  return el(
    'query',
    NS.discoItems,
    {},
    list.map(({ jid, name }) => el('item', NS.discoItems, { jid, name })),
  );
}

/** §3.1: every entity names itself, and disco among its features. */
export function info(
  identities: readonly Readonly<Record<string, string>>[],
  features: readonly string[],
): Element {
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
