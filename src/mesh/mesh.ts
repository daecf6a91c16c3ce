/**
 * The seam between processes (DESIGN §7). `wire` carries packets at most once and knows who is there; `openMesh`
 * (channel.ts) makes of it, the same for every wire, frames that arrive exactly once and in order while both ends live.
 */

/** A process: its server's name and its incarnation, `name/incarnation`. A restarted server is another peer. */
export type Peer = string;

/** Who takes a frame at the other end. */
export type Service = 'mux' | 'account' | 'post' | 'routes';

export interface Mesh {
  readonly self: Peer;
  /** Everybody who is there now, without this process itself. */
  peers(): readonly Peer[];
  /**
   * Sends in order, asynchronously, also to oneself; never throws and never calls a handler before it returns. To a
   * peer that is not there: the frame is returned through `onPeer` handlers.
   */
  send(to: Peer, service: Service, frame: object): void;
  /** One handler a service. It must not throw; a frame counts as received when it returns. */
  serve(service: Service, handler: (from: Peer, frame: object) => void): void;
  /** `up` when a peer appears; `down` when it is gone for good, with the frames that it has not received, in order. */
  onPeer(handler: (peer: Peer, state: 'up' | 'down', returned: readonly Returned[]) => void): void;
  close(): Promise<void>;
}

export interface Returned {
  readonly service: Service;
  readonly frame: object;
}

/** At most once, in any order, unless the engine promises more. */
export interface Wire {
  readonly self: Peer;
  open(handlers: { packet(from: Peer, packet: Packet): void; peers(present: readonly Peer[]): void }): void;
  send(to: Peer, packet: Packet): void;
  close(): Promise<void>;
}

/** Frames `first`, `first + 1`, …, and what the sender has received from the other side. */
export interface Packet {
  /** Which channel of the sender's towards this peer: a new one, with a higher number, starts again at 1. */
  readonly channel: number;
  readonly first: number;
  readonly frames: readonly Returned[];
  /** The highest frame received in order of the other side's channel `heard`; 0 and 0 before the first packet. */
  readonly heard: number;
  readonly received: number;
}
