/**
 * The seam between processes (DESIGN §7). `wire` carries packets at most once and knows who is there; `openMesh`
 * (channel.ts) makes of it, the same for every wire, frames that arrive exactly once and in order while both ends live.
 */

/** A process: its server's name and its incarnation, `name/incarnation`. A restarted server is another peer. */
export type Peer = string;

/** Who takes a frame at the other end. */
export type Service = keyof typeof speakers;

/**
 * Who may speak to a service: owners of accounts (`accounts`), owners of anything (`owners`), muxes (`mux`), or anybody. A
 * mux that sends what only an owner may say is not heard (channel.ts), whatever the engine's own permissions let through.
 */
export const speakers = {
  mux: 'accounts',
  account: 'mux',
  post: 'owners',
  routes: 'owners',
  /** Asks an owner for all its routes. */
  asks: 'anybody',
  /** What a room tells the servers of its occupants, and what they tell it (link/rooms.ts). */
  hall: 'rooms',
  room: 'accounts',
  placement: 'owners',
  admin: 'owners',
} as const;

/** What a process tells all others of itself, again and again. */
export interface Member {
  readonly peer: Peer;
  readonly roles: readonly string[];
  /** `host:port` where its incarnation can be asked (health.ts); undefined where there is only one process. */
  readonly health: string | undefined;
  /** `host:port` where a mux passes uploads and downloads on (admin/internal.ts); undefined where it cannot. */
  readonly files?: string | undefined;
}

/** What came of looking for a process: it answered, the engine knows nobody of that name, or nothing came in time. */
export type Probe = 'there' | 'nobody' | 'silent';

export interface Mesh {
  readonly self: Peer;
  /** Everybody who is there now, without this process itself. */
  peers(): readonly Peer[];
  /** The same with what they told of themselves, this process included. */
  members(): readonly Member[];
  /**
   * Sends in order, asynchronously, also to oneself; never throws and never calls a handler before it returns. To a
   * peer that is not there: the frame is returned through `onPeer` handlers.
   */
  send(to: Peer, service: Service, frame: object): void;
  /** One handler a service. It must not throw; a frame counts as received when it returns. */
  serve(service: Service, handler: (from: Peer, frame: object) => void): void;
  /** `up` when a peer appears; `down` when it is gone for good, with the frames that it has not received, in order. */
  onPeer(handler: (peer: Peer, state: 'up' | 'down', returned: readonly Returned[]) => void): void;
  /** Looks for a peer, past the channel: see `Wire.probe`. */
  probe(peer: Peer): Promise<Probe>;
  /** This process can hear others: while it cannot, nobody's silence says anything (invariant 7). */
  readonly connected: boolean;
  /** It is known to be dead: `down` at once, and nothing that it may still say is heard. */
  dismiss(peer: Peer): void;
  close(): Promise<void>;
}

export interface Returned {
  readonly service: Service;
  readonly frame: object;
  /** The wire's own: what it made of the frame, for sending it again. */
  text?: string;
}

/** At most once, in any order, unless the engine promises more. */
export interface Wire {
  readonly self: Member;
  open(handlers: {
    packet(from: Peer, packet: Packet): void;
    /** Everybody who is there now, without this process itself; called after each change. */
    members(present: readonly Member[]): void;
  }): void;
  send(to: Peer, packet: Packet): void;
  /**
   * Bytes that a frame takes on this wire, which may code it now and keep the text for sending it again. Only wires that
   * leave the process have it: the channel then bounds what is under way in bytes too.
   */
  weigh?(frame: Returned): number;
  /** Resolves in at most a second; never rejects. */
  probe(peer: Peer): Promise<Probe>;
  readonly connected: boolean;
  close(): Promise<void>;
}

/** Frames `first`, `first + 1`, …, and what the sender has received from the other side. */
export interface Packet {
  /** Which channel of the sender's towards this peer: a new one, with a higher number, starts again at 1. */
  readonly channel: number;
  readonly first: number;
  /** undefined: one that its sender could not code; it has its number and nothing else. */
  readonly frames: readonly (Returned | undefined)[];
  /**
   * The highest frame received in order of the other side's channel `heard`; 0 and 0 before the first packet. −1: that
   * channel is given up and has to be begun anew.
   */
  readonly heard: number;
  readonly received: number;
}

/** Packets as text, for wires that leave the process (link/codec.ts). */
export interface Codec {
  /** The version that is written, and the oldest that is read. */
  readonly versions: Versions;
  /** The text of a frame, made once however often it is sent; undefined where it holds what cannot be coded. */
  frame(frame: Returned): string | undefined;
  /** Stands for a frame that cannot be sent. */
  readonly hole: string;
  join(packet: Omit<Packet, 'frames'>, frames: readonly string[]): string;
  /** undefined where it is no packet, or of a version that is not read. Never throws. */
  decode(bytes: Uint8Array): Packet | undefined;
}

export interface Versions {
  readonly oldest: number;
  readonly newest: number;
}
