import { fixed } from '../base/fixed.ts';
import { groupchatField, idOf, queryForm, readFilter, type Filter } from '../xmpp/archiveform.ts';
import { formatDate } from '../xmpp/datetime.ts';
import { el, type Element } from '../xmpp/element.ts';
import { StanzaError } from '../xmpp/error.ts';
import { fin, metadata as endsElement, rangeOf } from '../xmpp/mam.ts';
import { NS } from '../xmpp/namespaces.ts';
import { parsePage, type Page } from '../xmpp/rsm.ts';
import { attribute } from '../xmpp/serialise.ts';
import type { Account } from './account.ts';
import { countRange, endsOf, hasId, readIds, readRange, type Archived, type Read } from './archiverows.ts';
import type { Feature, Request } from './iq.ts';
import { waitForSpace } from './space.ts';

/**
 * The account's archive (XEP-0313, `urn:xmpp:mam:2` and its extended fields), for the account alone. It shows rows with
 * `shown = 1` up to the account's head, so nothing that was not committed and offered to its sessions.
 */
export const archive: Feature = {
  account: {
    [`set query ${NS.mam}`]: query,
    [`get query ${NS.mam}`]: () => el('query', NS.mam, {}, [queryForm()]),
    [`get metadata ${NS.mam}`]: metadata,
  },
  blind: {
    [`set query ${NS.mam}`]: forbid,
    [`get query ${NS.mam}`]: forbid,
    [`get metadata ${NS.mam}`]: forbid,
    [`get prefs ${NS.mam}`]: forbid,
    [`set prefs ${NS.mam}`]: forbid,
  },
  aside: [`set query ${NS.mam}`],
  accountFeatures: [NS.mam, NS.mamExtended, groupchatField],
};

/** How long a client may take, in ms, until it has acknowledged enough for the next message of a page. */
const patience = fixed.archiveWait.value;
/** Characters of a `queryid`, which comes back with every message. */
const queryidMax = fixed.queryid.value;

const running = new WeakMap<Account, number>();

/** XEP-0313 §8.1: whoever it is, and whether or not there is such an account. */
function forbid(): never {
  throw new StanzaError('forbidden', 'an archive is for its account');
}

async function query(request: Request): Promise<Element> {
  const { account, session, payload } = request;
  const queryid = payload.attrs['queryid'];
  if (queryid !== undefined && queryid.length > queryidMax)
    throw new StanzaError('bad-request', 'the queryid is too long');
  // §6.1.3: nodes are for archives of pubsub services.
  if (payload.attrs['node'] !== undefined) throw new StanzaError('item-not-found');
  const { page: most, queries } = session.partition.env.limits;
  const filter = readFilter(payload, most);
  const page = parsePage(payload, { usual: most, most });
  // XEP-0059 §2.6: positions by number would mean to count everything before.
  if (page.index !== undefined) throw new StanzaError('feature-not-implemented', 'pages go by id');
  const count = running.get(account) ?? 0;
  // A search for a rare address is 40 ms of the reader's time per 100,000 rows.
  if (count >= queries) throw new StanzaError('resource-constraint', 'too many archive queries');
  running.set(account, count + 1);
  try {
    return await answer(request, filter, page, queryid);
  } finally {
    running.set(account, running.get(account)! - 1);
  }
}

async function answer(
  { account, session, payload }: Request,
  filter: Filter,
  page: Page,
  queryid: string | undefined,
): Promise<Element> {
  const range = rangeOf(filter, page, account.head);
  const places = [page.after, page.before]
    .filter((id) => id !== undefined && id !== '')
    .map((id) => idOf(id!));
  // §4.1.3 and §4.3.2: never silently another place than the one that was named.
  for (const known of await Promise.all([...filter.known, ...places].map((id) => hasId(account, id))))
    if (!known) throw new StanzaError('item-not-found', 'the archive has no such message');

  if (page.max === 0 && filter.ids === undefined) {
    // XEP-0059 §2.7: only the number is wanted, and told where it is cheap to know.
    const count = await countRange(account, filter, range);
    return fin(count === 0, [], { count });
  }
  const read =
    filter.ids === undefined
      ? await readRange(account, filter, range, page.max)
      : await pick(filter, filter.ids);
  // §4.2: in order, whichever end the page was read from.
  const rows = range.backwards ? read.rows.toReversed() : read.rows;
  // §4.3.4: the same page, sent the other way round.
  const flipped = payload.child('flip-page') !== undefined;
  for (const row of flipped ? rows.toReversed() : rows) {
    // oxlint-disable-next-line no-await-in-loop -- held back while the client owes acknowledgements (DESIGN §5)
    if (!(await waitForSpace(session, patience)))
      throw new StanzaError('resource-constraint', 'the results were not acknowledged');
    session.send(result(row, account.address, session.full, queryid));
  }
  const whole = !read.more && places.length === 0;
  return fin(
    !read.more,
    rows.map(({ id }) => id),
    whole ? { count: rows.length, index: 0 } : {},
  );

  async function pick(asked: Filter, ids: readonly number[]): Promise<Read> {
    const found = await readIds(account, asked, ids);
    if (found === undefined) throw new StanzaError('item-not-found', 'the archive has no such message');
    const inside = found.filter(({ id }) => id > range.above && id < range.below);
    const ordered = range.backwards ? inside.toReversed() : inside;
    return { rows: ordered.slice(0, page.max), more: ordered.length > page.max };
  }
}

/** One result (§4.2); the archived stanza goes in as it is stored. */
function result(row: Archived, address: string, to: string, queryid: string | undefined): string {
  const asked = queryid === undefined ? '' : ` queryid="${attribute(queryid)}"`;
  return (
    `<message from="${attribute(address)}" to="${attribute(to)}"><result xmlns="${NS.mam}"${asked} id="${row.id}">` +
    `<forwarded xmlns="${NS.forward}"><delay xmlns="${NS.delay}" stamp="${stampOf(row.id)}"/>` +
    `${row.xml.replace('<message', `<message xmlns="${NS.client}"`)}</forwarded></result></message>`
  );
}

/** The time in an archive id: when this account sent or received the message (§3). */
function stampOf(id: number): string {
  return formatDate(Math.floor(id / 1000));
}

function metadata({ account }: Request): Promise<Element> {
  return metadataOf(account);
}

/** The ends of the archive (§5). */
export async function metadataOf(account: Account): Promise<Element> {
  const ends = await endsOf(account);
  return endsElement(ends?.map((id) => ({ id, stamp: stampOf(id) })));
}
