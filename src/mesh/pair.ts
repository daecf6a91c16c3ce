import { owns } from '../base/config.ts';
import { fixed } from '../base/fixed.ts';
import { speakers, type Member, type Packet, type Returned, type Service, type Wire } from './mesh.ts';

/** What all pairs of a process share. */
export interface Shared {
  /** Frames on the wire per peer. */
  readonly window: number;
  /** What one frame takes on the wire in bytes; undefined where it takes nothing, because references travel. */
  readonly weigh: Wire['weigh'];
  /** Bytes on the wire to all peers together. */
  flying: number;
}

/** Both directions with one peer, from when it appears until it goes or gives us up. */
export class Pair {
  /** Names the outgoing direction: a later one has a higher number. */
  readonly number: number;
  /** Channels of the peer up to this one we gave up: what comes on them may have been handled already. */
  readonly floor: number;
  /** Frames that the peer has not said to have received; the first `#sent` of them are on the wire. */
  readonly queue: Returned[] = [];
  /** The peer's channel number and the frame that must come next. */
  heard = 0;
  expected = 1;
  /** The peer is to hear now what was received. */
  owes = false;
  /** Frames received of which nothing was said yet. */
  unsaid = 0;
  closed = false;
  /** A channel that the peer has to hear is given up; 0: none. */
  refuses = 0;
  readonly #shared: Shared;
  #sent = 0;
  /** Number of `queue[0]`. */
  #base = 1;
  #moved = true;
  /** How often in a row everything was sent again and nothing came of it. */
  #stalled = 0;
  /** Weights of the first `#sent` frames, and their sum. */
  #weights: number[] = [];
  #flying = 0;
  #services: ReadonlySet<Service> = none;
  /** Services to which the peer spoke and may not: one line each in the log is enough. */
  readonly #refused = new Set<Service>();

  constructor(number: number, floor: number, shared: Shared) {
    this.number = number;
    this.floor = floor;
    this.#shared = shared;
  }

  get waiting(): boolean {
    return this.queue.length > 0;
  }

  set member({ roles }: Member) {
    const may = (service: Service) => {
      const who = speakers[service];
      return who === 'anybody' || (who === 'owners' ? owns(roles) : roles.includes(who));
    };
    this.#services = new Set(services.filter(may));
  }

  maySpeak(service: Service): boolean {
    return this.#services.has(service);
  }

  /** True the first time. */
  refused(service: Service): boolean {
    const fresh = !this.#refused.has(service);
    this.#refused.add(service);
    return fresh;
  }

  take(): Packet | undefined {
    const from = this.#sent;
    const end = this.#end();
    if (end <= from && !this.owes && this.refuses === 0) return undefined;
    const frames = end > from ? this.queue.slice(from, end) : nothing;
    this.#sent = Math.max(from, end);
    const refuses = this.refuses;
    this.owes = false;
    this.unsaid = 0;
    this.refuses = 0;
    return {
      channel: this.number,
      first: this.#base + from,
      frames,
      heard: refuses === 0 ? this.heard : refuses,
      received: refuses === 0 ? this.expected - 1 : -1,
    };
  }

  /** How many frames of the queue may be on the wire now. At least one always may, however big, or it would never go. */
  #end(): number {
    const { window, weigh } = this.#shared;
    const end = Math.min(this.queue.length, this.#stalled < patience ? window : fixed.meshProbe.value);
    if (weigh === undefined) return end;
    let at = this.#sent;
    for (; at < end; at++) {
      const weight = weigh(this.queue[at]!);
      const full =
        this.#flying + weight > fixed.meshPeerBytes.value ||
        this.#shared.flying + weight > fixed.meshBytes.value;
      if (full && at > 0) break;
      this.#weights.push(weight);
      this.#fly(weight);
    }
    return at;
  }

  received(packet: Packet): void {
    if (packet.heard !== this.number || packet.received < this.#base) return;
    const count = Math.min(packet.received - this.#base + 1, this.queue.length);
    this.queue.splice(0, count);
    this.#base += count;
    this.#sent = Math.max(0, this.#sent - count);
    this.#moved = true;
    this.#stalled = 0;
    if (this.#weights.length > 0) for (const weight of this.#weights.splice(0, count)) this.#fly(-weight);
  }

  /**
   * Called each `resend` ms: where nothing was received since the last time, everything is sent again; where that
   * happened before, only the first frames, so that a peer which cannot hear is not buried in copies.
   */
  rewind(): void {
    if (!this.#moved && this.queue.length > 0) {
      this.#sent = 0;
      this.#stalled += 1;
      this.#land();
    }
    this.#moved = false;
  }

  /** Nothing of it is on the wire any more. */
  close(): void {
    this.closed = true;
    this.#land();
  }

  #land(): void {
    this.#fly(-this.#flying);
    this.#weights = [];
  }

  #fly(bytes: number): void {
    this.#flying += bytes;
    this.#shared.flying += bytes;
  }
}

const services = Object.keys(speakers) as Service[];
const none: ReadonlySet<Service> = new Set();
const nothing: readonly Returned[] = [];

/** Full repetitions before a pair becomes careful. */
const patience = 2;
