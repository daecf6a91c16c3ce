import { sleep, type Clock, type Timer } from '../base/clock.ts';
import { Failure } from '../base/failure.ts';
import { fixed } from '../base/fixed.ts';
import type { Peer } from '../mesh/mesh.ts';
import type { Lane } from '../store/lane.ts';
import type { Statement } from '../store/store.ts';
import { Handoff, type Take, type Taken } from './handoff.ts';
import { Lease } from './lease.ts';
import { partitionRows, type Holding } from './partitions.ts';
import type { PartitionRow, Pool, PoolOptions, ServerRow } from './pool.ts';
import { neighbours, Ring, type Watched } from './ring.ts';
import { Rounds } from './rounds.ts';
import { change, serverRows, type ServerRecord } from './servers.ts';
import { Serving } from './serving.ts';

type Said = Take | Taken | { readonly t: 'look' } | { readonly t: 'rebalance' };

/** A partition that came while this server was still entering the pool. */
export interface Early {
  readonly from: Peer;
  readonly said: Take;
}

/** A pool, put together: see `Pool`. */
export class LeasedPool implements Pool {
  readonly ranges: Pool['ranges'];
  readonly #options: PoolOptions;
  readonly #leasing: Lane;
  readonly #lane: Lane;
  readonly #lease: Lease;
  readonly #ring: Ring;
  readonly #serving: Serving;
  readonly #handoff: Handoff;
  readonly #rounds: Rounds;
  #tidying: Timer | undefined;
  #hears = true;
  #state: 'open' | 'closing' | 'over' = 'open';
  #closed: Promise<void> | undefined;

  constructor(
    options: PoolOptions,
    ranges: Pool['ranges'],
    leasing: Lane,
    lane: Lane,
    early: readonly Early[],
  ) {
    const { store, mesh, clock, log, host, health } = options;
    const count = options.count ?? (() => {});
    this.#options = options;
    this.ranges = ranges;
    this.#leasing = leasing;
    this.#lane = lane;
    const dead = () => this.#dead();
    this.#serving = new Serving({ host, clock, log, count });
    this.#handoff = new Handoff({
      mesh,
      store,
      lane,
      clock,
      log,
      serving: this.#serving,
      count,
      learn: (row) => this.#rounds.learn(row),
    });
    this.#rounds = new Rounds({
      mesh,
      store,
      lane,
      clock,
      log,
      serving: this.#serving,
      handoff: this.#handoff,
      evict: options.evict ?? (() => Promise.resolve()),
      may: () => this.#state === 'open' && mesh.connected && this.#lease.held && this.#mayRenew(),
      dead,
      count,
    });
    this.#ring = new Ring({
      mesh,
      clock,
      health,
      watched: () => this.#watched(),
      proved: (peer) => this.#proved(peer),
    });
    this.#lease = new Lease({
      clock,
      lane: leasing,
      self: mesh.self,
      host,
      may: () => this.#mayRenew(),
      dead,
      refused: () => count('renewal-refused'),
      regained: () => void this.#rounds.look(),
      stalled: () => this.#rounds.restart(),
    });
    mesh.serve('placement', (from, frame) => this.#hear(from, frame as Said));
    clock.soon(() => {
      for (const { from, said } of early) this.#hear(from, said);
      void this.#start();
    });
  }

  get leased(): boolean {
    return this.#state !== 'over' && this.#lease.held;
  }

  async servers(): Promise<ServerRow[]> {
    const rows = await this.#options.store.query<ServerRecord & { partitions: number }>(serverRows.list, []);
    return rows.map(({ peer, name, roles, state, availability, sessions, partitions, version, started }) => ({
      peer,
      name,
      roles: roles.split(','),
      state,
      availability,
      sessions,
      partitions: Number(partitions),
      version,
      started,
    }));
  }

  async partitions(): Promise<PartitionRow[]> {
    const rows = await this.#options.store.query<Holding>(partitionRows.all, []);
    return rows.map(({ partition, name, owner, epoch }) => ({ partition, name, owner, epoch }));
  }

  drain(name: string): Promise<void> {
    return this.#mark(name, serverRows.drain, 'draining');
  }

  undrain(name: string): Promise<void> {
    return this.#mark(name, serverRows.undrain, 'up');
  }

  async rebalance(): Promise<void> {
    this.#tell({ t: 'rebalance' });
    await this.#rounds.hurry();
  }

  close(): Promise<void> {
    this.#closed ??= this.#leave();
    return this.#closed;
  }

  async #start(): Promise<void> {
    if (this.#state !== 'open') return;
    this.#tidy();
    // Who else there is: a server that starts while it is cut off has no lease before one of them has answered.
    await this.#rounds.look();
    this.#ring.start();
    this.#lease.start();
    this.#rounds.start();
  }

  /**
   * Somebody answers or is proved dead, or nobody else is in the table, or nobody else renews either although we are on
   * the mesh, which itself says that they are not: then the table is the arbiter, where the dead declare nobody dead.
   */
  #mayRenew(): boolean {
    const { mesh, clock } = this.#options;
    const { live } = this.#rounds;
    if (live.length === 0) return false;
    if (live.every(({ peer }) => peer === mesh.self)) return true;
    const hears = clock.mono() - this.#ring.heard <= fixed.hearing.value;
    // While we heard nobody, others may have been as deaf: they get their time to renew.
    if (hears && !this.#hears) this.#rounds.restart();
    this.#hears = hears;
    if (hears) return true;
    const asked = neighbours(live, mesh.self, fixed.ringWatchers.value);
    return mesh.connected && asked.every(({ peer }) => this.#ring.missing(peer)) && this.#rounds.lonely;
  }

  /** Our neighbours in the ring of servers; and every mux, which is in no table. */
  #watched(): Watched[] {
    const { mesh } = this.#options;
    const { live } = this.#rounds;
    const muxes = mesh
      .members()
      .filter(({ peer }) => peer !== mesh.self && !live.some((row) => row.peer === peer))
      .map(({ peer, health = '' }) => ({ peer, health }));
    return [...neighbours(live, mesh.self, fixed.ringWatchers.value), ...muxes];
  }

  #proved(peer: Peer): void {
    const { mesh } = this.#options;
    if (this.#rounds.live.some((row) => row.peer === peer)) {
      void this.#rounds.bury(peer);
      return;
    }
    for (const other of mesh.peers()) if (other !== peer) mesh.send(other, 'routes', { t: 'dead', peer });
    mesh.dismiss(peer);
  }

  #hear(from: Peer, said: Said): void {
    const { mesh, count } = this.#options;
    // What was given to one that leaves goes on to others.
    if (this.#state === 'over' && said.t !== 'taken') return;
    switch (said.t) {
      case 'take': {
        const { partition, epoch, carried } = said;
        mesh.send(from, 'placement', { t: 'taken', partition, epoch } satisfies Taken);
        this.#rounds.learn({ partition, owner: mesh.self, epoch });
        if (!this.#rounds.ours(partition, epoch)) return;
        this.#serving.take(partition, epoch, carried);
        count?.('taken');
        return;
      }
      case 'taken':
        this.#handoff.taken(from, said);
        return;
      case 'rebalance':
        void this.#rounds.hurry();
        return;
      case 'look':
        void this.#rounds.look();
    }
  }

  #tell(said: Said): void {
    const { mesh } = this.#options;
    for (const { peer } of this.#rounds.live) if (peer !== mesh.self) mesh.send(peer, 'placement', said);
  }

  async #mark(name: string, statement: Statement, state: ServerRecord['state']): Promise<void> {
    const { store, clock } = this.#options;
    for (;;) {
      // oxlint-disable no-await-in-loop -- until the row says so, whatever came of the commit
      const named = (await store.query<ServerRecord>(serverRows.live, [])).filter((row) => row.name === name);
      if (named.length === 0) throw new Failure('server-missing', `no live server has the name ${name}`);
      const other = named.filter((row) => row.state !== state);
      if (other.length === 0) break;
      const counts = await change(
        this.#lane,
        other.map(({ peer }) => ({ statement, params: [peer] })),
      );
      if (counts[0] === undefined) await sleep(clock, fixed.loadPause.value);
      // oxlint-enable no-await-in-loop
    }
    this.#tell({ t: 'look' });
    await this.#rounds.look();
  }

  /** Rows of servers that have long been dead go, with those of their lanes. */
  #tidy(): void {
    const { clock } = this.#options;
    this.#tidying = clock.after(fixed.deadServers.value / 6, () => this.#tidy());
    const before = clock.now() - fixed.deadServers.value;
    void change(this.#lane, [
      { statement: serverRows.tidyLanes, params: [before] },
      { statement: serverRows.tidy, params: [before] },
    ]);
  }

  /** Others own what was ours: whatever this process still believes, it has to end. */
  #dead(): void {
    if (this.#state !== 'open') return;
    this.#options.log.error({ server: this.#options.mesh.self }, 'this server was declared dead');
    this.#stop();
    this.#options.host.dead();
  }

  /** From now on nothing is said for anybody. */
  #stop(): void {
    this.#state = 'over';
    this.#handoff.close();
    this.#serving.close();
    this.#ring.close();
    this.#rounds.close();
    this.#lease.close();
    this.#tidying?.cancel();
  }

  async #leave(): Promise<void> {
    const { clock } = this.#options;
    if (this.#state === 'open') await within(clock, fixed.leave.value, this.#rounds.look());
    if (this.#state === 'open') await this.#handEverythingOver();
    this.#stop();
    await Promise.all([this.#leasing.close(), this.#lane.close()]);
  }

  /** What is just coming goes, too, once it is here; and what was on its way to others gets there. */
  async #giveAll(): Promise<void> {
    for (;;) {
      for (const [partition, to] of this.#rounds.heirs()) void this.#handoff.give(partition, to);
      // oxlint-disable no-await-in-loop -- what comes meanwhile is the next pass's
      await this.#handoff.settled();
      if (!(await this.#serving.loaded())) return;
      // oxlint-enable no-await-in-loop
    }
  }

  async #handEverythingOver(): Promise<void> {
    const { clock, self } = this.#options;
    this.#state = 'closing';
    this.#ring.close();
    this.#rounds.close();
    // The others must not take it for one that has too little.
    const drains = change(this.#lane, [{ statement: serverRows.drain, params: [self.peer] }]);
    await within(clock, fixed.leave.value, drains);
    await within(clock, fixed.leave.value, this.#giveAll());
    // What could not be given in time goes with our row.
    this.#stop();
    const ended = change(this.#lane, [{ statement: serverRows.end, params: [clock.now(), self.peer] }]);
    await within(clock, fixed.leave.value, ended);
    this.#tell({ t: 'look' });
    // One turn, so that the last words leave before the mesh is closed.
    await sleep(clock, fixed.announceApart.value);
  }
}

/** Waits for what may never end, for so many ms at most. */
function within(clock: Clock, ms: number, end: Promise<unknown>): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      timer.cancel();
      resolve();
    };
    const timer = clock.after(ms, done);
    end.then(done, done);
  });
}
