import { changed, configOf, configText, defaults, fieldsOf } from '../account/pubsub/config.ts';
import { pubsubRows } from '../account/pubsub/rows.ts';
import { fixed } from '../base/fixed.ts';
import { sql } from '../store/store.ts';
import type { Element } from '../xmpp/element.ts';
import { buildForm, Form, parseForm } from '../xmpp/forms.ts';
import { Jid } from '../xmpp/jid.ts';
import { NS } from '../xmpp/namespaces.ts';
import { attribute, serialise } from '../xmpp/serialise.ts';
import type { Arrived, Intake } from './intake.ts';
import type { Part } from './parts.ts';
import { OWN } from './shapes.ts';
import type { Source } from './source.ts';

/** Nodes of PEP: what they are (XEP-0227 §4.9.1), and their items (§4.9.2). */
export const node: Part = { give: giveNodes, take: takeNodes };
export const item: Part = { give: giveItems, take: takeItems };

const rows = {
  nodes: sql`select node, config from pubsub_node where partition = $1 and account = $2 order by node`,
  affiliations: sql`select jid, affiliation from pubsub_affiliation
    where partition = $1 and account = $2 and node = $3 order by jid`,
  subscriptions: sql`select jid, state from pubsub_subscription
    where partition = $1 and account = $2 and node = $3 order by jid`,
  items: sql`select id, cn, publisher, at, payload from pubsub_item
    where partition = $1 and account = $2 and node = $3 and cn > $4 order by cn limit $5`,
  addNode: sql`insert into pubsub_node (partition, account, node, config, created) values ($1, $2, $3, $4, $5)
    on conflict do nothing`,
  addItem: sql`insert into pubsub_item (partition, account, node, id, cn, publisher, at, payload)
    values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict do nothing`,
};

interface ItemRow {
  readonly id: string;
  readonly cn: number;
  readonly publisher: string;
  readonly at: number;
  readonly payload: string;
}

/** Items of one read. */
const page = 20;

interface NodeRow {
  readonly node: string;
  readonly config: string;
}

/** Two ask for them. */
function nodesOf(source: Source): Promise<readonly NodeRow[]> {
  let read = known.get(source);
  if (read === undefined) {
    const { store, partition, account } = source;
    read = store.query<NodeRow>(rows.nodes, [partition, account]);
    known.set(source, read);
  }
  return read;
}

const known = new WeakMap<Source, Promise<readonly NodeRow[]>>();

async function* giveNodes(source: Source): AsyncGenerator<string> {
  const nodes = await nodesOf(source);
  if (nodes.length === 0) return;
  const { store, partition, account } = source;
  yield `<pubsub xmlns="${NS.pubsubOwner}">`;
  for (const { node: name, config } of nodes) {
    const of = `node="${attribute(name)}"`;
    const form = buildForm('form', NS.pubsubNodeConfig, fieldsOf(configOf(config, 'pep'), 'pep').map(bare));
    yield `<configure ${of}>${serialise(form, NS.pubsubOwner)}</configure>`;
    const key = [partition, account, name];
    // oxlint-disable no-await-in-loop -- one node after the other
    const people = await store.query<{ jid: string; affiliation: string }>(rows.affiliations, key);
    if (people.length > 0)
      yield `<affiliations ${of}>${people
        .map(({ jid, affiliation }) => `<affiliation jid="${attribute(jid)}" affiliation="${affiliation}"/>`)
        .join('')}</affiliations>`;
    const subscribers = await store.query<{ jid: string; state: string }>(rows.subscriptions, key);
    // oxlint-enable no-await-in-loop
    if (subscribers.length > 0)
      yield `<subscriptions ${of}>${subscribers
        .map(({ jid, state }) => `<subscription jid="${attribute(jid)}" subscription="${state}"/>`)
        .join('')}</subscriptions>`;
  }
  yield '</pubsub>';
}

/** Without what only a person needs. */
function bare({ name, values }: { readonly name: string; readonly values?: readonly string[] | undefined }) {
  return { name, values };
}

async function* giveItems(source: Source): AsyncGenerator<string> {
  const nodes = await nodesOf(source);
  if (nodes.length === 0) return;
  const { store, partition, account, address } = source;
  yield `<pubsub xmlns="${NS.pubsub}" xmlns:m="${OWN}">`;
  for (const { node: name } of nodes) {
    yield `<items node="${attribute(name)}">`;
    for (let after = 0; ;) {
      // oxlint-disable-next-line no-await-in-loop -- each page begins behind the one before it
      const found = await store.query<ItemRow>(rows.items, [partition, account, name, after, page]);
      for (const { id, cn, publisher, at, payload } of found) {
        const by = publisher === '' || publisher === address ? '' : ` publisher="${attribute(publisher)}"`;
        // Payloads are stored as inside a stream of clients.
        const inner =
          payload === '' ? '' : payload.replace(/^<([^\s/>]+)(?![^>]* xmlns=)/, `<$1 xmlns="${NS.client}"`);
        yield `<item id="${attribute(id)}"${by} m:cn="${cn}" m:at="${at}">${inner}</item>`;
      }
      if (found.length < page) break;
      after = found.at(-1)!.cn;
    }
    yield '</items>';
  }
  yield '</pubsub>';
}

const affiliations = ['owner', 'publisher', 'publish-only', 'member', 'outcast'];

async function takeNodes(intake: Intake, pieces: readonly Arrived[]): Promise<void> {
  const known = new Set(
    (await intake.store.query<{ node: string }>(rows.nodes, [intake.partition, intake.account])).map(
      (row) => row.node,
    ),
  );
  const { nodes: most, nodePeople } = intake.env.limits;
  for (const { line, node: name = '', element } of pieces) {
    if (name === '' || Buffer.byteLength(name) > fixed.nodeName.value) {
      intake.skip(line, 'a node without a usable name is left out');
      continue;
    }
    const isNew = !known.has(name);
    if (isNew && known.size >= most) {
      intake.skip(line, `the node ${name} is left out: an account has at most ${most}`);
      continue;
    }
    known.add(name);
    if (element.name === 'configure') configure(intake, line, name, element);
    else people(intake, line, name, element, nodePeople);
  }
}

/** Fields that we do not know, or whose values we do not, stay as they usually are (§4.9.1: "SHOULD ignore"). */
function configure(intake: Intake, line: number, name: string, element: Element): void {
  let config = defaults.pep;
  try {
    const form = parseForm(element);
    for (const field of form?.names ?? []) {
      const values = form!.values(field);
      if (values.length === 0) continue;
      try {
        config = changed(config, new Form('submit', new Map([[field, values]])), 'pep');
      } catch {
        intake.skip(line, `${field} of the node ${name} is left out: it cannot be ${values.join(', ')}`);
      }
    }
  } catch {
    intake.skip(line, `the configuration of the node ${name} is left out: it is no form`);
  }
  const params = [intake.partition, intake.account, name, configText(config, 'pep'), intake.env.clock.now()];
  intake.write(intake.mode === 'merge' ? rows.addNode : pubsubRows.putNode, params);
}

function people(intake: Intake, line: number, name: string, element: Element, most: number): void {
  const { partition, account } = intake;
  const list = element.elements();
  if (list.length > most)
    intake.skip(line, `of the node ${name} only ${most} people are taken, and ${list.length} are there`);
  for (const { attrs } of list.slice(0, most)) {
    const jid = Jid.parse(attrs['jid'] ?? '');
    const { affiliation, subscription } = attrs;
    if (jid === undefined) intake.skip(line, `somebody at the node ${name} has no usable address`);
    else if (
      element.name === 'affiliations' &&
      affiliation !== undefined &&
      affiliations.includes(affiliation)
    ) {
      if (jid.bare !== intake.address)
        intake.write(pubsubRows.putAffiliation, [partition, account, name, jid.bare, affiliation]);
    }
    // Prosody (seen in 0.12) calls the attribute `subscribed`.
    else if (element.name === 'subscriptions' && (subscription ?? attrs['subscribed']) === 'subscribed')
      intake.write(pubsubRows.putSubscription, [partition, account, name, jid.full, 'subscribed', '{}']);
  }
}

async function takeItems(intake: Intake, pieces: readonly Arrived[]): Promise<void> {
  const { partition, account, address } = intake;
  const { nodePayload } = intake.env.limits;
  await Promise.resolve();
  for (const { line, node: name = '', element } of pieces) {
    const id = element.attrs['id'] ?? '';
    const [payload] = element.elements();
    const text = payload === undefined ? '' : serialise(payload);
    const long = [name, id].some((one) => Buffer.byteLength(one) > fixed.nodeName.value);
    if (name === '' || id === '' || long || Buffer.byteLength(text) > nodePayload) {
      intake.skip(line, `an item of the node ${name} is left out: it has no usable name, or is too long`);
      continue;
    }
    addItem(intake, name, id, text, {
      cn: ownNumber(element, 'cn'),
      at: ownNumber(element, 'at'),
      publisher: Jid.parse(element.attrs['publisher'] ?? '')?.full ?? address,
    });
    intake.write(rows.addNode, [partition, account, name, '{}', intake.env.clock.now()]);
  }
}

/** An item that is there stays. The node may have to be added, too. */
export function addItem(
  intake: Intake,
  name: string,
  id: string,
  payload: string,
  known: { readonly cn?: number | undefined; readonly at?: number | undefined; readonly publisher: string },
): void {
  const { partition, account, env, mode } = intake;
  const cn = known.cn !== undefined && mode !== 'merge' ? known.cn : intake.number();
  intake.took(cn);
  const at = known.at ?? env.clock.now();
  intake.write(rows.addItem, [partition, account, name, id, cn, known.publisher, at, payload]);
}

/** A node with such a configuration, unless there is one. */
export function addNode(intake: Intake, name: string, settings: Partial<typeof defaults.pep>): void {
  const config = configText({ ...defaults.pep, ...settings }, 'pep');
  intake.write(rows.addNode, [intake.partition, intake.account, name, config, intake.env.clock.now()]);
}

function ownNumber({ attrs }: Element, name: string): number | undefined {
  const text = attrs[`{${OWN}}${name}`] ?? '';
  return /^[1-9]\d{0,15}$/.test(text) && Number.isSafeInteger(Number(text)) ? Number(text) : undefined;
}
