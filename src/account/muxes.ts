import { fixed } from '../base/fixed.ts';
import type { Owned } from '../entity/owned.ts';
import type { Attach, Bind, Down, End, Handshake, Resume, Stanza, Unattached, Up } from '../link/frames.ts';
import type { Peer } from '../mesh/mesh.ts';
import type { Account } from './account.ts';
import { attach } from './attach.ts';
import { bind, enable } from './bind.ts';
import { isComponent } from './component/known.ts';
import { shake } from './component/handshake.ts';
import { indicate } from './csi.ts';
import { detachSession, endInTurn, endSession } from './end.ts';
import type { Env } from './env.ts';
import { addGuest, isGuest } from './guests.ts';
import { receiveStanza } from './inbound.ts';
import { Logins } from './login.ts';
import type { Partition } from './partition.ts';
import { Registration } from './registration.ts';
import { resume } from './resume.ts';
import type { Session } from './session.ts';
import { proofHolds, ticketHolds } from './ticket.ts';

/** What muxes say (link/frames.ts): each frame finds the login, session or account that it is for. */
export class Muxes {
  readonly #env: Env;
  readonly #partitions: Owned<Partition>;
  readonly #logins: Logins;
  readonly #registration: Registration;
  /** Connections that wait to resume, with their mux. */
  readonly #resuming = new Set<string>();

  constructor(env: Env, partitions: Owned<Partition>) {
    this.#env = env;
    this.#partitions = partitions;
    this.#logins = new Logins(env, (id) => partitions.at(id));
    this.#registration = new Registration(env);
  }

  /** Nothing more is said for this partition. */
  forget(partition: number): void {
    this.#logins.forget(partition);
  }

  receive(from: Peer, frame: Up): void {
    const partition = this.#partitions.in(frame);
    if (partition === undefined) {
      this.#env.count('stale-frame');
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
        this.#resuming.delete(waiterOf(from, frame));
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
    // A resume may be before it in the mailbox.
    const still = () => session.generation === frame.generation && session.mux === from;
    switch (frame.t) {
      case 'stanza':
        this.#stanza(session, frame);
        return;
      case 'ack':
        session.acknowledge(frame.m);
        return;
      case 'enable':
        mailbox.run(() => (still() ? enable(session, frame) : undefined));
        return;
      case 'csi':
        mailbox.run(() => (still() ? indicate(session, frame.inactive) : undefined));
        return;
      case 'detach':
        mailbox.run(() => (still() ? detachSession(session) : undefined));
        return;
      case 'end':
        session.mux = undefined;
        mailbox.run(() => endInTurn(session));
    }
  }

  /** A session ended while its partition was between two owners: this one knows it from its row at the most. */
  #farewell(partition: Partition, from: Peer, frame: End): void {
    const { dormant, accounts } = partition;
    const { account } = frame;
    if (!dormant.has(account) && !accounts.reads(account) && accounts.peek(account) === undefined) return;
    if (!ticketHolds(this.#env, from, frame)) return;
    this.#withAccount(
      partition,
      frame.account,
      () => {},
      async (account) => {
        const session = account.sessions.find(({ id }) => id === frame.session);
        if (session?.dormant === true && session.generation <= frame.generation) endSession(session);
      },
    );
  }

  #stanza(session: Session, { generation, n, stanza }: Stanza): void {
    // Once a resumption has come before it, its client says again what it has not been told to be taken.
    session.account.mailbox.run(() =>
      session.generation === generation ? receiveStanza(session, n, stanza) : undefined,
    );
  }

  /** A component's connection; one that nobody has configured here is like one without its secret. */
  #handshake(partition: Partition, from: Peer, frame: Handshake): void {
    const { partition: id, epoch, conn } = frame;
    const refuse = () =>
      this.#env.mesh.send(from, 'mux', {
        t: 'refused',
        partition: id,
        epoch,
        conn,
        condition: 'not-authorized',
        text: undefined,
      } satisfies Down);
    if (!isComponent(this.#env, frame.domain)) refuse();
    else this.#withAccount(partition, frame.domain, refuse, (account) => shake(account, from, frame));
  }

  /** A connection that authenticated binds or resumes. */
  #enter(partition: Partition, from: Peer, frame: Bind | Resume): void {
    const { partition: id, epoch, conn } = frame;
    const guest = isGuest(this.#env, frame.account);
    const refuse = () =>
      this.#env.mesh.send(
        from,
        'mux',
        (frame.t === 'bind'
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
            }) satisfies Down,
      );
    if (!proofHolds(this.#env, from, frame)) {
      refuse();
      return;
    }
    const enter = () =>
      this.#withAccount(partition, frame.account, refuse, (account) =>
        frame.t === 'bind'
          ? bind(account, from, frame).finally(() => partition.vacated?.(account))
          : resume(account, from, frame),
      );
    // One that was given up meanwhile must not take the session from the connection that came after it.
    const resuming = waiterOf(from, frame);
    if (frame.t !== 'bind') {
      this.#resuming.add(resuming);
      void partition.reports().then(() => this.#resuming.delete(resuming) && enter());
    } else if (guest)
      addGuest(partition, frame.account).then(enter, (error: unknown) => {
        this.#env.log.warn({ err: error }, 'an anonymous account could not be made');
        refuse();
      });
    else enter();
  }

  #attach(partition: Partition, from: Peer, frame: Attach): void {
    // Two muxes may claim one session: what either of them sends waits until both claims are judged, in its order.
    const claims = partition.attaching.get(frame.session) ?? { open: 0, behind: [] };
    claims.open += 1;
    partition.attaching.set(frame.session, claims);
    const refuse = (reason: Unattached['reason']) =>
      this.#env.mesh.send(from, 'mux', {
        t: 'unattached',
        partition: frame.partition,
        epoch: frame.epoch,
        session: frame.session,
        reason,
      } satisfies Down);
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
        this.#env.log.warn({ err: error }, 'an account could not be read: tried again');
        this.#env.clock.after(fixed.accountPause.value, () =>
          this.#withAccount(partition, address, absent, use),
        );
      },
    );
  }

  #register(from: Peer, frame: Extract<Up, { t: 'register' }>): void {
    const { partition, epoch, conn } = frame;
    void this.#registration
      .answer(frame.stanza, frame.info)
      .then((text) =>
        this.#env.mesh.send(from, 'mux', { t: 'registered', partition, epoch, conn, text } satisfies Down),
      );
  }

  /** What it holds is nobody's until it comes back. */
  peerGone(peer: Peer): void {
    this.#logins.peerGone(peer);
    for (const resuming of this.#resuming) if (resuming.endsWith(` ${peer}`)) this.#resuming.delete(resuming);
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

/** A connection that waits to resume, at this owner: it may ask the next one, too. */
function waiterOf(
  mux: Peer,
  { partition, epoch, conn }: Pick<Resume, 'partition' | 'epoch' | 'conn'>,
): string {
  return `${conn} ${partition} ${epoch} ${mux}`;
}
