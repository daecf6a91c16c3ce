import { hash } from 'node:crypto';
import { fixed } from '../base/fixed.ts';
import {
  copied,
  incoming,
  messageRows,
  outgoing,
  rowParams,
  uncopied,
  type Origin,
  type Row,
} from '../account/rows.ts';
import { mayBeCopied } from '../account/storing.ts';
import { stamped } from '../account/view.ts';
import { sql } from '../store/store.ts';
import { formatDate, parseDate } from '../xmpp/datetime.ts';
import type { Element } from '../xmpp/element.ts';
import { Jid } from '../xmpp/jid.ts';
import { NS } from '../xmpp/namespaces.ts';
import { serialise } from '../xmpp/serialise.ts';
import type { Arrived, Intake } from './intake.ts';
import type { Part } from './parts.ts';
import { ARCHIVE, OWN } from './shapes.ts';
import type { Source } from './source.ts';

/** Messages that nobody has received yet (XEP-0227 §4.5). One that the archive shows, too, is one and the same row. */
export const offline: Part = {
  give: giveOffline,
  take: (intake, pieces) => takeAll(intake, pieces, waiting),
};
/** The archive (XEP-0227 §4.11). */
export const archive: Part = { give: giveArchive, take: (intake, pieces) => takeAll(intake, pieces, result) };

const rows = {
  shown: sql`select id, source, n, k, xml from message
    where partition = $1 and account = $2 and id > $3 and shown = 1 and xml <> '' and kind in (0, 3)
    order by id limit $4`,
  pending: sql`select id, source, n, k, shown, sent, xml from message
    where partition = $1 and account = $2 and id > $3 and pending = 1 and xml <> '' and kind in (0, 3)
    order by id limit $4`,
  taken: sql`select id, source, n, k from message
    where partition = $1 and account = $2 and id >= $3 and id <= $4 order by id limit $5`,
  wait: sql`update message set pending = 1 where partition = $1 and account = $2 and id = $3`,
};

interface Stored {
  readonly id: number;
  readonly source: number;
  readonly n: number;
  readonly k: number;
  readonly xml: string;
}

/** Rows of one read. */
const page = 100;

// ── writing ─────────────────────────────────────────────────────────────────────────────────────────────────────────

async function* pages<R extends Stored>(
  { store, partition, account }: Source,
  statement: (typeof rows)[keyof typeof rows],
): AsyncGenerator<R> {
  for (let after = 0; ;) {
    // oxlint-disable-next-line no-await-in-loop -- each page begins behind the one before it
    const found = await store.query<R>(statement, [partition, account, after, page]);
    yield* found;
    if (found.length < page) return;
    after = found.at(-1)!.id;
  }
}

async function* giveOffline(source: Source): AsyncGenerator<string> {
  let open = false;
  for await (const row of pages<Stored & { shown: number; sent: number }>(source, rows.pending)) {
    if (!open) yield '<offline-messages>';
    open = true;
    const text = stamped(row, source.address, true);
    yield `<message xmlns="${NS.client}"${own(row)}${text.slice('<message'.length)}`;
  }
  if (open) yield '</offline-messages>';
}

async function* giveArchive(source: Source): AsyncGenerator<string> {
  let open = false;
  for await (const row of pages(source, rows.shown)) {
    if (!open) yield `<archive xmlns="${ARCHIVE}">`;
    open = true;
    yield (
      `<result xmlns="${NS.mam}" id="${row.id}"${own(row)}><forwarded xmlns="${NS.forward}">` +
        `<delay xmlns="${NS.delay}" stamp="${formatDate(Math.floor(row.id / 1000))}"/>` +
        `<message xmlns="${NS.client}"${row.xml.slice('<message'.length)}</forwarded></result>`
    );
  }
  if (open) yield '</archive>';
}

/** Its origin, so that what is still on its way to it is known to have come. */
function own({ source, n, k }: Stored): string {
  return ` xmlns:m="${OWN}" m:origin="${source} ${n} ${k}"`;
}

// ── reading ─────────────────────────────────────────────────────────────────────────────────────────────────────────

/** What a piece says of its message. */
interface Said {
  readonly message: Element;
  /** Its place in the archive, where it names one that can be ours (microseconds). */
  readonly id: number | undefined;
  /** Milliseconds since the epoch. */
  readonly sent: number;
  readonly shown: boolean;
  readonly pending: boolean;
  readonly origin: Origin | undefined;
  /** Tells it from another one with the same words at the same time. */
  readonly mark: string;
}

type Reading = (intake: Intake, element: Element) => Said | undefined;

function result(intake: Intake, element: Element): Said | undefined {
  const forwarded = element.child('forwarded', NS.forward);
  const message = forwarded?.child('message', NS.client);
  const sent = parseDate(forwarded?.child('delay', NS.delay)?.attrs['stamp'] ?? '');
  if (message === undefined || sent === undefined) return undefined;
  const mark = element.attrs['id'] ?? '';
  const origin = originIn(element);
  return { message, id: idOf(intake, mark), sent, shown: true, pending: false, origin, mark };
}

function waiting(intake: Intake, message: Element): Said | undefined {
  const ids = message.elements('stanza-id', NS.sid);
  const mark = ids.find(({ attrs }) => attrs['by'] === intake.address)?.attrs['id'] ?? '';
  const stamps = message.elements('delay', NS.delay).map(({ attrs }) => parseDate(attrs['stamp'] ?? ''));
  const sent = stamps.find((stamp) => stamp !== undefined) ?? intake.env.clock.now();
  const id = idOf(intake, mark);
  return { message, id, sent, shown: id !== undefined, pending: true, origin: originIn(message), mark };
}

/** Ids of others that are microseconds, as ejabberd's, stay what they are. */
function idOf(intake: Intake, text: string): number | undefined {
  const id = /^\d{16}$/.test(text) ? Number(text) : undefined;
  return id !== undefined && id >= 1e15 && id <= (intake.env.clock.now() + day) * 1000 ? id : undefined;
}

const day = 86_400_000;

function originIn({ attrs }: Element): Origin | undefined {
  const found = /^(\d{1,16}) (\d{1,16}) (\d{1,16})$/.exec(attrs[`{${OWN}}origin`] ?? '');
  if (found === null) return undefined;
  const [source, n, k] = found.slice(1).map(Number) as [number, number, number];
  return [source, n, k].every(Number.isSafeInteger) ? { source, n, k } : undefined;
}

async function takeAll(intake: Intake, pieces: readonly Arrived[], reading: Reading): Promise<void> {
  const all: { line: number; said: Said; origin: Origin }[] = [];
  for (const { line, element } of pieces) {
    const said = reading(intake, element);
    if (said === undefined) intake.skip(line, 'a message without its time or text is left out');
    else all.push({ line, said, origin: said.origin ?? originOf(intake, said) });
  }
  if (all.length === 0) return;
  const places = all.map(({ said }) => said.id ?? said.sent * 1000);
  const taken = await idsBetween(intake, Math.min(...places), Math.max(...places) + slack);
  for (const { line, said, origin } of all) {
    const row = rowOf(intake, said);
    if (row === undefined) {
      intake.skip(line, 'a message without usable addresses is left out');
      continue;
    }
    const id = place(intake, said, origin, taken);
    const flags = { pending: said.pending, posted: true };
    // Twice the same: this id, or this origin, is there.
    intake.write(messageRows.add, rowParams(intake.partition, intake.account, { ...row, id }, origin, flags));
    intake.took(id);
    if (!said.pending || said.id === undefined || intake.mode === 'merge' || id <= intake.watermark) continue;
    // The archive may have brought it before.
    intake.write(rows.wait, [intake.partition, intake.account, id]);
  }
}

/** Room for messages that say the same moment. */
const slack = 10_000;

/**
 * Where it goes: its own id; else the next free one from its time on, in the order of the file. What waits must lie above
 * everything that was received.
 */
function place(intake: Intake, said: Said, origin: Origin, taken: Map<number, string>): number {
  const name = nameOf(origin);
  const own = said.id ?? said.sent * 1000;
  if (said.pending && own <= intake.watermark && taken.get(own) !== name) return intake.number();
  if (said.id !== undefined && (taken.get(own) ?? name) === name) {
    taken.set(own, name);
    return own;
  }
  let id = Math.max(own, (latest.get(intake) ?? 0) + 1);
  while ((taken.get(id) ?? name) !== name) id++;
  taken.set(id, name);
  if (id < own + slack) latest.set(intake, id);
  return id;
}

const latest = new WeakMap<Intake, number>();

async function idsBetween(intake: Intake, from: number, to: number): Promise<Map<number, string>> {
  const found = new Map<number, string>();
  const { store, partition, account } = intake;
  for (let first = from; ;) {
    // oxlint-disable-next-line no-await-in-loop -- each page begins behind the one before it
    const some = await store.query<Omit<Stored, 'xml'>>(rows.taken, [
      partition,
      account,
      first,
      to,
      fixed.listing.value,
    ]);
    for (const row of some) found.set(row.id, nameOf(row));
    if (some.length < fixed.listing.value) return found;
    first = some.at(-1)!.id + 1;
  }
}

function nameOf({ source, n, k }: Origin): string {
  return `${source} ${n} ${k}`;
}

/** Of a message from elsewhere: made of what it is, so that it is the same the next time. */
function originOf(intake: Intake, { message, id, sent, mark }: Said): Origin {
  if (id !== undefined) return { source: intake.account, n: id, k: 0 };
  const digest = hash('sha256', `${mark}\0${serialise(message)}`, 'hex');
  return { source: intake.account, n: sent, k: 1 + Number.parseInt(digest.slice(0, 12), 16) };
}

function rowOf(intake: Intake, { message, sent, shown }: Said): Omit<Row, 'id'> | undefined {
  const { attrs } = message;
  const from = Jid.parse(attrs['from'] ?? intake.address);
  const to = Jid.parse(attrs['to'] ?? intake.address);
  if (from === undefined || to === undefined) return undefined;
  const direction = from.bare === intake.address ? outgoing : incoming;
  // A message to somebody else from somebody else is not this account's.
  if (direction === incoming && to.bare !== intake.address) return undefined;
  const clean = message.withChildren(
    message.children.filter((child) => typeof child === 'string' || !isOurs(intake, child)),
  );
  return {
    direction,
    kind: mayBeCopied(message, direction === incoming) ? copied : uncopied,
    peer: direction === outgoing ? to.bare : from.bare,
    target: '',
    session: 0,
    shown: shown ? 1 : 0,
    sent,
    xml: serialise(clean.with({ from: from.full, to: to.full, [`{${OWN}}origin`]: undefined })),
  };
}

/** What the server that had it wrote into it, and this one writes anew. */
function isOurs(intake: Intake, child: Element): boolean {
  const { by, from } = child.attrs;
  if (child.is('stanza-id', NS.sid) || child.is('archived', archived)) return by === intake.address;
  return (
    child.is('delay', NS.delay) &&
    (from === undefined || from === intake.jid.domain || from === intake.address)
  );
}

/** Of XEP-0313 before 2017, which ejabberd still writes. */
const archived = 'urn:xmpp:mam:tmp';
