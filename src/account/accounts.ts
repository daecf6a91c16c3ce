import type { Attach, Bind, End, Handshake, Resume, Stanza, Up } from '../link/frames.ts';
import type { Peer } from '../mesh/mesh.ts';
import { Failure } from '../base/failure.ts';
import { fixed } from '../base/fixed.ts';
import { Gate } from '../base/gate.ts';
import { Owned } from '../entity/owned.ts';
import { openPost, type Office, type Post } from '../post/post.ts';
import type { Lane } from '../store/lane.ts';
import type { Account } from './account.ts';
import { readAhead } from './ahead.ts';
import { receiveDurable, receivePassing } from './arrive.ts';
import { attach } from './attach.ts';
import { carriedOf, takeCarried, type Carried } from './carry.ts';
import { bind, enable } from './bind.ts';
import { isComponent } from './component/known.ts';
import { shake } from './component/handshake.ts';
import { detachSession, endSession } from './end.ts';
import { addGuest, isGuest, releaseGuest, releaseGuests } from './guests.ts';
import { indicate } from './csi.ts';
import type { Env } from './env.ts';
import { Halls } from './hall/halls.ts';
import { serverCaps } from './features.ts';
import { receiveStanza } from './inbound.ts';
import { lettersOf, openOffice } from './office.ts';
import { Logins } from './login.ts';
import { Partition, reportMs, type Shared } from './partition.ts';
import { Registration } from './registration.ts';
import { Refresher } from './refresher.ts';
import { untold } from './pushes.ts';
import { resume } from './resume.ts';
import type { Session } from './session.ts';
import { proofHolds, ticketHolds } from './ticket.ts';
import { sessionRows } from './sessionrows.ts';
import { Bucket } from '../base/bucket.ts';
import { sendVisit } from './visit.ts';

/** The accounts role of a server: the partitions that it owns, and the frames of every mux. */
export class Accounts {
  readonly env: Env;
  readonly post: Post;
  readonly #partitions = new Owned<Partition>();
  readonly #shared: Shared;
  readonly #logins: Logins;
  readonly #registration: Registration;
  readonly #halls: Halls | undefined;

  /** `offices`: where other kinds have partitions in this process, all their offices as one (post/offices.ts). */
  constructor(env: Env, offices: (own: Office) => Office = (own) => own) {
    this.env = env;
    this.#logins = new Logins(env, (id) => this.at(id));
    this.#registration = new Registration(env);
    const office = offices(openOffice(env, (id) => this.at(id)));
    const { mesh, routes, clock, partitionOf } = env;
    const lifetime = env.limits.outboxTime * 1000;
    const count = env.count;
    this.post = openPost({ mesh, routes, clock, office, partitionOf, lifetime, count });
    const { logins } = env.limits;
    const halls = env.roomHosts === undefined ? undefined : new Halls(env, (id) => this.at(id));
    this.#halls = halls;
    this.#shared = {
      halls,
      arrivals: { durable: receiveDurable, passing: receivePassing, visit: sendVisit },
      post: this.post,
      admission: new Bucket({ burst: logins * 10, perSecond: logins }, clock.mono()),
      refresher: new Refresher(clock),
      loads: new Gate(env.limits.loads, env.limits.loadsWaiting, 'too many accounts are being loaded'),
      at: (id) => this.at(id),
      keep: () => Math.ceil(env.limits.idle / Math.max(1, this.#partitions.size)),
    };
    mesh.serve('account', (from, frame) => this.#receive(from, frame as Up));
    mesh.onPeer((peer, state) => {
      if (state === 'down') this.#peerGone(peer);
    });
  }

  /** Rooms in which a session of this server is. */
  get halls(): number {
    return this.#halls?.size ?? 0;
  }

  partitions(): IterableIterator<Partition> {
    return this.#partitions.values();
  }

  /** For announcements: what is served here. */
  owned(): { partition: number; epoch: number }[] {
    return this.#partitions.announced();
  }

  /** What the server's annotation says (XEP-0115), for the muxes to offer. */
  get caps(): string | undefined {
    return serverCaps(this.env);
  }

  /** All sessions, attached and waiting to be resumed. */
  get sessions(): number {
    let sum = 0;
    for (const partition of this.#partitions.values()) sum += partition.sessions.size;
    return sum;
  }

  /** The partition, where it is served here. */
  at(id: number): Partition | undefined {
    return this.#partitions.at(id);
  }

  /**
   * Serves a partition: its outbox goes on, and its sessions wait for their muxes and clients. Its commits take `lane`,
   * which it may share. `carried`: what the last owner handed over on purpose.
   */
  async serve(id: number, epoch: number, lane: Lane, carried: readonly Carried[] = []): Promise<Partition> {
    const { env } = this;
    const partition = new Partition(env, id, epoch, lane, this.#shared);
    if (env.policy?.anonymous !== undefined) partition.vacated = releaseGuest;
    const [rows, ahead, waiting] = await Promise.all([
      env.store.query<{ id: number; address: string; resumable: number }>(sessionRows.ofPartition, [id]),
      readAhead(env.store, id),
      lettersOf(env.store, id),
    ]);
    for (const { address } of rows) partition.dormant.add(address);
    partition.foresee(ahead);
    for (const one of carried) partition.carried.set(one.session, one);
    this.#partitions.add(partition);
    for (const letter of waiting) this.post.queue(letter);
    // Sessions that cannot be resumed end when every mux had time to show them; the others after the resume window.
    env.clock.after(
      reportMs,
      () =>
        void wake(
          partition,
          rows.filter((row) => row.resumable === 0),
        ),
    );
    env.clock.after(env.limits.resume * 1000, () => {
      void wake(partition, rows);
      void releaseGuests(partition);
    });
    void tellWaiting(partition);
    return partition;
  }

  async close(): Promise<void> {
    for (const partition of this.#partitions.values()) {
      await partition.flush();
      partition.stop();
    }
    this.#shared.refresher.close();
    this.#halls?.close();
    this.post.close();
  }

  /** What the last owner handed over of a partition that is served already: for sessions that nobody has claimed yet. */
  carry(id: number, epoch: number, carried: readonly Carried[]): void {
    const partition = this.at(id);
    if (partition?.epoch !== epoch) return;
    for (const one of carried) {
      const session = partition.sessions.get(one.session);
      if (session === undefined) {
        partition.carried.set(one.session, one);
        continue;
      }
      session.account.mailbox.run(() => {
        if (session.dormant && !session.ended && session.mirrored < one.record.generation)
          takeCarried(session, one, this.env.clock.mono());
      });
    }
  }

  /**
   * Ends a partition in order, for another owner: what was taken in is stored, and what only this owner knows is given.
   * Rejects with Failure('busy') where it does not come to rest; then it goes on.
   */
  async release(id: number): Promise<readonly Carried[]> {
    const partition = this.at(id);
    if (partition === undefined) return [];
    if (!(await partition.quiesce())) {
      // It goes on, as if nothing had been: what a session says has no gaps.
      for (const { from, frame } of partition.behind.splice(0)) this.#receive(from, frame);
      throw new Failure('busy', 'the partition does not come to rest');
    }
    const carried = carriedOf(partition);
    this.forget(id);
    return carried;
  }

  /** Says nothing more for a partition. */
  forget(id: number): void {
    const partition = this.#partitions.remove(id);
    if (partition === undefined) return;
    partition.stop();
    this.post.forget(id);
    this.#logins.forget(id);
  }

  #receive(from: Peer, frame: Up): void {
    const partition = this.#partitions.in(frame);
    if (partition === undefined) {
      this.env.count('stale-frame');
      return;
    }
    if (partition.closing) {
      partition.behind.push({ from, frame });
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
      case 'handshake':
        this.#handshake(partition, from, frame);
        return;
      case 'bind':
      case 'resume':
        this.#enter(partition, from, frame);
        return;
      case 'attach':
        this.#attach(partition, from, frame);
        return;
      case 'reported':
        // Once what it reported is taken in.
        void Promise.all(partition.claims.get(from) ?? []).then(() => partition.reported.add(from));
        partition.claims.delete(from);
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
    const claims = partition.attaching.get(frame.session);
    if (claims !== undefined) {
      claims.behind.push(() => this.#forSession(partition, from, frame));
      return;
    }
    const session = partition.sessions.get(frame.session);
    if (frame.t === 'end' && (session === undefined || session.dormant)) {
      this.#farewell(partition, from, frame);
      return;
    }
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
      case 'csi':
        mailbox.run(() => indicate(session, frame.inactive));
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

  /** A session ended while its partition was between two owners: this one knows it from its row at the most. */
  #farewell(partition: Partition, from: Peer, frame: End): void {
    const { dormant, accounts } = partition;
    const { account } = frame;
    if (!dormant.has(account) && !accounts.reads(account) && accounts.peek(account) === undefined) return;
    if (!ticketHolds(this.env, from, frame)) return;
    this.#withAccount(
      partition,
      frame.account,
      () => {},
      async (account) => {
        const session = account.sessions.find(({ id }) => id === frame.session);
        if (session?.dormant === true && session.generation <= frame.generation) await endSession(session);
      },
    );
  }

  #stanza(session: Session, { n, stanza }: Stanza): void {
    session.account.mailbox.run(() => receiveStanza(session, n, stanza));
  }

  /** A component's connection; one that nobody has configured here is like one without its secret. */
  #handshake(partition: Partition, from: Peer, frame: Handshake): void {
    const { partition: id, epoch, conn } = frame;
    const refuse = () =>
      this.env.mesh.send(from, 'mux', {
        t: 'refused',
        partition: id,
        epoch,
        conn,
        condition: 'not-authorized',
        text: undefined,
      });
    if (!isComponent(this.env, frame.domain)) refuse();
    else this.#withAccount(partition, frame.domain, refuse, (account) => shake(account, from, frame));
  }

  /** A connection that authenticated binds or resumes. */
  #enter(partition: Partition, from: Peer, frame: Bind | Resume): void {
    const { partition: id, epoch, conn } = frame;
    const guest = isGuest(this.env, frame.account);
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
              // XEP-0198 §5: each anonymous login is somebody else, who has no session yet.
              condition: guest ? 'item-not-found' : 'unexpected-request',
              h: undefined,
              sent: undefined,
            },
      );
    if (!proofHolds(this.env, from, frame)) {
      refuse();
      return;
    }
    const enter = () =>
      this.#withAccount(partition, frame.account, refuse, (account) =>
        frame.t === 'bind'
          ? bind(account, from, frame).finally(() => partition.vacated?.(account))
          : resume(account, from, frame),
      );
    if (frame.t !== 'bind') void partition.reports().then(enter);
    else if (guest)
      addGuest(partition, frame.account).then(enter, (error: unknown) => {
        this.env.log.warn({ err: error }, 'an anonymous account could not be made');
        refuse();
      });
    else enter();
  }

  #attach(partition: Partition, from: Peer, frame: Attach): void {
    // Two muxes may claim one session: what either of them sends waits until both claims are judged, in its order.
    const claims = partition.attaching.get(frame.session) ?? { open: 0, behind: [] };
    claims.open += 1;
    partition.attaching.set(frame.session, claims);
    const refuse = (reason: string) =>
      this.env.mesh.send(from, 'mux', {
        t: 'unattached',
        partition: frame.partition,
        epoch: frame.epoch,
        session: frame.session,
        reason,
      });
    let judged = () => {};
    const claim = new Promise<void>((resolve) => (judged = resolve));
    const open = partition.claims.get(from);
    if (partition.reported.has(from)) judged();
    else if (open === undefined) partition.claims.set(from, [claim]);
    else open.push(claim);
    const after = () => {
      judged();
      claims.open -= 1;
      if (claims.open > 0) return;
      partition.attaching.delete(frame.session);
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

  /**
   * In the account's mailbox, once it is read. A store that does not answer is asked again, as long as the partition is
   * ours: a session that a mux shows us must not end for that (invariant 8).
   */
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
        if (partition.ended) return;
        this.env.log.warn({ err: error }, 'an account could not be read: tried again');
        this.env.clock.after(fixed.accountPause.value, () =>
          this.#withAccount(partition, address, absent, use),
        );
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
    for (const partition of this.#partitions.values()) partition.claims.delete(peer);
    for (const partition of this.#partitions.values())
      for (const session of partition.sessions.values())
        if (session.mux === peer) {
          // At once: what is sent from here on would be missing there, should the same process come back and attach.
          session.mux = undefined;
          const { generation } = session;
          session.account.mailbox.run(() =>
            session.mux === undefined && session.generation === generation
              ? detachSession(session)
              : undefined,
          );
        }
  }
}

/** Reads accounts of which a push service should have been told something: they look for themselves. */
async function tellWaiting(partition: Partition): Promise<void> {
  try {
    for await (const address of untold(partition.env.store, partition.id)) {
      if (partition.ended) return;
      await partition.account(address);
    }
  } catch (error) {
    partition.env.log.warn({ err: error }, 'accounts with messages that wait could not be read');
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
