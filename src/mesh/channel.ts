import type { Clock, Timer } from '../base/clock.ts';
import { fixed } from '../base/fixed.ts';
import type { Log } from '../base/log.ts';
import type { Member, Mesh, Packet, Peer, Probe, Returned, Service, Wire } from './mesh.ts';
import { Pair, type Shared } from './pair.ts';

/**
 * The one reliable channel above every wire: frames are numbered per peer, sent in one packet per tick, kept until the
 * peer has received them, and sent again where it has not said so for `resend` ms. A receiver handles a frame when it is
 * the next one and drops every other: what is missing comes again. At most `window` frames, and where they have a weight
 * so many bytes, are on the wire at a time; what is above waits here, bounded by what the sessions, lanes and outboxes in
 * front of it may have open.
 */
export interface MeshOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** Milliseconds without progress until the unreceived frames are sent again. */
  readonly resend?: number;
  /** Frames on the wire per peer. */
  readonly window?: number;
  /** Called for a frame that its sender may not send, or that no service takes. */
  readonly count?: (event: MeshEvent) => void;
}

export type MeshEvent = 'frame-refused';

type Handler = (from: Peer, frame: object) => void;
type PeerHandler = Parameters<Mesh['onPeer']>[0];

export function openMesh(wire: Wire, options: MeshOptions): Mesh {
  return new ChannelMesh(wire, options);
}

class ChannelMesh implements Mesh {
  readonly self: Peer;
  readonly #wire: Wire;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #resend: number;
  readonly #shared: Shared;
  readonly #pairs = new Map<Peer, Pair>();
  /** The highest channel of a peer that was heard and given up, most recent last. */
  readonly #floors = new Map<Peer, number>();
  readonly #services = new Map<Service, Handler>();
  readonly #peerHandlers: PeerHandler[] = [];
  #present: readonly Member[] = [];
  #peers: readonly Peer[] = [];
  /** The dead whom the wire may still hear of, oldest first. */
  readonly #dismissed = new Set<Peer>();
  readonly #count: (event: MeshEvent) => void;
  /** Frames to oneself: they need no numbers, only a later tick. */
  #own: Returned[] = [];
  #flushing = false;
  #retry: Timer | undefined;
  #saying: Timer | undefined;
  #opened = 0;
  #closed = false;

  constructor(wire: Wire, options: MeshOptions) {
    this.self = wire.self.peer;
    this.#wire = wire;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#resend = options.resend ?? fixed.meshResend.value;
    this.#shared = {
      window: options.window ?? fixed.meshWindow.value,
      weigh: wire.weigh === undefined ? undefined : (frame) => wire.weigh!(frame),
      flying: 0,
    };
    this.#count = options.count ?? (() => {});
    wire.open({
      packet: (from, packet) => this.#receive(from, packet),
      members: (present) => this.#presence(present),
    });
  }

  peers(): readonly Peer[] {
    return this.#peers;
  }

  members(): readonly Member[] {
    return [this.#wire.self, ...this.#present];
  }

  get connected(): boolean {
    return this.#wire.connected;
  }

  probe(peer: Peer): Promise<Probe> {
    return this.#wire.probe(peer);
  }

  dismiss(peer: Peer): void {
    if (peer === this.self || this.#dismissed.has(peer)) return;
    this.#dismissed.add(peer);
    forgetOldest(this.#dismissed);
    this.#presence(this.#present);
  }

  send(to: Peer, service: Service, frame: object): void {
    if (this.#closed) return;
    if (to === this.self) {
      this.#own.push({ service, frame });
    } else {
      const pair = this.#pairs.get(to);
      if (pair === undefined) {
        this.#clock.soon(() => this.#tell(to, 'down', [{ service, frame }]));
        return;
      }
      pair.queue.push({ service, frame });
    }
    this.#flushSoon();
  }

  serve(service: Service, handler: Handler): void {
    this.#services.set(service, handler);
  }

  onPeer(handler: PeerHandler): void {
    this.#peerHandlers.push(handler);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#retry?.cancel();
    this.#saying?.cancel();
    this.#own = [];
    this.#pairs.clear();
    await this.#wire.close();
  }

  #flushSoon(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    this.#clock.soon(() => this.#flush());
  }

  #flush(): void {
    if (this.#closed) return;
    this.#flushing = true;
    // What these cause goes at once too, which saves each answer a turn of the event loop; the rest has its turn.
    for (let round = 0; round < rounds && this.#own.length > 0; round++) {
      const own = this.#own;
      this.#own = [];
      for (const { service, frame } of own) this.#handle(this.self, service, frame);
    }
    this.#flushing = false;
    if (this.#own.length > 0) this.#flushSoon();
    for (const [peer, pair] of this.#pairs) {
      const packet = pair.take();
      if (packet !== undefined) this.#wire.send(peer, packet);
      if (pair.waiting) this.#watch();
    }
  }

  /** One timer for all pairs, and only while something is unreceived. */
  #watch(): void {
    this.#retry ??= this.#clock.after(this.#resend, () => {
      this.#retry = undefined;
      for (const pair of this.#pairs.values()) pair.rewind();
      this.#flush();
    });
  }

  #receive(from: Peer, packet: Packet): void {
    const pair = this.#pairs.get(from);
    if (this.#closed || pair === undefined || packet.channel < pair.heard) return;
    if (packet.heard === pair.number && packet.received >= 0) pair.received(packet);
    if (packet.channel <= pair.floor) {
      // We gave this channel up, and may have handled what it repeats: the peer has to begin a new one.
      pair.refuses = packet.channel;
      this.#flushSoon();
      return;
    }
    if (packet.heard !== 0 && packet.heard !== pair.number) {
      // Meant for a channel that we gave up: answering tells the peer so, and returns its frames to it.
      pair.owes = true;
      this.#flushSoon();
      return;
    }
    if (packet.channel > pair.heard) {
      // The peer gave us up meanwhile (it saw us go and come back): what it had not received returns, we start anew.
      if (pair.heard !== 0) {
        this.#drop(from);
        if (this.#peers.includes(from)) this.#add(from);
        this.#receive(from, packet);
        return;
      }
      pair.heard = packet.channel;
    }
    if (packet.received < 0) {
      this.#begin(from, pair);
      return;
    }
    this.#take(from, pair, packet);
  }

  #take(from: Peer, pair: Pair, packet: Packet): void {
    let number = packet.first;
    for (const held of packet.frames) {
      if (number++ !== pair.expected) continue;
      pair.expected += 1;
      if (held !== undefined) this.#handle(from, held.service, held.frame, pair);
      if (pair.closed) return;
    }
    if (packet.frames.length > 0) {
      pair.unsaid += packet.frames.length;
      if (pair.unsaid >= fixed.meshUnsaid.value) pair.owes = true;
      else this.#sayLater();
    }
    if (pair.owes || pair.waiting) this.#flushSoon();
  }

  /** What was received is said with what goes there anyway; where nothing does, in a packet of its own a little later. */
  #sayLater(): void {
    this.#saying ??= this.#clock.after(Math.min(fixed.meshSay.value, this.#resend / 4), () => {
      this.#saying = undefined;
      for (const pair of this.#pairs.values()) if (pair.unsaid > 0) pair.owes = true;
      this.#flush();
    });
  }

  #handle(from: Peer, service: Service, frame: object, pair?: Pair): void {
    const handler = this.#services.get(service);
    if (pair?.maySpeak(service) === false) {
      this.#count('frame-refused');
      if (pair.refused(service))
        this.#log.warn({ from, service }, 'frames are refused: this sender may not say such');
      return;
    }
    // A process that starts is heard of before it does everything; a mux never does what an owner does.
    if (handler === undefined) return;
    try {
      handler(from, frame);
    } catch (error) {
      // Invariant 11: whatever a frame does, it does not stop the process nor the frames behind it.
      this.#log.error({ from, service, err: error }, 'frame handler failed');
    }
  }

  #presence(all: readonly Member[]): void {
    if (this.#closed) return;
    const present = all.filter(({ peer }) => !this.#dismissed.has(peer));
    const peers = present.map(({ peer }) => peer);
    const gone = this.#peers.filter((peer) => !peers.includes(peer));
    const fresh = peers.filter((peer) => !this.#peers.includes(peer));
    this.#present = present;
    this.#peers = peers;
    for (const peer of gone) this.#drop(peer);
    for (const member of present) {
      const pair = this.#pairs.get(member.peer);
      if (pair !== undefined) pair.member = member;
    }
    for (const peer of fresh) this.#add(peer);
  }

  #add(peer: Peer): void {
    this.#open(peer, this.#floors.get(peer) ?? 0);
    this.#tell(peer, 'up', []);
  }

  #drop(peer: Peer): void {
    const pair = this.#pairs.get(peer);
    if (pair === undefined) return;
    this.#pairs.delete(peer);
    pair.close();
    if (pair.heard > 0) {
      this.#floors.delete(peer);
      this.#floors.set(peer, pair.heard);
      forgetOldest(this.#floors);
    }
    this.#tell(peer, 'down', pair.queue);
  }

  /** The peer refuses our channel and not its own: what it said of that one stands, only our direction starts anew. */
  #begin(peer: Peer, before: Pair): void {
    this.#pairs.delete(peer);
    before.close();
    this.#tell(peer, 'down', before.queue);
    if (!this.#peers.includes(peer)) return;
    const pair = this.#open(peer, before.floor);
    pair.heard = before.heard;
    pair.expected = before.expected;
    this.#tell(peer, 'up', []);
  }

  #open(peer: Peer, floor: number): Pair {
    const pair = new Pair(++this.#opened, floor, this.#shared);
    const member = this.#present.find((one) => one.peer === peer);
    if (member !== undefined) pair.member = member;
    this.#pairs.set(peer, pair);
    return pair;
  }

  #tell(peer: Peer, state: 'up' | 'down', returned: readonly Returned[]): void {
    for (const handler of this.#peerHandlers) handler(peer, state, returned);
  }
}

/** How often in a row frames to oneself are looked at before everything else has its turn. */
const rounds = fixed.meshRounds.value;

/** Of the dead so many are remembered; the engine has long forgotten the others. */
function forgetOldest(of: Set<Peer> | Map<Peer, unknown>): void {
  if (of.size <= fixed.meshDismissed.value) return;
  for (const oldest of of.keys()) {
    of.delete(oldest);
    return;
  }
}
