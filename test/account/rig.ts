import { Refresher } from '../../src/account/refresher.ts';
import { Gate } from '../../src/base/gate.ts';
import { Bucket } from '../../src/base/bucket.ts';
import { openModel, type Model } from '../../sim/store.ts';
import type { Account } from '../../src/account/account.ts';
import { receiveDurable, receivePassing } from '../../src/account/arrive.ts';
import { endSession } from '../../src/account/end.ts';
import type { Env } from '../../src/account/env.ts';
import { receiveStanza } from '../../src/account/inbound.ts';
import { Partition } from '../../src/account/partition.ts';
import { rosterOf } from '../../src/account/roster.ts';
import { subscription, type Kind, type Origin } from '../../src/account/rows.ts';
import { Session } from '../../src/account/session.ts';
import { sessionRows } from '../../src/account/sessionrows.ts';
import { sendVisit } from '../../src/account/visit.ts';
import { Work } from '../../src/account/work.ts';
import { systemClock, type Clock } from '../../src/base/clock.ts';
import { defaultLimits, type Limits } from '../../src/base/limits.ts';
import { quiet } from '../../src/base/log.ts';
import { systemRandom } from '../../src/base/random.ts';
import type { Letter } from '../../src/post/post.ts';
import { openLane, type Lane } from '../../src/store/lane.ts';
import { sql } from '../../src/store/store.ts';
import type { Volume } from '../../src/store/volume.ts';
import type { Element } from '../../src/xmpp/element.ts';
import { Jid } from '../../src/xmpp/jid.ts';
import { parseStored } from '../../src/xmpp/parser.ts';
import { textOf } from '../../src/xmpp/serialise.ts';

const addAccount = sql`insert into account (partition, id, local, address, created, disabled, watermark, roster_ver)
  values ($1, $2, $3, $4, 0, 0, 0, 0)`;
/** Fails: a message has a text. */
export const faulty = sql`insert into message
  (partition, account, id, source, n, k, direction, kind, peer, shown, pending, sent, posted, xml)
  values ($1, 0, 0, 0, 0, 0, 0, 0, '', 0, 0, 0, 0, null)`;

/** A client: what it sends and everything it was sent. */
export class Client {
  readonly rig: Rig;
  readonly session: Session;
  readonly inbox: string[] = [];
  #ids = 0;

  constructor(rig: Rig, session: Session) {
    this.rig = rig;
    this.session = session;
  }

  send(xml: string): void {
    const { session } = this;
    const stanza = parseStored(xml);
    session.account.mailbox.run(() => receiveStanza(session, session.handled + 1, stanza));
  }

  /** Sends, and waits until everything that comes of it has come. */
  async says(xml: string): Promise<string[]> {
    const from = this.inbox.length;
    this.send(xml);
    await this.rig.still();
    return this.inbox.slice(from);
  }

  async asks(type: 'get' | 'set', payload: string): Promise<string[]> {
    return this.says(`<iq type="${type}" id="q${++this.#ids}">${payload}</iq>`);
  }

  /** What came since the last call. */
  take(): string[] {
    return this.inbox.splice(0);
  }
}

/**
 * One partition over the real lane and a database in memory; `near.example` lives in another one of this lane,
 * `far.example` elsewhere.
 */
export class Rig {
  readonly model: Model;
  readonly limits: Limits;
  readonly letters: Letter[] = [];
  readonly passed: string[] = [];
  partition!: Partition;
  near!: Partition;
  lane!: Lane;
  volume!: Volume;
  #clients = new Map<number, Client>();
  #queries = 0;
  #ids = 1000;

  /** What accounts call time. */
  readonly clock: Clock;

  constructor(limits: Partial<Limits>, clock: Clock = systemClock) {
    this.clock = clock;
    this.limits = { ...defaultLimits, ...limits };
    this.model = openModel({ clock: systemClock, random: systemRandom, plan: { delay: [0, 0] } });
  }

  static async open(
    limits: Partial<Limits> = {},
    people = ['alice', 'bob', 'carol'],
    clock: Clock = systemClock,
  ): Promise<Rig> {
    const rig = new Rig(limits, clock);
    await rig.start();
    let id = 0;
    for (const local of people) {
      await rig.add(rig.partition, ++id, local, `${local}@example.org`);
    }
    return rig;
  }

  /** Makes an account. */
  add(partition: Partition, id: number, local: string, address: string): Promise<void> {
    const ops = [{ statement: addAccount, params: [partition.id, id, local, address] }];
    const { fences } = partition;
    return new Promise((resolve, reject) =>
      this.lane.submit({ ops, fences, done: () => resolve(), failed: reject }),
    );
  }

  /** A new owner, in the next epoch. */
  async start(): Promise<void> {
    this.volume = await this.model.open('one');
    const fence = await this.volume.claim('account/0');
    const beside = await this.volume.claim('account/1');
    this.lane = await openLane(this.volume, { clock: systemClock, log: quiet });
    const { volume } = this;
    const counted = {
      query: (async (statement, params) => {
        this.#queries += 1;
        try {
          return await volume.query(statement, params);
        } finally {
          this.#queries -= 1;
        }
      }) as Volume['query'],
    };
    const here = fence.partition;
    const env = {
      clock: this.clock,
      random: systemRandom,
      log: quiet,
      store: Object.assign(Object.create(volume) as Volume, counted),
      mesh: {
        self: 'one/1',
        send: (_to: string, _service: string, frame: { t: string; session: number; text: string }) => {
          if (frame.t === 'out') this.#clients.get(frame.session)?.inbox.push(frame.text);
        },
      },
      partitionOf: (address: string) =>
        ({
          'example.org': here,
          'pubsub.example.org': here,
          'near.example': beside.partition,
          'far.example': 99,
        })[address.slice(address.indexOf('@') + 1)],
      domains: new Set(['example.org']),
      hosts: new Map([['pubsub.example.org', 'pubsub']]),
      newId: () => ++this.#ids,
      limits: this.limits,
      count: () => undefined,
      muxes: { list: () => [], settled: () => true },
    } as unknown as Env;
    const post = {
      queue: (letter: Letter) => void this.letters.push(letter),
      pass: (_by: unknown, _to: string, stanza: Element) => void this.passed.push(textOf(stanza)),
      forget: () => undefined,
      busy: () => false,
      waitingOf: () => this.letters.length,
      lettersTo: (_partition: number, account: number, recipient: string) =>
        this.letters.filter((letter) => letter.account === account && letter.recipient === recipient),
      waiting: 1,
      close: () => undefined,
    };
    const admission = new Bucket({ burst: 1000, perSecond: 1000 }, 0);
    const arrivals = { durable: receiveDurable, passing: receivePassing, visit: sendVisit };
    const shared = {
      arrivals,
      post,
      admission,
      refresher: new Refresher(systemClock),
      loads: new Gate(64, 10_000, 'too many'),
      catching: new Gate(64, Infinity, 'too many'),
      keep: () => this.limits.idle,
      at: (id: number) => [this.partition, this.near].find((one) => one.id === id),
    };
    this.partition = new Partition(env, here, fence.epoch, this.lane, shared);
    this.near = new Partition(env, beside.partition, beside.epoch, this.lane, shared);
  }

  /** The owner dies and another one starts: nothing of memory is left. */
  async restart(): Promise<void> {
    await this.partition.flush();
    await this.still();
    await this.crash();
  }

  /** The same, with what was not written yet. */
  async crash(): Promise<void> {
    this.partition.stop();
    this.near.stop();
    this.model.crash();
    this.#clients.clear();
    await this.start();
    const rows = await this.volume.query<{ address: string }>(sessionRows.ofPartition, [this.partition.id]);
    for (const { address } of rows) this.partition.dormant.add(address);
  }

  async account(local: string): Promise<Account> {
    return (await this.partition.account(`${local}@example.org`))!;
  }

  /** A bound session with a row, as `bind` makes it. */
  async bind(local: string, resource: string): Promise<Client> {
    const account = await this.account(local);
    const session = new Session(account, ++this.#ids, resource, 0, account.head);
    session.mux = 'mux/1';
    const { id } = this.partition;
    const work = new Work(account);
    work.write(sessionRows.add, [id, session.id, account.id, resource, 1, '', account.head, account.head, 0]);
    work.write(sessionRows.addInbound, [id, session.id]);
    account.sessions.push(session);
    this.partition.sessions.set(session.id, session);
    work.commit();
    await this.still();
    return this.attach(session);
  }

  /** Bound, with the roster, and available. */
  async login(local: string, resource: string, presence = '<presence/>'): Promise<Client> {
    const client = await this.bind(local, resource);
    await client.asks('get', '<query xmlns="jabber:iq:roster"/>');
    await client.says(presence);
    client.take();
    return client;
  }

  attach(session: Session): Client {
    session.mux = 'mux/1';
    session.dormant = false;
    const client = new Client(this, session);
    this.#clients.set(session.id, client);
    return client;
  }

  async end(client: Client): Promise<void> {
    client.session.account.mailbox.run(() => endSession(client.session));
    await this.still();
  }

  /** A stored stanza comes from another partition. */
  async arrives(local: string, xml: string, origin: Origin, kind: Kind = subscription): Promise<void> {
    const account = await this.account(local);
    const stanza = parseStored(xml);
    await new Promise<void>((resolve, reject) =>
      account.mailbox.run(async () => {
        const work = new Work(account);
        await receiveDurable(work, account, stanza, Jid.parse(account.address)!, kind, origin, true);
        work.after(() => resolve());
        work.onFailure(reject);
        work.commit();
      }),
    );
    await this.still();
  }

  /** A stanza that nobody stores comes from another partition. */
  async passes(local: string, xml: string): Promise<void> {
    const account = await this.account(local);
    const stanza = parseStored(xml);
    account.mailbox.run(() =>
      account.inOrder(() => receivePassing(account, stanza, Jid.parse(stanza.attrs['to']!)!)),
    );
    await this.still();
  }

  /** Nothing is under way any more: no query, no unit, no task. */
  async still(): Promise<void> {
    for (let calm = 0; calm < 4;) {
      await new Promise((resolve) => setImmediate(resolve));
      const busy = [...this.partition.accounts.values()].some(
        (account) => !account.mailbox.idle || !account.quiet,
      );
      calm = this.#queries > 0 || this.lane.depth > 0 || busy ? 0 : calm + 1;
    }
  }

  /** What the store holds of a roster, as `contact state` lines, and what memory holds. */
  stored(local: string): Record<string, string> {
    const rows = this.model.rows<Record<string, string | number | null>>(
      `select r.contact, r.subscription, r.ask, r.pending, r.approved, r.name, r.groups, r.cn from roster r
       join account a on a.partition = r.partition and a.id = r.account where a.address = ?1 order by r.contact`,
      `${local}@example.org`,
    );
    return Object.fromEntries(
      rows.map(({ contact, ...row }) => [contact, JSON.stringify(Object.values(row))]),
    );
  }

  async remembered(local: string): Promise<Record<string, string>> {
    const read = await rosterOf(await this.account(local));
    return Object.fromEntries(
      [...read].map((item) => [
        item.contact,
        JSON.stringify([
          item.subscription,
          item.ask ? 1 : 0,
          item.pending ?? null,
          item.approved ? 1 : 0,
          item.name,
          item.groups.length === 0 ? '' : JSON.stringify(item.groups),
          item.cn,
        ]),
      ]),
    );
  }

  async state(local: string, contact: string): Promise<string> {
    return (await rosterOf(await this.account(local))).get(contact)?.state ?? 'none';
  }

  async close(): Promise<void> {
    this.partition.stop();
    this.near.stop();
    await this.lane.close();
    await this.volume.close();
    this.model.close();
  }
}
