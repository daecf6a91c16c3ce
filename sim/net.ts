import type { Clock, Timer } from '../src/base/clock.ts';
import type { Member, Packet, Peer, Probe, Wire } from '../src/mesh/mesh.ts';
import type { Life, Scheduler, Seeded } from './scheduler.ts';

/** A process as the engines around it see it. */
export interface Process {
  /** Of its machine: a restarted server has it again. */
  readonly name: string;
  readonly peer: Peer;
  readonly roles: readonly string[];
  readonly life: Life;
  readonly clock: Clock;
}

/** What may become of any packet, in probabilities; a packet takes up to `delay` ms. */
export interface WirePlan {
  lost: number;
  doubled: number;
  delay: number;
}

/** Milliseconds: the engine misses a silent process, a process that is back is heard again, a beacon is repeated. */
const notices = 2_500;
const returns = 400;
const beacon = 1_000;
/** Milliseconds of silence until a process leaves the lists of the others. */
const away = 5_000;
const patience = 800;

/**
 * The engine between processes, with a broker in the middle, as NATS is one. A crash cuts the connection to it at once;
 * whoever is frozen or cut off is missed after a while. Who is there is told by beacons. Cuts have a direction: from one
 * process to another, or of one process from or to everybody.
 */
export class Net {
  readonly plan: WirePlan = { lost: 0, doubled: 0, delay: 5 };
  readonly #scheduler: Scheduler;
  readonly #random: Seeded;
  readonly #copy: (packet: Packet) => Packet;
  readonly #ends = new Map<Peer, End>();
  readonly #cuts = new Set<string>();
  #out = false;

  constructor(scheduler: Scheduler, random: Seeded, copy: (packet: Packet) => Packet) {
    this.#scheduler = scheduler;
    this.#random = random;
    this.#copy = copy;
    const clock = scheduler.clock();
    const watch = () => {
      for (const end of this.#ends.values()) end.attach(this.#attached(end));
      clock.after(100, watch);
    };
    watch();
  }

  wire(process: Process, health: string | undefined): Wire {
    const end = new End(this, process, health);
    this.#ends.set(process.peer, end);
    return end;
  }

  /** From the process `from` to `to`, or any where it is `*`. */
  cut(from: string, to: string): void {
    this.#cuts.add(`${from} ${to}`);
  }

  heal(from: string, to: string): void {
    this.#cuts.delete(`${from} ${to}`);
  }

  get cuts(): ReadonlySet<string> {
    return this.#cuts;
  }

  /** Nobody hears anybody. `killed`: all of them notice at once. */
  outage(killed: boolean): void {
    this.#out = true;
    if (killed) for (const end of this.#ends.values()) end.detach();
  }

  back(): void {
    this.#out = false;
  }

  get out(): boolean {
    return this.#out;
  }

  /** The process has died: its connection ends with it. */
  gone(peer: Peer): void {
    this.#ends.delete(peer);
  }

  /** It said good-bye. */
  leave(peer: Peer): void {
    this.#ends.delete(peer);
    for (const end of this.#ends.values()) end.arrive(this.#delay(), () => end.left(peer));
  }

  carry(from: End, to: Peer, packet: Packet): void {
    if (!from.attached) return;
    const parcel = this.#copy(packet);
    if (this.#random.chance(this.plan.lost)) return;
    const copies = this.#random.chance(this.plan.doubled) ? 2 : 1;
    for (let i = 0; i < copies; i++) this.#deliver(from, to, (end) => end.packet(from.self.peer, parcel));
  }

  beacon(from: End): void {
    for (const to of this.#ends.keys())
      if (to !== from.self.peer) this.#deliver(from, to, (end) => end.hear(from.self));
  }

  #deliver(from: End, to: Peer, act: (end: End) => void): void {
    const end = this.#ends.get(to);
    if (end === undefined || !from.attached || !end.attached || !this.#reaches(from, end)) return;
    end.arrive(this.#delay(), () => act(end));
  }

  probe(from: End, to: Peer): Promise<Probe> {
    const { clock } = from.process;
    return new Promise((resolve) => {
      const answer = (probe: Probe, ms: number) => void clock.after(ms, () => resolve(probe));
      const end = this.#ends.get(to);
      // The engine itself says that there is nobody of that name, to whoever can hear it.
      const hears =
        !this.#out && !this.#isCut(from.process.name, '*') && !this.#isCut('*', from.process.name);
      if (!from.attached || !hears || this.#random.chance(this.plan.lost)) answer('silent', patience);
      else if (end === undefined || !end.attached) answer('nobody', this.#delay());
      else {
        const { clock: theirs, life } = end.process;
        let answered = false;
        const timer = clock.after(patience, () => resolve('silent'));
        if (!this.#reaches(from, end)) return;
        theirs.after(this.#delay(), () => {
          if (answered || !life.alive || !this.#reaches(end, from)) return;
          answered = true;
          clock.after(this.#delay(), () => {
            timer.cancel();
            resolve('there');
          });
        });
      }
    });
  }

  #reaches(from: End, to: End): boolean {
    const [a, b] = [from.process.name, to.process.name];
    return !this.#out && !this.#isCut(a, '*') && !this.#isCut('*', b) && !this.#isCut(a, b);
  }

  #isCut(from: string, to: string): boolean {
    return this.#cuts.size > 0 && this.#cuts.has(`${from} ${to}`);
  }

  #attached({ process }: End): boolean {
    const { name, life } = process;
    return !this.#out && !life.frozen && !this.#isCut(name, '*') && !this.#isCut('*', name);
  }

  #delay(): number {
    return this.#random.int(this.plan.delay + 1);
  }

  get now(): number {
    return this.#scheduler.now;
  }
}

/** One process's connection to the engine. */
class End implements Wire {
  readonly self: Member;
  readonly process: Process;
  readonly #net: Net;
  readonly #heard = new Map<Peer, { readonly member: Member; at: number }>();
  #handlers: Parameters<Wire['open']>[0] | undefined;
  #timer: Timer | undefined;
  #attached = true;
  /** When what it is in now began to differ from `#attached`. */
  #since: number | undefined;
  #swept: number;

  constructor(net: Net, process: Process, health: string | undefined) {
    this.#net = net;
    this.process = process;
    this.self = { peer: process.peer, roles: process.roles, health };
    this.#swept = net.now;
  }

  get connected(): boolean {
    return this.#attached;
  }

  get attached(): boolean {
    return this.#attached;
  }

  open(handlers: Parameters<Wire['open']>[0]): void {
    this.#handlers = handlers;
    const beat = () => {
      this.#sweep();
      this.#net.beacon(this);
      this.#timer = this.process.clock.after(beacon, beat);
    };
    beat();
  }

  send(to: Peer, packet: Packet): void {
    this.#net.carry(this, to, packet);
  }

  probe(peer: Peer): Promise<Probe> {
    return this.#net.probe(this, peer);
  }

  async close(): Promise<void> {
    this.#timer?.cancel();
    this.#handlers = undefined;
    this.#net.leave(this.self.peer);
  }

  // ── what the engine does to it ────────────────────────────────────────────────────────────────────────────────

  arrive(ms: number, act: () => void): void {
    this.process.clock.after(ms, act);
  }

  packet(from: Peer, packet: Packet): void {
    this.#handlers?.packet(from, packet);
  }

  hear(member: Member): void {
    const known = this.#heard.get(member.peer);
    if (known !== undefined) {
      known.at = this.#net.now;
      return;
    }
    this.#heard.set(member.peer, { member, at: this.#net.now });
    this.#tell();
    this.#net.beacon(this);
  }

  left(peer: Peer): void {
    if (this.#heard.delete(peer)) this.#tell();
  }

  detach(): void {
    this.#attached = false;
    this.#since = undefined;
  }

  attach(reachable: boolean): void {
    if (reachable === this.#attached) {
      this.#since = undefined;
      return;
    }
    this.#since ??= this.#net.now;
    if (this.#net.now - this.#since < (reachable ? returns : notices)) return;
    this.#attached = reachable;
    this.#since = undefined;
    if (reachable) this.arrive(0, () => this.#net.beacon(this));
  }

  /** Silence counts only where this process could have heard something. */
  #sweep(): void {
    const { now } = this.#net;
    const deaf = !this.#attached || now - this.#swept > 2 * beacon;
    this.#swept = now;
    let gone = false;
    for (const [peer, known] of this.#heard)
      if (deaf) known.at = now;
      else if (now - known.at > away) gone = this.#heard.delete(peer) || gone;
    if (gone) this.#tell();
  }

  #tell(): void {
    this.#handlers?.members([...this.#heard.values()].map(({ member }) => member));
  }
}
