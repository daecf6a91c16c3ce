import type { Clock } from '../base/clock.ts';
import type { Member, Packet, Peer, Probe, Wire } from './mesh.ts';

/** What becomes of one packet: [] = lost, [0] = arrives in the next tick, [5, 40] = arrives twice, after 5 and 40 ms. */
export type Plan = (from: Peer, to: Peer) => readonly number[];

export interface HubOptions {
  /** A fault plan; without one every packet arrives once and at once. */
  readonly plan?: Plan;
  /** Tests pass a copier (encode and decode), so that no value is shared between processes; production passes references. */
  readonly copy?: (packet: Packet) => Packet | undefined;
  /** How long until the others learn that a wire was cut without notice. */
  readonly notice?: number;
}

/** The in-process wire: asynchronous, never re-entrant, at most once like any other. */
export class Hub {
  readonly #clock: Clock;
  readonly #options: HubOptions;
  readonly #wires = new Map<Peer, LocalWire>();

  constructor(clock: Clock, options: HubOptions = {}) {
    this.#clock = clock;
    this.#options = options;
  }

  /** The end of one process, which does everything unless `roles` says less. Its peer must be new: an incarnation never comes back. */
  wire(peer: Peer, roles: readonly string[] = everything): Wire {
    const wire = new LocalWire({ peer, roles, health: undefined }, this);
    this.#wires.set(peer, wire);
    return wire;
  }

  probe(from: Peer, to: Peer): Probe {
    return this.#wires.has(from) && this.#wires.has(to) ? 'there' : 'nobody';
  }

  /** A crash: nothing is sent or received any more; the others notice later. */
  cut(self: Peer): void {
    if (this.#wires.delete(self)) this.#clock.after(this.#options.notice ?? 0, () => this.announce());
  }

  carry(from: Peer, to: Peer, packet: Packet): void {
    if (!this.#wires.has(from)) return;
    const parcel = this.#options.copy === undefined ? packet : this.#options.copy(packet);
    if (parcel === undefined) throw new Error('a packet that its own codec does not read');
    for (const delay of this.#options.plan?.(from, to) ?? now) {
      const arrive = () => this.#wires.get(to)?.receive(from, parcel);
      if (delay === 0) this.#clock.soon(arrive);
      else this.#clock.after(delay, arrive);
    }
  }

  announce(): void {
    const present = [...this.#wires.values()].map(({ self }) => self);
    for (const wire of this.#wires.values()) wire.announce(present.filter((member) => member !== wire.self));
  }
}

const now: readonly number[] = [0];
const everything: readonly string[] = ['mux', 'accounts', 'rooms'];

class LocalWire implements Wire {
  readonly self: Member;
  readonly connected = true;
  readonly #hub: Hub;
  #handlers: Parameters<Wire['open']>[0] | undefined;

  constructor(self: Member, hub: Hub) {
    this.self = self;
    this.#hub = hub;
  }

  open(handlers: Parameters<Wire['open']>[0]): void {
    this.#handlers = handlers;
    this.#hub.announce();
  }

  send(to: Peer, packet: Packet): void {
    this.#hub.carry(this.self.peer, to, packet);
  }

  receive(from: Peer, packet: Packet): void {
    this.#handlers?.packet(from, packet);
  }

  probe(peer: Peer): Promise<Probe> {
    return Promise.resolve(this.#hub.probe(this.self.peer, peer));
  }

  announce(present: readonly Member[]): void {
    this.#handlers?.members(present);
  }

  close(): Promise<void> {
    this.#handlers = undefined;
    this.#hub.cut(this.self.peer);
    return Promise.resolve();
  }
}
