import { Bucket } from '../base/bucket.ts';
import { Failure } from '../base/failure.ts';
import { fixed } from '../base/fixed.ts';
import { Gate } from '../base/gate.ts';
import { Owned } from '../entity/owned.ts';
import type { Up } from '../link/frames.ts';
import { openPost, type Office, type Post } from '../post/post.ts';
import type { Lane } from '../store/lane.ts';
import { readAhead } from './ahead.ts';
import { receiveDurable, receivePassing } from './arrive.ts';
import { carriedOf, sessionOf, takeCarried, type Carried } from './carry.ts';
import type { Env } from './env.ts';
import { serverCaps } from './features.ts';
import { releaseGuest, releaseGuests } from './guests.ts';
import { Halls } from './hall/halls.ts';
import { Muxes } from './muxes.ts';
import { lettersOf, openOffice } from './office.ts';
import { Partition, reportMs, type Shared } from './partition.ts';
import { untold } from './pushes.ts';
import { Refresher } from './refresher.ts';
import { sessionRows } from './sessionrows.ts';
import { sendVisit } from './visit.ts';

/** The accounts role of a server: the partitions that it owns. What muxes say of them comes in through muxes.ts. */
export class Accounts {
  readonly env: Env;
  readonly post: Post;
  readonly #partitions = new Owned<Partition>();
  readonly #shared: Shared;
  readonly #muxes: Muxes;
  readonly #halls: Halls | undefined;

  /** `offices`: where other kinds have partitions in this process, all their offices as one (post/offices.ts). */
  constructor(env: Env, offices: (own: Office) => Office = (own) => own) {
    this.env = env;
    this.#muxes = new Muxes(env, this.#partitions);
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
      catching: new Gate(fixed.catchUps.value, Infinity, ''),
      at: (id) => this.at(id),
      keep: () => Math.ceil(env.limits.idle / Math.max(1, this.#partitions.size)),
    };
    mesh.serve('account', (from, frame) => this.#muxes.receive(from, frame as Up));
    mesh.onPeer((peer, state) => {
      if (state === 'down') this.#muxes.peerGone(peer);
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
    for (const one of carried) partition.carried.set(sessionOf(one), one);
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
      const session = partition.sessions.get(sessionOf(one));
      if (session === undefined) {
        partition.carried.set(sessionOf(one), one);
        continue;
      }
      session.account.mailbox.run(() => {
        if (session.dormant && !session.ended && session.mirrored < (one.record?.generation ?? Infinity))
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
      for (const { from, frame } of partition.behind.splice(0)) this.#muxes.receive(from, frame);
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
    this.#muxes.forget(id);
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
