import type { Clock, Timer } from '../base/clock.ts';
import { fixed } from '../base/fixed.ts';
import type { Log } from '../base/log.ts';
import {
  speakers,
  type Member,
  type Mesh,
  type Packet,
  type Peer,
  type Probe,
  type Returned,
  type Service,
  type Wire,
} from './mesh.ts';

/**
 * The one reliable channel above every wire: frames are numbered per peer, sent in one packet per tick, kept until the
 * peer has received them, and sent again where it has not said so for `resend` ms. A receiver handles a frame when it is
 * the next one and drops every other: what is missing comes again. At most `window` frames are on the wire at a time;
 * what is above waits here, bounded by what the sessions, lanes and outboxes in front of it may have open.
 */
export interface MeshOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** Milliseconds without progress until the unreceived frames are sent again. */
  readonly resend?: number;
  /** Frames on the wire per peer. */
  readonly window?: number;
  /** Called for a frame that its sender may not send, or that no service takes. */
  readonly count?: (event: 'frame-refused') => void;
}

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
  readonly #window: number;
  readonly #channels = new Map<Peer, Channel>();
  readonly #services = new Map<Service, Handler>();
  readonly #peerHandlers: PeerHandler[] = [];
  #present: readonly Member[] = [];
  #peers: readonly Peer[] = [];
  /** The dead whom the wire may still hear of, oldest first. */
  readonly #dismissed = new Set<Peer>();
  readonly #count: (event: 'frame-refused') => void;
  /** Frames to oneself: they need no numbers, only a later tick. */
  #own: Returned[] = [];
  #flushing = false;
  #retry: Timer | undefined;
  #opened = 0;
  #closed = false;

  constructor(wire: Wire, options: MeshOptions) {
    this.self = wire.self.peer;
    this.#wire = wire;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#resend = options.resend ?? fixed.meshResend.value;
    this.#window = options.window ?? fixed.meshWindow.value;
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
    if (this.#dismissed.size > remembered)
      for (const oldest of this.#dismissed) {
        this.#dismissed.delete(oldest);
        break;
      }
    this.#presence(this.#present);
  }

  send(to: Peer, service: Service, frame: object): void {
    if (this.#closed) return;
    if (to === this.self) {
      this.#own.push({ service, frame });
    } else {
      const channel = this.#channels.get(to);
      if (channel === undefined) {
        this.#clock.soon(() => this.#tell(to, 'down', [{ service, frame }]));
        return;
      }
      channel.queue.push({ service, frame });
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
    this.#own = [];
    this.#channels.clear();
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
    for (const [peer, channel] of this.#channels) {
      const packet = channel.take(this.#window);
      if (packet !== undefined) this.#wire.send(peer, packet);
      if (channel.waiting) this.#watch();
    }
  }

  /** One timer for all channels, and only while something is unreceived. */
  #watch(): void {
    this.#retry ??= this.#clock.after(this.#resend, () => {
      this.#retry = undefined;
      for (const channel of this.#channels.values()) channel.rewind();
      this.#flush();
    });
  }

  #receive(from: Peer, packet: Packet): void {
    const channel = this.#channels.get(from);
    if (this.#closed || channel === undefined) return;
    if (packet.channel < channel.heard) return;
    if (packet.heard !== 0 && packet.heard !== channel.number) {
      // Meant for a channel that we gave up: answering tells the peer so, and returns its frames to it.
      channel.owes = true;
      this.#flushSoon();
      return;
    }
    if (packet.channel > channel.heard) {
      // The peer gave us up meanwhile (it saw us go and come back): what it had not received returns, we start anew.
      if (channel.heard !== 0) {
        this.#drop(from);
        this.#add(from);
        this.#receive(from, packet);
        return;
      }
      channel.heard = packet.channel;
    }
    channel.received(packet);
    let number = packet.first;
    for (const { service, frame } of packet.frames) {
      if (number++ !== channel.expected) continue;
      channel.expected += 1;
      this.#handle(from, service, frame);
    }
    if (packet.frames.length > 0) channel.owes = true;
    if (channel.owes || channel.queue.length > 0) this.#flushSoon();
  }

  #handle(from: Peer, service: Service, frame: object): void {
    const handler = this.#services.get(service);
    if (handler === undefined || !this.#maySpeak(from, service)) {
      this.#count('frame-refused');
      this.#log.warn({ from, service }, 'a frame was refused: no such service here, or not for this sender');
      return;
    }
    try {
      handler(from, frame);
    } catch (error) {
      // Invariant 11: whatever a frame does, it does not stop the process nor the frames behind it.
      this.#log.error({ from, service, err: error }, 'frame handler failed');
    }
  }

  #maySpeak(from: Peer, service: Service): boolean {
    const role = speakers[service];
    if (role === 'anybody' || from === this.self) return true;
    return this.#present.find(({ peer }) => peer === from)?.roles.includes(role) === true;
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
    for (const peer of fresh) this.#add(peer);
  }

  #add(peer: Peer): void {
    this.#channels.set(peer, new Channel(++this.#opened));
    this.#tell(peer, 'up', []);
  }

  #drop(peer: Peer): void {
    const channel = this.#channels.get(peer);
    this.#channels.delete(peer);
    if (channel !== undefined) this.#tell(peer, 'down', channel.queue);
  }

  #tell(peer: Peer, state: 'up' | 'down', returned: readonly Returned[]): void {
    for (const handler of this.#peerHandlers) handler(peer, state, returned);
  }
}

/** How often in a row frames to oneself are looked at before everything else has its turn. */
const rounds = fixed.meshRounds.value;

/** The dead that are remembered; the engine has long forgotten the others. */
const remembered = fixed.meshDismissed.value;

/** Both directions with one peer. */
class Channel {
  readonly number: number;
  /** Frames that the peer has not said to have received; the first `sent` of them are on the wire. */
  readonly queue: Returned[] = [];
  #sent = 0;
  /** Number of `queue[0]`. */
  #base = 1;
  #moved = true;
  /** The peer's channel number and the frame that must come next. */
  heard = 0;
  expected = 1;
  /** The peer waits to hear what was received. */
  owes = false;

  constructor(number: number) {
    this.number = number;
  }

  get waiting(): boolean {
    return this.queue.length > 0;
  }

  take(window: number): Packet | undefined {
    const end = Math.min(this.queue.length, window);
    if (end <= this.#sent && !this.owes) return undefined;
    const frames = this.queue.slice(this.#sent, end);
    const first = this.#base + this.#sent;
    this.#sent = Math.max(this.#sent, end);
    this.owes = false;
    return { channel: this.number, first, frames, heard: this.heard, received: this.expected - 1 };
  }

  received(packet: Packet): void {
    if (packet.heard !== this.number || packet.received < this.#base) return;
    const count = packet.received - this.#base + 1;
    this.queue.splice(0, count);
    this.#base += count;
    this.#sent = Math.max(0, this.#sent - count);
    this.#moved = true;
  }

  /** Called each `resend` ms: where nothing was received since the last time, everything is sent again. */
  rewind(): void {
    if (!this.#moved) this.#sent = 0;
    this.#moved = false;
  }
}
