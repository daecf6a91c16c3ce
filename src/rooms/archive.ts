import { Failure } from '../base/failure.ts';
import { fixed } from '../base/fixed.ts';
import { groupchatField, idOf, queryForm, readFilter, type Filter } from '../xmpp/archiveform.ts';
import { formatDate } from '../xmpp/datetime.ts';
import { el, type Element } from '../xmpp/element.ts';
import { StanzaError } from '../xmpp/error.ts';
import { Jid } from '../xmpp/jid.ts';
import { fin, metadata, rangeOf } from '../xmpp/mam.ts';
import { NS } from '../xmpp/namespaces.ts';
import { parseStored } from '../xmpp/parser.ts';
import { parsePage, type Page } from '../xmpp/rsm.ts';
import { countRange, hasId, placeOf, readIds, readRange, type Read, type Whose } from './archiverows.ts';
import type { Feature, Request } from './iq.ts';
import type { Partition } from './partition.ts';
import type { Room } from './room.ts';
import type { MessageRow } from './rows.ts';
import { rankOf } from './standing.ts';

/** The room's archive (XEP-0313 §6.1.2): each message once, for who may enter. A message's id is its position. */
export const archive: Feature = {
  room: {
    [`set query ${NS.mam}`]: query,
    [`get query ${NS.mam}`]: (request) => {
      mayRead(request);
      return el('query', NS.mam, {}, [queryForm()]);
    },
    [`get metadata ${NS.mam}`]: ends,
  },
  aside: [`set query ${NS.mam}`, `get metadata ${NS.mam}`],
  // XEP-0359 §4: nobody else can give the ids that bear the room's name.
  roomFeatures: [NS.mam, NS.mamExtended, groupchatField, NS.sid],
  serviceFeatures: [NS.sid],
};

/** Queries under way in a partition, by who asks. */
const running = new WeakMap<Partition, Map<string, number>>();

/** §6.1.2: whoever may enter at this time; where there is a password, who is known or in. */
function mayRead({ room, from, occupant }: Request): void {
  const { config } = room;
  const rank = rankOf[room.affiliation(from)];
  if (rank >= rankOf.member) return;
  if (rank < rankOf.none) throw new StanzaError('forbidden', 'you are banned from this room');
  if (config.membersOnly) throw new StanzaError('forbidden', 'this archive is for members of the room');
  if (config.password !== '' && occupant === undefined)
    throw new StanzaError('forbidden', 'this archive is for who is in');
}

async function query(request: Request): Promise<Element> {
  const { room, from, payload } = request;
  mayRead(request);
  const { queryid, node } = payload.attrs;
  if (queryid !== undefined && queryid.length > fixed.queryid.value)
    throw new StanzaError('bad-request', 'the queryid is too long');
  // §6.1.3: nodes are for archives of pubsub services.
  if (node !== undefined) throw new StanzaError('item-not-found');
  const { page: most, queries } = room.partition.env.limits;
  const filter = readFilter(payload, most);
  const page = parsePage(payload, { usual: most, most });
  // XEP-0059 §2.6: positions by number would mean to count everything before.
  if (page.index !== undefined) throw new StanzaError('feature-not-implemented', 'pages go by id');
  let asking = running.get(room.partition);
  if (asking === undefined) running.set(room.partition, (asking = new Map()));
  const mine = asking.get(from.bare) ?? 0;
  // A search for what one person said goes through all of a room.
  if (mine >= queries) throw new StanzaError('resource-constraint', 'too many archive queries');
  asking.set(from.bare, mine + 1);
  try {
    return await room.partition.queries.run(() => answer(request, filter, page, queryid));
  } catch (error) {
    if (error instanceof Failure && error.code === 'overloaded')
      throw new StanzaError('resource-constraint', 'too many archive queries');
    throw error;
  } finally {
    const left = asking.get(from.bare)! - 1;
    if (left === 0) asking.delete(from.bare);
    else asking.set(from.bare, left);
  }
}

async function answer(
  request: Request,
  filter: Filter,
  page: Page,
  queryid: string | undefined,
): Promise<Element> {
  const { room, from, payload } = request;
  const whose = whoseOf(request, filter);
  const head = room.pos;
  // What is shown is stored, and whoever is in was told.
  await room.partition.settled(room);
  const range = rangeOf(await byPosition(room, filter), page, head);
  const places = [page.after, page.before]
    .filter((id) => id !== undefined && id !== '')
    .map((id) => idOf(id!));
  // §4.1.3 and §4.3.2: never silently another place than the one that was named.
  for (const known of await Promise.all([...filter.known, ...places].map((id) => hasId(room, id))))
    if (!known) throw new StanzaError('item-not-found', 'the archive has no such message');
  if (page.max === 0 && filter.ids === undefined) {
    // XEP-0059 §2.7: only the number is wanted, and told where it is cheap to know.
    const count = whose === undefined ? await countRange(room, range) : undefined;
    return fin(count === 0, [], { count });
  }
  const read =
    filter.ids === undefined ? await readRange(room, whose, range, page.max) : await pick(filter.ids);
  // §4.2: in order, whichever end the page was read from.
  const rows = range.backwards ? read.rows.toReversed() : read.rows;
  // §4.3.4: the same page, sent the other way round.
  const flipped = payload.child('flip-page') !== undefined;
  const sees = seesAddresses(request);
  for (const row of flipped ? rows.toReversed() : rows)
    room.partition.send(from, resultOf(room, row, from, queryid, sees));
  const whole = !read.more && places.length === 0;
  return fin(
    !read.more,
    rows.map(({ pos }) => pos),
    whole ? { count: rows.length, index: 0 } : {},
  );

  async function pick(ids: readonly number[]): Promise<Read> {
    const found = await readIds(room, ids);
    if (found === undefined) throw new StanzaError('item-not-found', 'the archive has no such message');
    const inside = found.filter((row) => row.pos > range.above && row.pos < range.below && isOf(row, whose));
    const ordered = range.backwards ? inside.toReversed() : inside;
    return { rows: ordered.slice(0, page.max), more: ordered.length > page.max };
  }
}

/** Points of time as positions. */
async function byPosition(room: Room, filter: Filter): Promise<Filter> {
  const { after, before, start, end } = filter;
  const [above, below] = await Promise.all([
    start === undefined ? 0 : placeOf(room, start),
    end === undefined ? Infinity : placeOf(room, end + 1).then((place) => place + 1),
  ]);
  return { ...filter, above: Math.max(above, after ?? 0), below: Math.min(below, before ?? Infinity) };
}

/** §4.1.1: `with` is an occupant's address, or a real one for who may see those; the room itself stands for everybody. */
function whoseOf(request: Request, { peer, full }: Filter): Whose {
  const { room, from } = request;
  if (peer === undefined) return undefined;
  const jid = Jid.parse(full ?? peer)!;
  if (jid.bare === room.address) return jid.resource === '' ? undefined : { nick: jid.resource };
  if (jid.bare !== from.bare && !seesAddresses(request))
    throw new StanzaError('forbidden', 'who goes by which nickname is for moderators to know');
  return { jid: jid.full };
}

function isOf(row: MessageRow, whose: Whose): boolean {
  if (whose === undefined) return true;
  if ('nick' in whose) return row.nick === whose.nick;
  return row.jid === whose.jid || row.jid.startsWith(`${whose.jid}/`);
}

/** XEP-0045 §7.2.3 and §14.5; who is away sees them by its affiliation. */
function seesAddresses({ room, from, occupant }: Request): boolean {
  if (room.config.whois === 'anyone' || occupant?.role === 'moderator') return true;
  return rankOf[room.affiliation(from)] >= rankOf.admin;
}

/** One result (§4.2, §6.1.2): without `to`, and with who said it for who may know. */
function resultOf(room: Room, row: MessageRow, to: Jid, queryid: string | undefined, sees: boolean): Element {
  const stored = parseStored(`<message${row.xml}`);
  const message =
    sees && row.nick !== '' ? stored.withChildren([...stored.children, itemOf(room, row)]) : stored;
  const delay = el('delay', NS.delay, { stamp: formatDate(row.sent) });
  return el('message', NS.client, { from: room.address, to: to.full }, [
    el('result', NS.mam, { queryid, id: String(row.pos) }, [
      el('forwarded', NS.forward, {}, [delay, message]),
    ]),
  ]);
}

function itemOf(room: Room, { jid }: MessageRow): Element {
  const role = room.occupants.get(jid)?.role ?? 'none';
  const affiliation = room.affiliation(Jid.parse(jid)!);
  return el('x', NS.mucUser, {}, [el('item', NS.mucUser, { affiliation, jid, role })]);
}

/** §5. */
async function ends(request: Request): Promise<Element> {
  const { room } = request;
  mayRead(request);
  await room.partition.settled(room);
  const range = { above: 0, below: room.pos + 1 };
  const [oldest, newest] = await Promise.all(
    [false, true].map((backwards) => readRange(room, undefined, { ...range, backwards }, 1)),
  );
  const found = [oldest?.rows[0], newest?.rows[0]].flatMap((row) =>
    row === undefined ? [] : [{ id: row.pos, stamp: formatDate(row.sent) }],
  );
  return metadata(found);
}
