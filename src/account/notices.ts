import type { Clock } from '../base/clock.ts';
import { fixed } from '../base/fixed.ts';
import type { Log } from '../base/log.ts';
import { domainOf } from '../placement/placement.ts';
import { sql, type Op, type Store } from '../store/store.ts';
import { el } from '../xmpp/element.ts';
import { Jid } from '../xmpp/jid.ts';
import { NS } from '../xmpp/namespaces.ts';
import { serialise } from '../xmpp/serialise.ts';
import type { Account } from './account.ts';
import type { NoticeName } from './administering.ts';
import { accountRows } from './accountrows.ts';
import { storeRow } from './append.ts';
import { isShown } from './archiving.ts';
import { copied, incoming } from './rows.ts';
import { Work } from './work.ts';

/** What is told to people when they come (XEP-0133 §4.24 and §4.27). */
export interface Notice {
  readonly domain: string;
  readonly name: NoticeName;
  /** When it was set, in microseconds: who was told of a later one, or of this one, is told of none. */
  readonly id: number;
  readonly text: string;
}

const rows = {
  all: sql`select domain, name, id, words as text from notice`,
  put: sql`insert into notice (partition, domain, name, id, words) values ($1, $2, $3, $4, $5)
    on conflict (partition, domain, name) do update set id = excluded.id, words = excluded.words`,
  remove: sql`delete from notice where partition = $1 and domain = $2 and name = $3`,
  created: sql`select created from account where partition = $1 and id = $2`,
};

/** The notices of all domains, in the memory of each server: read when they change, and now and then. */
export class Notices {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #log: Log;
  #all: readonly Notice[] = [];
  #read = -Infinity;
  #reading: Promise<void> | undefined;

  constructor({ store, clock, log }: { readonly store: Store; readonly clock: Clock; readonly log: Log }) {
    this.#store = store;
    this.#clock = clock;
    this.#log = log;
  }

  get(domain: string, name: NoticeName): Notice | undefined {
    return this.#all.find((notice) => notice.domain === domain && notice.name === name);
  }

  /** Nobody is told anything: that costs nothing. */
  get none(): boolean {
    if (this.#clock.mono() > this.#read + fixed.noticesRead.value) void this.refresh();
    return this.#all.length === 0;
  }

  /** Reads them again. Never rejects. */
  refresh(): Promise<void> {
    this.#read = this.#clock.mono();
    this.#reading ??= this.#store
      .query<Notice>(rows.all, [])
      .then(
        (all) => void (this.#all = all),
        (error: unknown) => this.#log.warn({ err: error }, 'notices could not be read'),
      )
      .finally(() => (this.#reading = undefined));
    return this.#reading;
  }

  put(partition: number, { domain, name, id, text }: Notice): Op {
    return { statement: rows.put, params: [partition, domain, name, id, text] };
  }

  remove(partition: number, domain: string, name: NoticeName): Op {
    return { statement: rows.remove, params: [partition, domain, name] };
  }
}

/** Somebody became available, or a notice is new: what they have not been told, they are told, once. As an effect. */
export function tellNotices(account: Account): void {
  const { notices } = account.partition.env;
  if (notices === undefined || notices.none) return;
  const domain = domainOf(account.address);
  const welcome = notices.get(domain, 'welcome');
  const motd = notices.get(domain, 'motd');
  const newest = Math.max(motd?.id ?? 0, account.noticed === 0 ? (welcome?.id ?? 0) : 0);
  if (newest > account.noticed) account.mailbox.run(() => tell(account, welcome, motd));
}

async function tell(account: Account, welcome: Notice | undefined, motd: Notice | undefined): Promise<void> {
  const { partition } = account;
  const { store, clock } = partition.env;
  const due: { notice: Notice; subject: string }[] = [];
  if (welcome !== undefined && account.noticed === 0) {
    const [row] = await store.query<{ created: number }>(rows.created, [partition.id, account.id]);
    // Who was here before is no newcomer.
    if (row !== undefined && row.created * 1000 >= welcome.id)
      due.push({ notice: welcome, subject: 'Welcome' });
  }
  if (motd !== undefined && motd.id > account.noticed)
    due.push({ notice: motd, subject: 'Message of the Day' });
  const told = Math.max(motd?.id ?? 0, account.noticed === 0 ? (welcome?.id ?? 0) : 0);
  if (told <= account.noticed) return;
  const noticed = Math.max(told, clock.now() * 1000);
  const from = Jid.parse(domainOf(account.address))!;
  const shown = (await isShown(account, from)) ? 1 : 0;
  const work = new Work(account);
  work.step(() => {
    account.noticed = noticed;
    work.write(accountRows.noticed, [partition.id, account.id, noticed]);
  });
  for (const [k, { notice, subject }] of due.entries()) {
    const { domain, text } = notice;
    const xml = serialise(noticeOf(domain, account.address, subject, text));
    const origin = { source: account.id, n: noticed, k };
    const content = { direction: incoming, kind: copied, peer: domain, target: '', session: 0, shown };
    storeRow(work, account, { ...content, sent: clock.now(), xml }, origin, { pending: true, posted: false });
  }
  work.commit();
}

/** A message of the service. */
export function noticeOf(domain: string, to: string, subject: string, text: string) {
  return el('message', NS.client, { from: domain, to, type: 'normal' }, [
    el('subject', NS.client, {}, [subject]),
    el('body', NS.client, {}, [text]),
  ]);
}
