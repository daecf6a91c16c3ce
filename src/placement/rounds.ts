import type { Clock, Timer } from '../base/clock.ts';
import { fixed } from '../base/fixed.ts';
import type { Log } from '../base/log.ts';
import type { Mesh, Peer } from '../mesh/mesh.ts';
import type { Lane } from '../store/lane.ts';
import type { Op, Store } from '../store/store.ts';
import type { Handoff } from './handoff.ts';
import { Observer } from './observer.ts';
import { move, readPool, type Holding } from './partitions.ts';
import { kindOf, kinds, roleOf, type Kind } from './placement.ts';
import type { PoolEvent } from './pool.ts';
import { change, serverRows, type ServerRecord } from './servers.ts';
import type { Serving } from './serving.ts';
import { share, takers, type Seat } from './share.ts';

export interface RoundsOptions {
  readonly mesh: Mesh;
  readonly store: Store;
  readonly lane: Lane;
  readonly clock: Clock;
  readonly log: Log;
  readonly serving: Serving;
  readonly handoff: Handoff;
  readonly evict: (peer: Peer) => Promise<void>;
  /** May judge and claim: it is heard, and its own lease holds. */
  readonly may: () => boolean;
  /** The table says that this incarnation is dead. */
  readonly dead: () => void;
  readonly count: (event: PoolEvent) => void;
}

/**
 * Once a second, and whenever something happened, one look at both tables; then what follows from it: who is dead, what is
 * ours, what is nobody's, what somebody else should have. Every change is a compare-and-set, so that a look that is out
 * of date does no harm.
 */
export class Rounds {
  readonly #options: RoundsOptions;
  readonly #observer = new Observer();
  /** The newest that is known of each partition: a higher epoch is newer. */
  readonly #known = new Map<number, Pick<Holding, 'owner' | 'epoch'>>();
  /** Since when a partition has been nobody's. */
  readonly #free = new Map<number, number>();
  /** Ours according to its row, from a live server whose message is waited for. */
  readonly #awaited = new Map<number, { readonly from: Peer | undefined; readonly since: number }>();
  /** The dead owners of what we are claiming that have nothing open any more. */
  readonly #evicted = new Set<Peer>();
  #live: ServerRecord[] = [];
  #holdings: Holding[] = [];
  #timer: Timer | undefined;
  #running: Promise<void> | undefined;
  #again = false;
  #answers = true;
  #hurry = false;
  /** Moves of this second. */
  #moved = { since: -Infinity, count: 0 };
  #closed = false;

  constructor(options: RoundsOptions) {
    this.#options = options;
  }

  /** The live servers as of the last look, this one included. */
  get live(): readonly ServerRecord[] {
    return this.#live;
  }

  start(): void {
    if (this.#closed) return;
    void this.look().then(() => {
      if (this.#closed) return;
      this.#timer = this.#options.clock.after(this.#soonest(), () => this.start());
    });
  }

  /** A look that begins from now on; resolves when what follows from it has been done, without the hand-offs. */
  look(): Promise<void> {
    if (this.#running !== undefined) this.#again = true;
    else
      this.#running = this.#rounds().finally(() => {
        this.#running = undefined;
      });
    return this.#running;
  }

  /** The next round gives away at once whatever is too much here; resolves when that is done. */
  async hurry(): Promise<void> {
    this.#hurry = true;
    await this.look();
    await this.#options.handoff.settled();
  }

  /** What was seen so far of the others' leases does not count: for a while we could not hear them, nor they us. */
  restart(): void {
    this.#observer.restart();
  }

  /** Nobody else renews: everybody's counter has stood still for a whole lease, and then some, by our place in the order. */
  get lonely(): boolean {
    return this.#others().every(({ peer }) => this.#observer.still(peer) >= this.#patience());
  }

  /** What a commit or another server says of a partition. */
  learn({ partition, owner, epoch }: Pick<Holding, 'partition' | 'owner' | 'epoch'>): void {
    if ((this.#known.get(partition)?.epoch ?? -1) >= epoch) return;
    this.#known.set(partition, { owner, epoch });
    if (owner !== this.#options.mesh.self) this.#options.serving.lost(partition, epoch);
  }

  /** It is ours in this epoch, as far as we know. */
  ours(partition: number, epoch: number): boolean {
    const known = this.#known.get(partition);
    return known?.epoch === epoch && known.owner === this.#options.mesh.self;
  }

  /** There are two proofs that it is dead (ring.ts). */
  async bury(peer: Peer): Promise<void> {
    const { lane, clock, mesh, may } = this.#options;
    if (!may()) return;
    const params = [clock.now(), peer, mesh.self];
    const [count] = await change(lane, [{ statement: serverRows.bury, params }]);
    if (count === 1) this.#declared(peer);
    await this.look();
  }

  /** Where a partition of ours should go when we leave: to nobody ('') where there is nobody. */
  heirs(): Map<number, Peer> {
    const { mesh, serving } = this.#options;
    const plan = this.#plan((peer) => this.#present(peer), mesh.self);
    const heir = (peer: Peer | undefined) => (peer === undefined || peer === mesh.self ? '' : peer);
    return new Map(serving.owned().map(({ partition }) => [partition, heir(plan.get(partition))]));
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
  }

  async #rounds(): Promise<void> {
    do {
      this.#again = false;
      try {
        // oxlint-disable-next-line no-await-in-loop -- one round after the other
        await this.#round();
      } catch (error) {
        this.#options.log.error({ err: error }, 'a look at the pool failed');
      }
    } while (this.#again && !this.#closed);
  }

  async #round(): Promise<void> {
    const { mesh, clock, may, dead } = this.#options;
    const asked = clock.mono();
    const read = await this.#read();
    if (read === undefined || this.#closed) return;
    const answered = clock.mono();
    if (!mesh.connected) this.#observer.restart();
    this.#observer.look(read.servers, asked, answered);
    const me = read.servers.find(({ peer }) => peer === mesh.self);
    if (me === undefined) {
      dead();
      return;
    }
    for (const { peer } of this.#live) if (!read.servers.some((row) => row.peer === peer)) mesh.dismiss(peer);
    this.#live = read.servers;
    this.#holdings = read.holdings;
    this.#reconcile();
    if (!may()) return;
    await this.#expire();
    if (this.#again) return;
    await this.#claim();
    if (!this.#again && may()) this.#giveAway(me);
  }

  async #read(): Promise<{ servers: ServerRecord[]; holdings: Holding[] } | undefined> {
    const { store, log } = this.#options;
    try {
      const read = await readPool<ServerRecord>(store);
      if (!this.#answers) log.info({}, 'the database answers again');
      this.#answers = true;
      return read;
    } catch (error) {
      this.#observer.restart();
      if (this.#answers)
        log.warn({ err: error }, 'the database does not answer: nobody is declared dead, nothing moves');
      this.#answers = false;
      return undefined;
    }
  }

  /** What the rows say of us: what is another's now is forgotten, what is ours is served. */
  #reconcile(): void {
    const { mesh, clock, serving, handoff } = this.#options;
    const now = clock.mono();
    for (const row of this.#holdings) {
      const { partition, owner, epoch } = row;
      const before = this.#known.get(partition);
      if (before !== undefined && before.epoch > epoch) continue;
      this.learn(row);
      const here = (serving.epoch(partition) ?? -1) >= epoch;
      if (owner !== mesh.self || here || handoff.leaving(partition)) {
        this.#awaited.delete(partition);
        continue;
      }
      // A live owner sends what it carries over: its message may still be on the way. What is ours at the first look was given.
      if (before?.owner !== mesh.self && !this.#awaited.has(partition))
        this.#awaited.set(partition, { from: before?.owner, since: now });
      const awaited = this.#awaited.get(partition);
      const may = awaited !== undefined && (awaited.from === undefined || this.#alive(awaited.from));
      if (may && now - awaited.since < behind) continue;
      this.#awaited.delete(partition);
      serving.take(partition, epoch, []);
    }
  }

  async #expire(): Promise<void> {
    const { lane, clock, mesh } = this.#options;
    const still = this.#others().filter(({ peer }) => this.#observer.still(peer) >= fixed.lease.value);
    const decided = clock.mono();
    const late = () => clock.mono() - decided > fixed.lookSlow.value;
    await Promise.all(
      still.map(async ({ peer, renewed }) => {
        const params = [clock.now(), peer, renewed, mesh.self];
        // What was seen says nothing any more once the store has kept this waiting: it kept that server waiting, too.
        const [count] = await change(lane, [{ statement: serverRows.expire, params }], late);
        this.#again = true;
        if (count === 1) this.#declared(peer);
      }),
    );
  }

  /** Tells everybody: those who wait for it need not, and the other servers claim their part at once. */
  #declared(peer: Peer): void {
    const { mesh, log, count } = this.#options;
    log.warn({ server: peer }, 'a server was declared dead');
    count('declared-dead');
    for (const other of mesh.peers()) if (other !== peer) mesh.send(other, 'routes', { t: 'dead', peer });
    for (const other of this.#live)
      if (other.peer !== peer && other.peer !== mesh.self) mesh.send(other.peer, 'placement', { t: 'look' });
    mesh.dismiss(peer);
  }

  /** Our part of what is nobody's, in one commit; and what others have left lying. */
  async #claim(): Promise<void> {
    const { mesh, lane, clock, serving, count, may } = this.#options;
    const now = clock.mono();
    const plan = this.#plan(() => true);
    // What no server has the role for waits for none, and keeps nothing else from moving.
    const nobodys = this.#holdings.filter((row) => this.#isFree(row) && plan.has(row.partition));
    const free = new Set(nobodys.map(({ partition }) => partition));
    for (const partition of this.#free.keys()) if (!free.has(partition)) this.#free.delete(partition);
    for (const partition of free) if (!this.#free.has(partition)) this.#free.set(partition, now);
    const moving = this.#plan((peer) => this.#moves(peer));
    const mayTake = (kind: Kind) =>
      takers(this.#seats(kind, () => true)).some(({ peer }) => peer === mesh.self);
    const left = new Set(kinds.filter(mayTake));
    const ours = nobodys.filter(({ partition, name }) => {
      const waited = now - this.#free.get(partition)!;
      if (plan.get(partition) === mesh.self) return true;
      if (waited < fixed.claimLeft.value) return false;
      const more = left.has(kindOf(name)!) && waited >= 2 * fixed.claimLeft.value;
      return moving.get(partition) === mesh.self || more;
    });
    if (ours.length === 0 || !may()) return;
    await this.#evict(ours);
    const ops: Op[] = ours.map(({ partition, owner, epoch }) => move(partition, owner, epoch, mesh.self));
    const counts = await change(lane, ops);
    let claimed = 0;
    for (const [i, { partition, epoch }] of ours.entries()) {
      if (counts[i] !== 1) this.#again = true;
      else {
        claimed += 1;
        count('claimed');
        this.learn({ partition, owner: mesh.self, epoch: epoch + 1 });
        serving.take(partition, epoch + 1, []);
      }
    }
    if (claimed > 0) this.#options.log.info({ partitions: claimed }, 'partitions claimed');
  }

  /** Once for each of the dead. */
  async #evict(rows: readonly Holding[]): Promise<void> {
    const dead = new Set(rows.map(({ owner }) => owner));
    dead.delete('');
    for (const peer of this.#evicted) if (!dead.has(peer)) this.#evicted.delete(peer);
    const fresh = [...dead].filter((peer) => !this.#evicted.has(peer));
    for (const peer of fresh) this.#evicted.add(peer);
    await Promise.all(fresh.map((peer) => this.#options.evict(peer)));
  }

  /** Planned moves: all of it where this server drains or the administrator says so, else a few each second. */
  #giveAway(me: ServerRecord): void {
    const { mesh, clock, serving, handoff } = this.#options;
    const drains = me.state === 'draining';
    if (this.#free.size > 0 && !drains) return;
    const all = drains || this.#hurry;
    this.#hurry = false;
    const now = clock.mono();
    if (now - this.#moved.since >= fixed.lookPeriod.value) this.#moved = { since: now, count: 0 };
    const plan = this.#plan((peer) => this.#moves(peer) && this.#present(peer));
    for (const { partition } of serving.owned()) {
      const to = plan.get(partition);
      if (to === undefined || to === mesh.self || handoff.leaving(partition)) continue;
      if (!all && ++this.#moved.count > fixed.moves.value) return;
      void handoff.give(partition, to);
    }
  }

  /** Milliseconds until the next look: a second, or less where a lease is about to run out. */
  #soonest(): number {
    const waits = this.#others().flatMap(({ peer }) =>
      [fixed.lease.value, this.#patience()].map((enough) => enough - this.#observer.still(peer)),
    );
    return Math.min(fixed.lookPeriod.value, ...waits.filter((wait) => wait > 0).map((wait) => wait + 5));
  }

  /** How long somebody who is heard by nobody waits: of two that see only each other's silence, the first goes on. */
  #patience(): number {
    return fixed.lease.value + this.#live.findIndex(({ peer }) => peer === this.#options.mesh.self) * apart;
  }

  #others(): ServerRecord[] {
    return this.#live.filter(({ peer }) => peer !== this.#options.mesh.self);
  }

  #isFree({ partition, owner, epoch, state }: Holding): boolean {
    if ((this.#known.get(partition)?.epoch ?? -1) > epoch) return false;
    return owner === '' || state === null || state === 'dead';
  }

  /** Each kind by itself, among the servers that `fit` and have its role; nothing of a kind that nobody has the role for. */
  #plan(fit: (peer: Peer) => boolean, leaving?: Peer): Map<number, Peer> {
    const plan = new Map<number, Peer>();
    for (const kind of kinds) {
      const held = this.#holdings
        .filter(({ name }) => kindOf(name) === kind)
        .map(({ partition, owner }) => ({ partition, owner: this.#known.get(partition)?.owner ?? owner }));
      for (const [partition, peer] of share(held, this.#seats(kind, fit, leaving))) plan.set(partition, peer);
    }
    return plan;
  }

  /** `leaving`: one that drains, whatever its row says. */
  #seats(kind: Kind, fit: (peer: Peer) => boolean, leaving?: Peer): Seat[] {
    return this.#live
      .filter(({ peer, roles }) => fit(peer) && roles.split(',').includes(roleOf[kind]))
      .map(({ peer, state, availability }) => ({
        peer,
        kind:
          state === 'draining' || peer === leaving
            ? 'draining'
            : availability < fixed.floor.value
              ? 'constrained'
              : 'open',
      }));
  }

  /** Its lease is being renewed, as far as we see; this server's is, or it would not ask. Who starts may get none. */
  #moves(peer: Peer): boolean {
    if (peer === this.#options.mesh.self) return true;
    const begun = this.#live.some((row) => row.peer === peer && row.renewed > 0);
    return begun && this.#observer.still(peer) < fixed.lookGap.value;
  }

  /** It can be told something. */
  #present(peer: Peer): boolean {
    return peer === this.#options.mesh.self || this.#options.mesh.peers().includes(peer);
  }

  #alive(peer: Peer): boolean {
    return this.#live.some((row) => row.peer === peer);
  }
}

/** Two that see nobody but each other, each standing still, do not judge at one time. */
const apart = 1000;

/** Milliseconds that a hand-off's message has behind its commit. */
const behind = fixed.handoffWait.value / 2;
