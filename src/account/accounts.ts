import type { Attach, Bind, Resume, Stanza, Up } from '../link/frames.ts';
import type { Peer } from '../mesh/mesh.ts';
import { openPost, type Office, type Post } from '../post/post.ts';
import { laneLimitsOf, openLane, type Lane } from '../store/lane.ts';
import type { Account } from './account.ts';
import { receiveDurable, receivePassing } from './arrive.ts';
import { attach } from './attach.ts';
import { bind, enable } from './bind.ts';
import { detachSession, endSession } from './end.ts';
import type { Env } from './env.ts';
import { receiveStanza } from './inbound.ts';
import { letters, openOffice } from './office.ts';
import { Logins } from './login.ts';
import { Partition, reportMs } from './partition.ts';
import { Registration } from './registration.ts';
import { resume } from './resume.ts';
import type { Session } from './session.ts';
import { sessionRows } from './sessionrows.ts';

/** The accounts role of a server: the partitions that it owns, and the frames of every mux. */
export class Accounts {
  readonly env: Env;
  readonly post: Post;
  readonly #partitions = new Map<number, Partition>();
  readonly #logins: Logins;
  readonly #registration: Registration;
  /** Sessions whose attach is under way: what their mux sends meanwhile waits behind it. */
  readonly #attaching = new Map<number, { open: number; readonly behind: (() => void)[] }>();

  constructor(env: Env) {
    this.env = env;
    this.#logins = new Logins(env);
    this.#registration = new Registration(env);
    const office: Office = openOffice(env, (partition) => this.#partitions.get(partition));
    const { mesh, routes, clock, log } = env;
    this.post = openPost({ mesh, routes, clock, log, office, lifetime: env.limits.outboxTime * 1000 });
    mesh.serve('account', (from, frame) => this.#receive(from, frame as Up));
    mesh.onPeer((peer, state) => {
      if (state === 'down') this.#peerGone(peer);
    });
  }

  partitions(): IterableIterator<Partition> {
    return this.#partitions.values();
  }

  /** For announcements: what is served here. */
  owned(): { partition: number; epoch: number }[] {
    return [...this.#partitions.values()]
      .filter(({ ended }) => !ended)
      .map(({ id, epoch }) => ({ partition: id, epoch }));
  }

  /** Serves a partition: its outbox goes on, and its sessions wait for their muxes and clients. */
  async serve(id: number, epoch: number, lane?: Lane): Promise<Partition> {
    const { env } = this;
    const own =
      lane ??
      (await openLane(env.store, { clock: env.clock, log: env.log, limits: laneLimitsOf(env.limits) }));
    const arrivals = { durable: receiveDurable, passing: receivePassing };
    const partition = new Partition(env, id, epoch, own, arrivals, this.post);
    const rows = await env.store.query<{ id: number; address: string; resumable: number }>(
      sessionRows.ofPartition,
      [id],
    );
    for (const { address } of rows) partition.dormant.add(address);
    for await (const letter of letters(env.store, id)) this.post.queue(letter);
    this.#partitions.set(id, partition);
    // Sessions that cannot be resumed end when every mux had time to show them; the others after the resume window.
    env.clock.after(
      reportMs,
      () =>
        void wake(
          partition,
          rows.filter((row) => row.resumable === 0),
        ),
    );
    env.clock.after(env.limits.resume * 1000, () => void wake(partition, rows));
    return partition;
  }

  async close(): Promise<void> {
    for (const partition of this.#partitions.values()) {
      await partition.flush();
      partition.stop();
      await partition.lane.close();
    }
    this.post.close();
  }

  #receive(from: Peer, frame: Up): void {
    const partition = this.#partitions.get(frame.partition);
    if (partition === undefined || partition.ended || partition.epoch !== frame.epoch) {
      this.env.count('stale-frame');
      return;
    }
    switch (frame.t) {
      case 'auth':
        this.#logins.auth(from, frame);
        return;
      case 'auth-next':
        this.#logins.next(from, frame);
        return;
      case 'gone':
        this.#logins.gone(from, frame.conn);
        return;
      case 'register':
        this.#register(from, frame);
        return;
      case 'bind':
      case 'resume':
        this.#enter(partition, from, frame);
        return;
      case 'attach':
        this.#attach(partition, from, frame);
        return;
      case 'reported':
        partition.reported.add(from);
        return;
      default:
        this.#forSession(partition, from, frame);
    }
  }

  #forSession(
    partition: Partition,
    from: Peer,
    frame: Exclude<Up, { readonly conn: number } | Attach | { readonly t: 'reported' }>,
  ): void {
    const claims = this.#attaching.get(frame.session);
    if (claims !== undefined) {
      claims.behind.push(() => this.#forSession(partition, from, frame));
      return;
    }
    const session = partition.sessions.get(frame.session);
    // From before a resume elsewhere, or for a session that is over.
    if (session === undefined || session.generation !== frame.generation || session.mux !== from) return;
    const { mailbox } = session.account;
    switch (frame.t) {
      case 'stanza':
        this.#stanza(session, frame);
        return;
      case 'ack':
        session.acknowledge(frame.m);
        return;
      case 'enable':
        mailbox.run(() => enable(session, frame));
        return;
      case 'detach':
        mailbox.run(() =>
          session.mux === from && session.generation === frame.generation
            ? detachSession(session)
            : undefined,
        );
        return;
      case 'end':
        session.mux = undefined;
        mailbox.run(() => endSession(session));
    }
  }

  #stanza(session: Session, { n, stanza }: Stanza): void {
    session.account.mailbox.run(() => receiveStanza(session, n, stanza));
  }

  /** A connection that authenticated binds or resumes. */
  #enter(partition: Partition, from: Peer, frame: Bind | Resume): void {
    const { partition: id, epoch, conn } = frame;
    const who = this.#logins.find(from, conn);
    const refuse = () =>
      this.env.mesh.send(
        from,
        'mux',
        frame.t === 'bind'
          ? {
              t: 'unbound',
              partition: id,
              epoch,
              conn,
              type: 'auth',
              condition: 'not-authorized',
              text: undefined,
            }
          : {
              t: 'unresumed',
              partition: id,
              epoch,
              conn,
              condition: 'unexpected-request',
              h: undefined,
              sent: undefined,
            },
      );
    const entered = () => this.#logins.gone(from, conn);
    if (who === undefined) {
      refuse();
      return;
    }
    this.#withAccount(partition, who.address, refuse, (account) =>
      frame.t === 'bind'
        ? bind(account, from, frame, who.info, entered)
        : resume(account, from, frame, who.info, entered),
    );
  }

  #attach(partition: Partition, from: Peer, frame: Attach): void {
    // Two muxes may claim one session: what either of them sends waits until both claims are judged, in its order.
    const claims = this.#attaching.get(frame.session) ?? { open: 0, behind: [] };
    claims.open += 1;
    this.#attaching.set(frame.session, claims);
    const refuse = (reason: string) =>
      this.env.mesh.send(from, 'mux', {
        t: 'unattached',
        partition: frame.partition,
        epoch: frame.epoch,
        session: frame.session,
        reason,
      });
    const after = () => {
      claims.open -= 1;
      if (claims.open > 0) return;
      this.#attaching.delete(frame.session);
      for (const run of claims.behind) run();
    };
    this.#withAccount(
      partition,
      frame.account,
      () => {
        refuse('over');
        after();
      },
      (account) => attach(account, from, frame, refuse).finally(after),
    );
  }

  /** In the account's mailbox, once it is read. */
  #withAccount(
    partition: Partition,
    address: string,
    absent: () => void,
    use: (account: Account) => Promise<void>,
  ): void {
    Promise.resolve(partition.account(address)).then(
      (account) => {
        if (partition.ended) return;
        if (account === undefined) absent();
        else account.mailbox.run(() => use(account));
      },
      (error: unknown) => {
        this.env.log.warn({ err: error }, 'an account could not be read');
        absent();
      },
    );
  }

  #register(from: Peer, frame: Extract<Up, { t: 'register' }>): void {
    const { partition, epoch, conn } = frame;
    void this.#registration
      .answer(frame.stanza, frame.info)
      .then((text) => this.env.mesh.send(from, 'mux', { t: 'registered', partition, epoch, conn, text }));
  }

  #peerGone(peer: Peer): void {
    this.#logins.peerGone(peer);
    for (const partition of this.#partitions.values())
      for (const session of partition.sessions.values())
        if (session.mux === peer)
          session.account.mailbox.run(() => (session.mux === peer ? detachSession(session) : undefined));
  }
}

/** Reads accounts that have sessions which nobody has claimed: loaded, those sessions end in their time. */
async function wake(partition: Partition, rows: readonly { readonly address: string }[]): Promise<void> {
  for (const { address } of rows) {
    if (partition.ended) return;
    if (!partition.dormant.has(address)) continue;
    try {
      await partition.account(address);
    } catch (error) {
      partition.env.log.warn({ err: error }, 'an account with sessions could not be read');
    }
  }
}
