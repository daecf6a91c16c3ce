import {
  connect,
  errors,
  type ConnectionOptions,
  type Msg,
  type NatsConnection,
} from '@nats-io/transport-node';
import { sleep, type Clock, type Timer } from '../base/clock.ts';
import { Failure } from '../base/failure.ts';
import { fixed } from '../base/fixed.ts';
import type { Log } from '../base/log.ts';
import type { Random } from '../base/random.ts';
import { Turns } from '../base/turns.ts';
import type { Codec, Member, Packet, Peer, Probe, Returned, Wire } from './mesh.ts';
import { beaconOf, farewell, Roster, type Heard } from './roster.ts';
import { answers, here, heres, inboxes, probe, sideOf, whose, type End } from './subjects.ts';
import { failureOf, forbidden, tooSmall } from './trouble.ts';
import { natsAddress, tlsFor, type NatsAddress } from './url.ts';

/**
 * The wire between processes: NATS. One inbox per process, one message per packet, the sender known by the subject, which
 * the server's permissions guard (subjects.ts, docs/nats.md). At most once: while there is no connection, or NATS does
 * not take what it was given, packets are dropped and never kept, because the channel sends their frames again.
 */
export interface NatsOptions {
  /** The configuration key `mesh` (url.ts). */
  readonly url: string;
  readonly self: Member;
  readonly codec: Codec;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly count?: (event: NatsEvent) => void;
  /** Milliseconds of silence until somebody is gone. */
  readonly silence?: number;
  /** Milliseconds in which the first connection must succeed. */
  readonly first?: number;
}

export type NatsEvent =
  | Heard
  | 'lost'
  | 'back'
  /** Between being lost and back, or with too much under way. */
  | 'packet-dropped'
  /** Does not parse, or comes from nobody who is there. */
  | 'packet-refused'
  /** Cannot be coded or carried: it is not sent. */
  | 'frame-lost'
  | 'permission-denied';

/** Smallest `max_payload` of a server: an attach frame holds what a session may have unacknowledged. */
const leastPayload = 4 * 1024 * 1024;
/** What a packet has beside its frames. */
const headroom = 1024;
/** After so many bytes NATS is asked whether it has them. */
const stride = 256 * 1024;

/**
 * Connects, or throws Failure('mesh-refused') where a server does not want us or is not set up for us, and
 * Failure('mesh-unavailable') where none answers; each with one line for the administrator. Later both are logged, and
 * tried again for ever.
 */
export async function openNatsWire(options: NatsOptions): Promise<Wire> {
  const address = natsAddress(options.url);
  const wire = new NatsWire(address, options);
  await wire.begin(options.first ?? fixed.meshFirst.value);
  return wire;
}

type Handlers = Parameters<Wire['open']>[0];

/** One connection, from when it is up until it is lost. */
interface Link {
  readonly nats: NatsConnection;
  readonly server: string;
  readonly maxPayload: number;
  /** Monotonic time of the last answer to a ping. */
  pong: number;
  /** Bytes given and not acknowledged; those for which nobody has asked yet. */
  pending: number;
  unasked: number;
  /** Subscriptions that the server refused. */
  readonly denied: string[];
}

class NatsWire implements Wire {
  readonly self: Member;
  readonly #me: End;
  readonly #address: NatsAddress;
  readonly #options: NatsOptions;
  readonly #roster: Roster;
  /** Packets and news of others, in the order in which they came. */
  readonly #inbound: Turns<Inbound>;
  readonly #count: (event: NatsEvent) => void;
  readonly #beacon: string;
  #handlers: Handlers | undefined;
  #link: Link | undefined;
  #limit = leastPayload - headroom;
  #timer: Timer | undefined;
  #ticked = 0;
  #greeting = false;
  #closed = false;
  /** Whose packets did not parse, and what was not permitted: each once in the log. */
  readonly #named = new Set<string>();

  constructor(address: NatsAddress, options: NatsOptions) {
    const { self, codec, clock, log } = options;
    this.self = self;
    this.#me = { side: sideOf(self.roles), peer: self.peer };
    this.#address = address;
    this.#options = options;
    this.#count = options.count ?? (() => {});
    this.#beacon = beaconOf(self, codec.versions);
    this.#inbound = new Turns(clock, fixed.meshTurn.value, (one) => this.#take(one));
    this.#roster = new Roster({
      self: this.#me,
      clock,
      log,
      versions: codec.versions,
      silence: options.silence ?? fixed.meshSilence.value,
      count: this.#count,
    });
  }

  // ── the contract ──────────────────────────────────────────────────────────────────────────────────────────────

  open(handlers: Handlers): void {
    this.#handlers = handlers;
    this.#ticked = this.#options.clock.mono();
    this.#tick();
    handlers.members(this.#roster.members);
  }

  /** NATS answered lately; what it does not answer, nobody can hear. */
  get connected(): boolean {
    return (
      this.#link !== undefined && this.#options.clock.mono() - this.#link.pong < 3 * fixed.meshBeacon.value
    );
  }

  weigh(frame: Returned): number {
    if (frame.text === undefined) {
      const text = this.#options.codec.frame(frame);
      if (text === undefined) this.#lose(frame, 'it holds what cannot be coded');
      else if (text.length > this.#limit / 3 && Buffer.byteLength(text) > this.#limit)
        this.#lose(frame, 'it is larger than max_payload of NATS lets through');
      else frame.text = text;
    }
    return Buffer.byteLength(frame.text!);
  }

  send(to: Peer, packet: Packet): void {
    const entry = this.#roster.find(to);
    const link = this.#link;
    if (entry === undefined || link === undefined || link.pending > fixed.meshBacklog.value) {
      this.#count('packet-dropped');
      return;
    }
    const { hole } = this.#options.codec;
    const texts = packet.frames.map((frame) => {
      if (frame !== undefined && frame.text === undefined) this.weigh(frame);
      return frame?.text ?? hole;
    });
    // A packet is taken in one piece at the other end (turns.ts).
    let first = 0;
    let bytes = 0;
    for (let next = 0; next < texts.length; next++) {
      bytes += texts[next]!.length;
      if (bytes < fixed.meshPacket.value || next === texts.length - 1) continue;
      this.#publish(link, entry.to, { ...packet, first: packet.first + first }, texts.slice(first, next + 1));
      first = next + 1;
      bytes = 0;
    }
    const rest = first === 0 ? texts : texts.slice(first);
    this.#publish(link, entry.to, { ...packet, first: packet.first + first }, rest);
  }

  async probe(peer: Peer): Promise<Probe> {
    const link = this.#link;
    const side = this.#roster.side(peer) ?? 'a';
    if (link === undefined || (side === 'm' && this.#me.side === 'm')) return 'silent';
    try {
      await link.nats.request(probe({ side, peer }), undefined, { timeout: fixed.meshLook.value });
      return 'there';
    } catch (error) {
      const nobody =
        error instanceof errors.NoRespondersError ||
        (error instanceof errors.RequestError && error.isNoResponders());
      return nobody ? 'nobody' : 'silent';
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#timer?.cancel();
    this.#handlers = undefined;
    const link = this.#link;
    this.#link = undefined;
    if (link === undefined) return;
    link.nats.publish(here(this.#me), farewell);
    const flushed = link.nats.flush().catch(() => {});
    await Promise.race([flushed, sleep(this.#options.clock, fixed.meshLook.value)]);
    await link.nats.close().catch(() => {});
  }

  /** In one message, or in as many as the server's `max_payload` asks for: a packet may be cut between any two frames. */
  #publish(link: Link, subject: string, packet: Packet, texts: readonly string[]): void {
    const data = Buffer.from(this.#options.codec.join(packet, texts), 'utf8');
    if (data.length > link.maxPayload) {
      const half = texts.length >> 1;
      if (half === 0) return this.#publish(link, subject, packet, [this.#options.codec.hole]);
      this.#publish(link, subject, packet, texts.slice(0, half));
      this.#publish(link, subject, { ...packet, first: packet.first + half }, texts.slice(half));
      return;
    }
    link.nats.publish(subject, data);
    link.pending += data.length;
    link.unasked += data.length;
    if (link.unasked >= stride) this.#ask(link);
  }

  /** Asks NATS to answer behind everything that it was given so far. */
  #ask(link: Link): void {
    const bytes = link.unasked;
    link.unasked = 0;
    link.nats.flush().then(
      () => {
        link.pending -= bytes;
        link.pong = this.#options.clock.mono();
      },
      () => {},
    );
  }

  /**
   * A frame that can never be sent must not hold up those behind it for ever. It keeps its number and arrives as nothing;
   * who sent it finds out as if the receiver had died with it.
   */
  #lose(frame: Returned, why: string): void {
    frame.text = this.#options.codec.hole;
    this.#count('frame-lost');
    const { t } = frame.frame as { readonly t?: unknown };
    this.#options.log.error({ service: frame.service, frame: t }, `a frame is not sent: ${why}`);
  }

  /** What a beacon repeats counts at once, however much waits: its sender is not silent. */
  #hear(subject: string, body: string): void {
    const end = whose(subject);
    if (end !== undefined && !this.#roster.again(end, body)) this.#inbound.push({ end, body });
  }

  #take(inbound: Inbound): void {
    if (this.#closed) return;
    if ('body' in inbound) this.#news(inbound.end, inbound.body);
    else this.#packet(inbound.subject, inbound.data);
  }

  #packet(subject: string, data: Uint8Array): void {
    const from = this.#roster.sender(subject);
    const packet = from === undefined ? undefined : this.#options.codec.decode(data);
    if (from !== undefined && packet !== undefined) {
      this.#handlers?.packet(from, packet);
      return;
    }
    this.#count('packet-refused');
    // Strangers are usual for a moment after a start: their beacon has not come yet.
    if (from !== undefined)
      this.#name(from, { from, bytes: data.length }, 'a packet does not parse and is dropped');
  }

  #news(end: End, body: string): void {
    if (this.#handlers === undefined) return;
    const news = this.#roster.hear(end, body);
    if (news === undefined) return;
    if (news === 'new') this.#greet();
    this.#handlers?.members(this.#roster.members);
  }

  /** Who is new has not heard of us either, and need not wait for the next beacon. */
  #greet(): void {
    if (this.#greeting) return;
    this.#greeting = true;
    this.#options.clock.soon(() => {
      this.#greeting = false;
      this.#link?.nats.publish(here(this.#me), this.#beacon);
    });
  }

  // ── the pulse ─────────────────────────────────────────────────────────────────────────────────────────────────

  #tick(): void {
    if (this.#closed) return;
    const { clock } = this.#options;
    const now = clock.mono();
    const late = now - this.#ticked > 3 * fixed.meshBeacon.value;
    this.#ticked = now;
    const link = this.#link;
    if (link !== undefined) {
      // This process itself stood still: what others said meanwhile has yet to be read.
      if (late) {
        link.pong = now;
        this.#roster.fresh();
      }
      if (now - link.pong > fixed.meshAnswer.value) this.#lost(link, 'no answer');
      else {
        link.nats.publish(here(this.#me), this.#beacon);
        this.#ask(link);
      }
    }
    if (!this.connected) this.#roster.fresh();
    else if (this.#roster.sweep()) this.#handlers?.members(this.#roster.members);
    this.#timer = clock.after(fixed.meshBeacon.value, () => this.#tick());
  }

  // ── the connection ────────────────────────────────────────────────────────────────────────────────────────────

  async begin(patience: number): Promise<void> {
    const { clock, random } = this.#options;
    const end = clock.mono() + patience;
    const { servers } = this.#address;
    const start = random.int(servers.length);
    const order = [...servers.slice(start), ...servers.slice(0, start)];
    for (;;) {
      const problem = await this.#dial(order);
      if (problem === undefined) return;
      if (problem.code === 'mesh-refused' || clock.mono() >= end) throw problem;
      await sleep(clock, pause);
    }
  }

  /** Tries each server once; what is wrong with the last one, unless one was right. */
  async #dial(servers: readonly string[]): Promise<Failure | undefined> {
    let problem: Failure | undefined;
    for (const server of servers) {
      if (this.#closed) break;
      try {
        const link = await this.#connect(server);
        if (this.#closed) await link.nats.close();
        else this.#link = link;
        return undefined;
      } catch (error) {
        const failure =
          error instanceof Failure
            ? error
            : failureOf(this.#address, server, error, error instanceof errors.AuthorizationError);
        // One that refuses says more than one that does not answer.
        if (problem?.code !== 'mesh-refused') problem = failure;
      }
    }
    return problem;
  }

  async #connect(server: string): Promise<Link> {
    const { user, password } = this.#address;
    const nats = await connect({
      servers: server,
      name: this.self.peer,
      user,
      pass: password,
      tls: tlsFor(this.#address, server) as ConnectionOptions['tls'],
      inboxPrefix: answers(this.#me.side),
      timeout: fixed.meshAnswer.value,
      pingInterval: 1000,
      maxPingOut: 2,
      // The wire dials anew itself: the library would keep what is published meanwhile, and waits for the unsent bytes
      // of a connection to a frozen server before it tries another.
      reconnect: false,
      ignoreClusterUpdates: true,
      noEcho: true,
      noAsyncTraces: true,
    });
    try {
      return await this.#enter(nats, server);
    } catch (error) {
      await nats.close().catch(() => {});
      throw error;
    }
  }

  async #enter(nats: NatsConnection, server: string): Promise<Link> {
    const { clock } = this.#options;
    const most = nats.info?.max_payload ?? 0;
    if (most < leastPayload) throw tooSmall(server, most, leastPayload);
    const maxPayload = most - headroom;
    const link: Link = { nats, server, maxPayload, pong: clock.mono(), pending: 0, unasked: 0, denied: [] };
    this.#watch(link);
    const listen = (subject: string, heard: (message: Msg) => void) =>
      nats.subscribe(subject, {
        callback: (error, message) => {
          if (error !== null) link.denied.push(subject);
          else if (!this.#closed) heard(message);
        },
      });
    listen(inboxes(this.#me), ({ subject, data }) => this.#inbound.push({ subject, data }));
    listen(heres(this.#me.side), (message) => this.#hear(message.subject, message.string()));
    listen(probe(this.#me), (message) => {
      // A reply is sent with our permissions: to nothing but an inbox for replies.
      if (message.reply?.startsWith('_INBOX_') === true) message.respond();
    });
    await Promise.race([nats.flush(), this.#gone(nats)]);
    if (link.denied.length > 0) throw forbidden(this.#address, this.#me.side, link.denied[0]!);
    this.#limit = maxPayload - headroom;
    return link;
  }

  /** Rejects when the connection has ended, or has not answered in time. */
  async #gone(nats: NatsConnection): Promise<never> {
    const why = await Promise.race([nats.closed(), sleep(this.#options.clock, fixed.meshAnswer.value)]);
    throw why ?? new Error('no answer');
  }

  #watch(link: Link): void {
    const follow = async () => {
      for await (const status of link.nats.status()) {
        if (status.type === 'error') this.#complaint(status.error);
        else if (status.type === 'staleConnection') this.#lost(link, 'no answer');
        else if (status.type === 'disconnect' || status.type === 'close') this.#lost(link, 'closed');
        else if (status.type === 'ldm') this.#lost(link, 'that server shuts down');
      }
    };
    follow().catch((error: unknown) => this.#options.log.error({ err: error }, 'the mesh’s status ended'));
  }

  #complaint(error: Error): void {
    if (!(error instanceof errors.PermissionViolationError)) return;
    this.#count('permission-denied');
    const { operation, subject } = error;
    this.#name(`${operation} ${subject}`, { operation, subject }, 'NATS does not permit this to our user');
  }

  #lost(link: Link, why: string): void {
    if (this.#link !== link) return;
    this.#link = undefined;
    this.#count('lost');
    const { log, clock } = this.#options;
    log.warn({ server: link.server, why }, 'the mesh is lost: trying the servers of the list');
    // Not awaited: it may wait for a server that does not answer.
    link.nats.close().catch(() => {});
    const since = clock.mono();
    this.#again(link.server, since).catch((error: unknown) =>
      log.error({ err: error }, 'the mesh stays lost'),
    );
  }

  async #again(last: string, since: number): Promise<void> {
    const { clock, log, random } = this.#options;
    const { servers } = this.#address;
    const order = [...servers.filter((server) => server !== last), last];
    let said = '';
    while (!this.#closed) {
      const problem = await this.#dial(order);
      if (problem === undefined) break;
      if (problem.message !== said && problem.code === 'mesh-refused') log.error({}, problem.message);
      said = problem.message;
      await sleep(clock, pause + random.int(pause));
    }
    const link = this.#link;
    if (this.#closed || link === undefined) return;
    this.#count('back');
    log.info({ server: link.server, after: Math.round(clock.mono() - since) }, 'the mesh is back');
    this.#roster.fresh();
    link.nats.publish(here(this.#me), this.#beacon);
  }

  #name(key: string, fields: object, text: string): void {
    if (this.#named.has(key) || this.#named.size >= fixed.meshMembers.value) return;
    this.#named.add(key);
    this.#options.log.warn(fields, text);
  }
}

/** A packet, or a beacon that says something new. */
type Inbound =
  | { readonly subject: string; readonly data: Uint8Array }
  | { readonly end: End; readonly body: string };

/** Milliseconds between two rounds through the list of servers. */
const pause = 100;
