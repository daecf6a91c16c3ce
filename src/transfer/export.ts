import { Failure } from '../base/failure.ts';
import { fixed } from '../base/fixed.ts';
import { byAdministrator, type Directory, type Entry } from '../directory/directory.ts';
import { domainOf, type PartitionOf } from '../placement/placement.ts';
import { sql, type Store } from '../store/store.ts';
import { NS } from '../xmpp/namespaces.ts';
import { attribute } from '../xmpp/serialise.ts';
import { parts } from './parts.ts';
import { floorOf } from './roster.ts';
import { OWN } from './shapes.ts';
import type { Reader, Source } from './source.ts';

/** What an export tells: whose text follows, the text of `<user/>` in pieces, its end; and the end of all exactly once. */
export type ExportEvent =
  | { readonly event: 'account'; readonly address: string }
  | { readonly event: 'text'; readonly text: string }
  | { readonly event: 'end' }
  | { readonly event: 'done'; readonly accounts: number };

export interface Exported {
  readonly store: Store;
  readonly directory: Pick<Directory, 'list'>;
  readonly partitionOf: PartitionOf;
}

const rows = { admin: sql`select admin from account where partition = $1 and id = $2` };

/** Characters of one `text`, about. */
const piece = 65_536;

/**
 * One account (`alice@example.org`) or all of a domain, in the order of their addresses: what the store has committed,
 * read in pages, so that an archive of any length needs no memory and nobody waits. Throws `account-missing`.
 */
export async function* exportAccounts(
  over: Exported,
  what: string,
  reader: Reader,
): AsyncGenerator<ExportEvent> {
  let accounts = 0;
  for await (const { entry, head, rest } of started(over, what, reader)) {
    yield { event: 'account', address: entry.address };
    yield { event: 'text', text: head };
    let text = '';
    for await (const some of rest) {
      text += some;
      if (text.length < piece) continue;
      yield { event: 'text', text };
      text = '';
    }
    if (text !== '') yield { event: 'text', text };
    yield { event: 'end' };
    accounts++;
  }
  yield { event: 'done', accounts };
}

/** An account whose text has begun to be read; most are read whole then. */
interface Started {
  readonly entry: Entry;
  readonly head: string;
  readonly rest: AsyncGenerator<string>;
}

/** Accounts that are begun while those before them are told: a store takes its time, and several questions at once. */
const ahead = 8;

async function* started(over: Exported, what: string, reader: Reader): AsyncGenerator<Started> {
  const queue: Promise<Started>[] = [];
  for await (const entry of entries(over, what)) {
    const next = start(entry, user(over, entry, reader));
    next.catch(() => {}); // told when its turn comes
    queue.push(next);
    if (queue.length >= ahead) yield await queue.shift()!;
  }
  // oxlint-disable-next-line no-await-in-loop -- in their order
  while (queue.length > 0) yield await queue.shift()!;
}

async function start(entry: Entry, rest: AsyncGenerator<string>): Promise<Started> {
  let head = '';
  while (head.length < piece) {
    // oxlint-disable-next-line no-await-in-loop -- one piece after the other
    const { done, value } = await rest.next();
    if (done === true) break;
    head += value;
  }
  return { entry, head, rest };
}

async function* entries({ directory }: Exported, what: string): AsyncGenerator<Entry> {
  const { value: limit } = fixed.listing;
  if (what.includes('@')) {
    // The one at or behind the greatest text below it.
    const below = `${what.slice(0, -1)}${String.fromCharCode(what.charCodeAt(what.length - 1) - 1)}\uffff`;
    const found = (await directory.list(below, limit)).find(({ address }) => address === what);
    if (found === undefined) throw new Failure('account-missing', 'there is no such account');
    yield found;
    return;
  }
  for (let after = ''; ;) {
    // oxlint-disable-next-line no-await-in-loop -- each page begins behind the one before it
    const page = await directory.list(after, limit);
    for (const entry of page) if (domainOf(entry.address) === what) yield entry;
    if (page.length < limit) return;
    after = page.at(-1)!.address;
  }
}

async function* user({ store, partitionOf }: Exported, entry: Entry, reader: Reader): AsyncGenerator<string> {
  const { id: account, address, created, closed } = entry;
  const partition = partitionOf(address);
  if (partition === undefined) throw new Failure('account-domain', 'that domain is not served here');
  const source: Source = { store, partition, account, address, reader };
  const [row] = await store.query<{ admin: number }>(rows.admin, [partition, account]);
  const floor = await floorOf(source);
  const own =
    ` m:created="${created}" m:floor="${floor}"` +
    ((closed & byAdministrator) === 0 ? '' : ' m:disabled="1"') +
    (row?.admin === 1 ? ' m:admin="1"' : '');
  const name = address.slice(0, address.indexOf('@'));
  yield `<user xmlns="${NS.pie}" xmlns:m="${OWN}" name="${attribute(name)}"${own}>`;
  for (const part of Object.values(parts)) if (part.give !== undefined) yield* part.give(source);
  yield '</user>\n';
}
