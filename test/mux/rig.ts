import assert from 'node:assert/strict';
import type { Clock, Timer } from '../../src/base/clock.ts';
import { quiet } from '../../src/base/log.ts';
import type { Random } from '../../src/base/random.ts';
import type { Down, Out, Up } from '../../src/link/frames.ts';
import type { Member, Probe, Mesh, Returned } from '../../src/mesh/mesh.ts';
import { openMux } from '../../src/mux/mux.ts';
import type { Mux, MuxOptions } from '../../src/mux/mux.ts';
import type { Transport, TransportHandlers } from '../../src/mux/transport.ts';
import { bounds } from '../../src/mux/bounds.ts';
import type { Route, Routes } from '../../src/placement/routes.ts';

/** A clock that stands still until `run`. */
export class TestClock implements Clock {
  #now = 0;
  #soon: (() => void)[] = [];
  #timers: { at: number; run: () => void }[] = [];

  now(): number {
    return 1_700_000_000_000 + this.#now;
  }
  mono(): number {
    return this.#now;
  }
  after(ms: number, run: () => void): Timer {
    const timer = { at: this.#now + ms, run };
    this.#timers.push(timer);
    return { cancel: () => void (this.#timers = this.#timers.filter((other) => other !== timer)) };
  }
  soon(run: () => void): void {
    this.#soon.push(run);
  }
  get timers(): number {
    return this.#timers.length;
  }
  /** Everything that is due now. */
  tick(): void {
    for (let round = 0; this.#soon.length > 0; round++) {
      assert.ok(round < 10_000, 'no end of work');
      const soon = this.#soon;
      this.#soon = [];
      for (const run of soon) run();
    }
  }
  run(ms: number): void {
    const end = this.#now + ms;
    this.tick();
    for (;;) {
      const next = this.#timers.toSorted((a, b) => a.at - b.at)[0];
      if (next === undefined || next.at > end) break;
      this.#timers = this.#timers.filter((other) => other !== next);
      this.#now = Math.max(this.#now, next.at);
      next.run();
      this.tick();
    }
    this.#now = end;
  }
}

const counting: Random = { bytes: (n) => new Uint8Array(n).fill(7), int: () => 0 };

/** A mesh whose other ends are the tests: what the mux sends is recorded by peer. */
export class TestMesh implements Mesh {
  readonly self = 'mux/1';
  readonly #clock: Clock;
  sent: { to: string; frame: Up }[] = [];
  #serve: ((from: string, frame: object) => void) | undefined;
  #onPeer: ((peer: string, state: 'up' | 'down', returned: readonly Returned[]) => void)[] = [];
  #present = new Set<string>(['a/1']);

  constructor(clock: Clock) {
    this.#clock = clock;
  }
  readonly connected = true;
  peers(): readonly string[] {
    return [...this.#present];
  }
  members(): readonly Member[] {
    return this.peers().map((peer) => ({ peer, roles: ['accounts'], health: undefined }));
  }
  probe(): Promise<Probe> {
    return Promise.resolve('there');
  }
  dismiss(): void {}
  send(to: string, _service: string, frame: object): void {
    this.sent.push({ to, frame: frame as Up });
  }
  serve(_service: string, handler: (from: string, frame: object) => void): void {
    this.#serve = handler;
  }
  onPeer(handler: (peer: string, state: 'up' | 'down', returned: readonly Returned[]) => void): void {
    this.#onPeer.push(handler);
  }
  close(): Promise<void> {
    return Promise.resolve();
  }
  /** A frame from a peer, in a later tick. */
  say(from: string, frame: Down): void {
    this.#clock.soon(() => this.#serve?.(from, frame));
  }
  up(peer: string): void {
    this.#present.add(peer);
    for (const handler of this.#onPeer) handler(peer, 'up', []);
  }
  down(peer: string, returned: readonly Up[] = []): void {
    this.#present.delete(peer);
    for (const handler of this.#onPeer)
      handler(
        peer,
        'down',
        returned.map((frame) => ({ service: 'account' as const, frame })),
      );
  }
}

export class TestRoutes implements Routes {
  #route: Route | undefined = { partition: 7, epoch: 1, server: 'a/1' };
  #handlers: ((route: Route) => void)[] = [];
  locate(): Route | undefined {
    return this.#route;
  }
  partition(partition: number): Route | undefined {
    return partition === this.#route?.partition ? this.#route : undefined;
  }
  epoch(): number {
    return this.#route?.epoch ?? 0;
  }
  onChange(handler: (route: Route) => void): void {
    this.#handlers.push(handler);
  }
  set(route: Route | undefined): void {
    this.#route = route;
    if (route !== undefined) for (const handler of this.#handlers) handler(route);
  }
}

export interface ClientOptions {
  framing?: 'stream' | 'frame';
  tls?: string;
  upgradable?: boolean;
  plain?: boolean;
  /** The network takes nothing until `drain`. */
  stuck?: boolean;
}

/** A transport in memory and the client at its other end. */
export class Client implements Transport {
  readonly framing: 'stream' | 'frame';
  readonly kind: 'tcp' | 'tls' | 'ws' = 'tcp';
  readonly address = '192.0.2.1';
  tls: string | undefined;
  readonly upgradable: boolean;
  readonly #clock: Clock;
  #handlers: TransportHandlers | undefined;
  #pending: string[] = [];
  #stuck: boolean;
  #held = 0;
  paused = false;
  trusted = false;
  /** Flushed by the server and not yet looked at. */
  got: string[] = [];
  /** Flushes that had something. */
  writes = 0;
  secured = 0;
  ended = false;
  closed = false;

  constructor(clock: Clock, options: ClientOptions = {}) {
    this.#clock = clock;
    this.framing = options.framing ?? 'stream';
    this.tls = options.tls;
    this.upgradable = options.upgradable ?? true;
    this.#stuck = options.stuck ?? false;
  }

  // the server's side
  open(handlers: TransportHandlers): void {
    this.#handlers = handlers;
  }
  write(text: string): void {
    this.#pending.push(text);
  }
  flush(): void {
    if (this.#pending.length === 0) return;
    this.writes += 1;
    if (this.#stuck) this.#held += this.#pending.join('').length;
    this.got.push(...this.#pending);
    this.#pending = [];
  }
  get queued(): number {
    return this.#held;
  }
  pause(): void {
    this.paused = true;
  }
  resume(): void {
    this.paused = false;
  }
  trust(): void {
    this.trusted = true;
  }
  secure(): void {
    this.flush();
    this.tls = 'TLSv1.3';
    this.secured += 1;
  }
  close(): void {
    this.flush();
    this.ended = true;
  }
  destroy(): void {
    this.ended = true;
    this.#clock.soon(() => this.cut());
  }

  // the client's side
  send(text: string | Uint8Array): void {
    assert.ok(!this.paused, 'sent although the socket is not read');
    this.#handlers?.data(this.framing === 'stream' && typeof text === 'string' ? Buffer.from(text) : text);
  }
  cut(): void {
    if (this.closed) return;
    this.closed = true;
    this.#handlers?.closed();
  }
  stick(): void {
    this.#stuck = true;
  }
  /** The network takes `bytes`, or everything that waits. */
  drain(bytes = this.#held): void {
    this.#held -= bytes;
    if (this.#held > 0) return;
    this.#stuck = false;
    this.#handlers?.drained();
  }
  /** What came since the last call, as one text. */
  read(): string {
    const text = this.got.join('');
    this.got = [];
    return text;
  }
}

/** A frame of an owner, without its head. */
export type Said = Headless<Down>;
type Headless<F> = F extends Down ? Omit<F, 'partition' | 'epoch'> : never;

/** A mux, a mesh whose owner is the test, and clients in memory. */
export class Rig {
  readonly clock = new TestClock();
  readonly mesh = new TestMesh(this.clock);
  readonly routes = new TestRoutes();
  readonly mux: Mux;
  readonly events = new Map<string, number>();

  constructor(options: Partial<MuxOptions> = {}) {
    this.mux = openMux({
      domains: ['example.org'],
      mesh: this.mesh,
      routes: this.routes,
      clock: this.clock,
      random: counting,
      log: quiet,
      count: (event) => void this.events.set(event, (this.events.get(event) ?? 0) + 1),
      ...options,
    });
  }

  connect(options: ClientOptions = { tls: 'TLSv1.3' }): Client {
    const client = new Client(this.clock, options);
    this.mux.accept(client, options.plain ?? false);
    return client;
  }

  /** Frames that the owner got since the last call. */
  frames(to = 'a/1'): Up[] {
    this.clock.tick();
    const mine = this.mesh.sent.filter((sent) => sent.to === to).map(({ frame }) => frame);
    this.mesh.sent = this.mesh.sent.filter((sent) => sent.to !== to);
    return mine.filter(({ t }) => t !== 'reported');
  }

  /** The frames of one kind, the others being dropped. */
  only<T extends Up['t']>(t: T, to = 'a/1'): Extract<Up, { t: T }>[] {
    // They are gathered.
    if (t === 'ack') this.clock.run(bounds.ackGather);
    return this.frames(to).filter((frame): frame is Extract<Up, { t: T }> => frame.t === t);
  }

  one<T extends Up['t']>(t: T, to = 'a/1'): Extract<Up, { t: T }> {
    const found = this.only(t, to);
    assert.equal(found.length, 1, `one ${t} frame`);
    return found[0] as Extract<Up, { t: T }>;
  }

  say(frame: Said, from = 'a/1', epoch = 1): void {
    this.mesh.say(from, { partition: 7, epoch, ...frame } as Down);
    this.clock.tick();
  }

  /** Up to a bound session with this id; its transport has nothing unread. */
  login(session = 100, options: ClientOptions = { tls: 'TLSv1.3' }): Client {
    const client = this.authenticate(options);
    client.send(options.framing === 'frame' ? framedBind : bindIq);
    const { conn } = this.one('bind');
    this.say({ t: 'bound', conn, ...link(session) });
    assert.match(client.read(), /<jid>alice@example.org\/phone<\/jid>/);
    return client;
  }

  authenticate(options: ClientOptions = { tls: 'TLSv1.3' }): Client {
    const client = this.connect(options);
    const open = options.framing === 'frame' ? openFrame : header;
    client.send(open);
    client.send(plainAuth('alice'));
    const { conn } = this.one('auth');
    this.say({ t: 'authed', conn, account: 'alice@example.org', proof: 'p', data: undefined });
    assert.match(client.read(), /<success/);
    client.send(open);
    this.clock.tick();
    assert.match(client.read(), /<bind /);
    return client;
  }
}

export const link = (session = 100, generation = 1) => ({
  session,
  account: 'alice@example.org',
  resource: 'phone',
  generation,
  ticket: 'ticket',
});

export const header =
  "<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' to='example.org' version='1.0'>";
export const openFrame = "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='example.org' version='1.0'/>";
export const bindIq = "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>";
const framedBind = bindIq.replace('<iq', "<iq xmlns='jabber:client'");
export const plainAuth = (user: string) =>
  `<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>${b64(`\0${user}\0secret`)}</auth>`;
export const b64 = (text: string) => Buffer.from(text).toString('base64');

/** An outbound stanza. */
export function out(
  session: number,
  m: number,
  text = `<message id="m${m}"/>`,
  more: Partial<Out> = {},
): Said {
  return { t: 'out', session, m, text, feed: undefined, pos: 0, answers: 0, ...more };
}
