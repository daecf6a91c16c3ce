import type { Clock, Timer } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Random } from '../base/random.ts';
import type { Cast, Down, End, Up } from '../link/frames.ts';
import type { Mesh, Peer } from '../mesh/mesh.ts';
import type { Route, Routes } from '../placement/routes.ts';
import { attach } from './attach.ts';
import { askAgain } from './asking.ts';
import { bounds as usual } from './bounds.ts';
import type { Bounds } from './bounds.ts';
import { componentVerbs } from './component.ts';
import { Connection } from './connection.ts';
import type { Verbs } from './connection.ts';
import type { Acknowledging, Core, Count, Flushed, Wait, Waiter } from './core.ts';
import { Deadlines } from './deadlines.ts';
import { Guard } from './guard.ts';
import { usual as usualOffering, without, type Offering } from './offering.ts';
import { forLogin, forSession } from './owner.ts';
import type { ForLogin } from './owner.ts';
import { onOwnerLost } from './exchange.ts';
import type { Session } from './session.ts';
import type { StreamCondition } from '../xmpp/error.ts';
import type { Transport } from './transport.ts';
import { verbs } from './verbs.ts';

export interface MuxOptions {
  /** Served domains, in normal form. */
  readonly domains: readonly string[];
  /** Domains of external components, which connect for them (component.ts). */
  readonly components?: readonly string[];
  readonly mesh: Mesh;
  readonly routes: Routes;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Offers in-band registration (XEP-0077). */
  readonly registration?: boolean;
  /** How clients may authenticate; without it by a password. */
  readonly offering?: Offering;
  readonly bounds?: Partial<Bounds>;
  readonly count?: Count;
}

/** Holds clients' connections: see `Mux`. It serves the mesh's service `mux`. */
export function openMux(options: MuxOptions): Mux {
  return new Mux(options);
}

/**
 * A mux holds clients' streams and passes what they say to the owners of their accounts. It decides nothing, has no
 * credentials and stores nothing; what it keeps of a session (session.ts) lets another owner go on (attach.ts).
 */
export class Mux implements Core {
  readonly domains: ReadonlySet<string>;
  readonly components: ReadonlySet<string>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly bounds: Bounds;
  readonly registration: boolean;
  readonly #offering: Offering;
  readonly guard: Guard;
  readonly count: Count;
  readonly #mesh: Mesh;
  readonly #routes: Routes;
  readonly #verbs: { readonly client: Verbs; readonly component: Verbs };
  readonly #waits: Record<Wait, Deadlines<Waiter>>;

  /** Connections without a session by their number, and sessions by their id. */
  readonly #logins = new Map<number, Connection>();
  readonly #sessions = new Map<number, Session>();
  /** Sessions whose connection is gone while nobody could be told. */
  readonly #orphans: Deadlines<Session>;
  /** `end` frames of late: their owner may be gone, or on its way out, before it acted on them; the next one gets them. */
  readonly #farewells: Deadlines<End>;
  #lastConn = 0;
  #alive = 0;

  readonly #peers: Set<Peer>;
  /** Partitions that were heard of, and to which owner and epoch everything was reported. */
  readonly #reported = new Map<number, Route | undefined>();
  #routing = false;

  #dirty: Flushed[] = [];
  readonly #acknowledging = new Set<Acknowledging>();
  #acknowledgeTimer: Timer | undefined;
  #closing: (() => void) | undefined;
  #draining: Promise<void> | undefined;

  constructor(options: MuxOptions) {
    const { clock, mesh, routes } = options;
    this.domains = new Set(options.domains);
    this.components = new Set(options.components);
    this.clock = clock;
    this.random = options.random;
    this.log = options.log;
    this.bounds = { ...usual, ...options.bounds };
    this.registration = options.registration ?? false;
    this.#offering = options.offering ?? usualOffering;
    this.guard = new Guard(clock, this.bounds.failures, this.bounds.failurePause);
    this.count = options.count ?? (() => {});
    this.#mesh = mesh;
    this.#routes = routes;
    const gone = (conn: Connection): void => this.#gone(conn);
    this.#verbs = { client: { ...verbs, gone }, component: { ...componentVerbs, gone } };
    const wait = (what: Wait, ms: number) => new Deadlines<Waiter>(clock, ms, (who) => who.expired(what));
    this.#waits = {
      login: wait('login', this.bounds.loginTime),
      route: wait('route', this.bounds.routeTime),
      answer: wait('answer', this.bounds.answerTime),
      ack: wait('ack', this.bounds.ackTime),
      pace: wait('pace', this.bounds.paceTurn),
      stall: wait('stall', this.bounds.outStall),
      close: wait('close', this.bounds.closeTime),
    };
    this.#farewells = new Deadlines(clock, this.bounds.farewellTime, () => {});
    this.#orphans = new Deadlines(clock, this.bounds.orphanTime, (session) => this.#forget(session));
    this.#peers = new Set([mesh.self, ...mesh.peers()]);
    mesh.serve('mux', (from, frame) => this.#receive(from, frame as Down));
    mesh.onPeer((peer, state) => this.#peer(peer, state));
    routes.onChange(({ partition }) => {
      // Nobody has a session with a room.
      if (routes.kindOf?.(partition) !== 'room') this.#learn(partition);
    });
  }

  get caps(): string | undefined {
    return this.#routes.caps;
  }

  get offering(): Offering {
    return without(this.#offering, this.#routes.lacking);
  }

  /** Connections that are open, and sessions that are mirrored. */
  get size(): { readonly connections: number; readonly logins: number; readonly sessions: number } {
    return { connections: this.#alive, logins: this.#logins.size, sessions: this.#sessions.size };
  }

  /** Takes a new connection. `plain`: its listener needs no encryption (`tls: off`). */
  accept(transport: Transport, plain = false, of: 'client' | 'component' = 'client'): void {
    if (this.#draining !== undefined) return transport.destroy();
    const conn = new Connection(this, this.#verbs[of], transport, ++this.#lastConn, plain);
    this.#alive += 1;
    this.count('accepted', transport.kind);
    this.#logins.set(conn.id, conn);
    this.wait('login', conn);
    transport.open(conn);
    if (this.#logins.size <= this.bounds.logins) return;
    this.count('overflow', 'logins');
    for (const oldest of this.#logins.values()) return oldest.fail('resource-constraint');
  }

  /**
   * Closes every stream with `system-shutdown`, spread over `ms` milliseconds so that not all clients come back at once.
   * Sessions that can be resumed wait for it elsewhere. Ends when the last connection has, at most `closeTime` later.
   */
  drain(ms = 0): Promise<void> {
    this.#draining ??= this.#drain(ms);
    return this.#draining;
  }

  async #drain(ms: number): Promise<void> {
    const all = [...this.#sessions.values()].map(({ outlet }) => outlet);
    const step = 50;
    const share = Math.ceil(all.length / Math.max(1, ms / step));
    for (const conn of this.#logins.values()) conn.fail('system-shutdown');
    const some = (from: number): void => {
      for (const outlet of all.slice(from, from + share)) outlet?.fail('system-shutdown');
      if (from + share < all.length) this.clock.after(step, () => some(from + share));
    };
    some(0);
    if (this.#alive > 0) await new Promise<void>((resolve) => (this.#closing = resolve));
    for (const wait of Object.values(this.#waits)) wait.close();
    this.#acknowledgeTimer?.cancel();
    this.#orphans.close();
    this.#farewells.close();
  }

  // ── core ────────────────────────────────────────────────────────────────────────────────────────────────────────

  send(to: Peer, frame: Up): void {
    if (frame.t === 'end') this.#remember(frame);
    this.#mesh.send(to, 'account', frame);
  }

  locate(address: string): Route | undefined {
    return this.#there(this.#routes.locate(address));
  }

  partition(partition: number): Route | undefined {
    return this.#there(this.#routes.partition(partition));
  }

  #there(route: Route | undefined): Route | undefined {
    return route !== undefined && this.#peers.has(route.server) ? route : undefined;
  }

  touch(who: Flushed): void {
    if (who.dirty) return;
    who.dirty = true;
    if (this.#dirty.push(who) === 1) this.clock.soon(this.#flush);
  }

  /** Acknowledgements of many clients make few packets: nobody waits for a single one of them. */
  acknowledge(session: Acknowledging): void {
    this.#acknowledging.add(session);
    this.#acknowledgeTimer ??= this.clock.after(this.bounds.ackGather, () => {
      this.#acknowledgeTimer = undefined;
      for (const one of this.#acknowledging) one.tellAcknowledged();
      this.#acknowledging.clear();
    });
  }

  /** One write per connection and tick. */
  readonly #flush = (): void => {
    const dirty = this.#dirty;
    this.#dirty = [];
    for (const who of dirty) {
      who.dirty = false;
      try {
        who.flush();
      } catch (error) {
        this.log.error({ err: error }, 'a connection failed to write');
      }
    }
  };

  wait(wait: Wait, who: Waiter): void {
    this.#waits[wait].add(who);
  }

  unwait(wait: Wait, who: Waiter): boolean {
    return this.#waits[wait].delete(who);
  }

  // ── connections ─────────────────────────────────────────────────────────────────────────────────────────────────

  #gone(conn: Connection): void {
    this.#logins.delete(conn.id);
    this.unwait('route', conn);
    const { session, login } = conn;
    conn.session = undefined;
    if (session !== undefined) {
      if (session.leave(session.leaving === 'stream' ? 'end' : 'detach')) this.#forget(session);
      else this.#orphans.add(session);
    } else if (login?.route !== undefined) {
      const { partition, epoch, server } = login.route;
      this.send(server, { t: 'gone', partition, epoch, conn: conn.id });
    }
  }

  closed(): void {
    this.#alive -= 1;
    this.count('closed');
    if (this.#alive === 0) this.#closing?.();
  }

  #forget(session: Session): void {
    this.#orphans.delete(session);
    this.#acknowledging.delete(session);
    const { session: id } = session.link;
    if (this.#sessions.get(id) === session) this.#sessions.delete(id);
  }

  // ── owners ──────────────────────────────────────────────────────────────────────────────────────────────────────

  #receive(from: Peer, frame: Down): void {
    if ('conn' in frame) {
      const conn = this.#logins.get(frame.conn);
      const route = conn?.login?.route;
      if (
        conn?.login === undefined ||
        route?.partition !== frame.partition ||
        route.epoch !== frame.epoch ||
        route.server !== from
      )
        return this.#late(from, frame);
      const session = forLogin(conn, conn.login, frame);
      if (session === undefined) {
        if (frame.t === 'resumed') this.#late(from, frame);
        return;
      }
      this.#logins.delete(conn.id);
      const { session: id } = session.link;
      // XEP-0198 §5: the connection that had the session so far.
      this.#drop(this.#sessions.get(id), 'conflict');
      this.#sessions.set(id, session);
      this.#learn(session.partition);
      conn.ready();
      return;
    }
    if (frame.t === 'cast') return this.#cast(from, frame);
    const session = this.#sessions.get(frame.session);
    if (session === undefined) return;
    // Invariant 12: whoever served the session before has nothing to say any more.
    if (session.epoch !== frame.epoch || session.owner !== from) return this.count('stale-frame', frame.t);
    if (frame.t === 'close') this.#drop(session, frame.condition as StreamCondition | undefined, frame.text);
    else if (frame.t === 'unattached') {
      if (frame.reason === 'superseded') this.#supersede(session);
      else this.#drop(session, 'reset');
    } else forSession(session, frame);
  }

  #cast(from: Peer, { name, tail, feed, pos, to }: Cast): void {
    for (const { partition, epoch, list } of to)
      for (let i = 0; i < list.length; i += 2) {
        const session = this.#sessions.get(list[i]!);
        if (session === undefined) continue;
        if (session.epoch !== epoch || session.owner !== from) {
          this.count('stale-frame', 'cast');
          continue;
        }
        const text = `<${name} to="${session.to}"${tail}`;
        const m = list[i + 1]!;
        session.onOut({ t: 'out', partition, epoch, session: list[i]!, m, text, feed, pos, answers: 0 });
      }
  }

  /** A frame for a connection that went, or went on, meanwhile: a session that came too late must not live on. */
  #late(from: Peer, frame: ForLogin): void {
    this.count('stale-frame', frame.t);
    if (frame.t !== 'bound' && frame.t !== 'resumed') return;
    const { partition, epoch, session, generation, account, ticket } = frame;
    if (frame.t === 'bound')
      this.send(from, { t: 'end', partition, epoch, session, generation, account, ticket });
    else this.send(from, { t: 'detach', partition, epoch, session, generation });
  }

  #drop(session: Session | undefined, condition: StreamCondition | undefined, text?: string): void {
    if (session === undefined) return;
    const { outlet } = session;
    session.expelled();
    this.#forget(session);
    outlet?.expel(condition, text);
  }

  /**
   * It was resumed elsewhere, and its connection here is over. Its mirror stays: should that other link die with its owner,
   * this is the newest record there is (invariant 4).
   */
  #supersede(session: Session): void {
    const { outlet } = session;
    if (!session.resumable) return this.#drop(session, 'conflict');
    session.leaving = 'detach';
    session.expelled();
    this.#orphans.add(session);
    outlet?.expel('conflict');
  }

  /** What a lost owner did not receive is in the sessions' records. */
  #peer(peer: Peer, state: 'up' | 'down'): void {
    if (state === 'up') this.#peers.add(peer);
    else {
      this.#peers.delete(peer);
      for (const [partition, route] of this.#reported)
        if (route?.server === peer) this.#reported.set(partition, undefined);
      for (const session of this.#sessions.values()) if (session.owner === peer) session.owner = undefined;
      for (const conn of this.#logins.values()) this.#abandon(conn, (route) => route.server === peer);
    }
    this.#reroute();
  }

  #remember(end: End): void {
    if (this.#farewells.size < this.bounds.farewells) this.#farewells.add(end);
    else this.count('overflow', 'farewells');
  }

  #abandon(conn: Connection, stale: (route: Route) => boolean): void {
    const { login } = conn;
    if (login?.route === undefined || !stale(login.route)) return;
    // What may have been done must not be asked for twice.
    if (login.waits === 'register') {
      login.route = undefined;
      conn.fail('reset');
    } else if (login.asked !== undefined) askAgain(conn, login);
    else if (login.account === undefined) onOwnerLost(conn, login);
  }

  #learn(partition: number): void {
    if (!this.#reported.has(partition)) this.#reported.set(partition, undefined);
    this.#reroute();
  }

  /** One pass over all sessions, however many partitions moved in this tick. */
  #reroute(): void {
    if (this.#routing) return;
    this.#routing = true;
    this.clock.soon(() => {
      this.#routing = false;
      const moved = new Map<number, Route>();
      for (const [partition, known] of this.#reported) {
        const route = this.partition(partition);
        if (route === undefined || (known !== undefined && same(known, route))) continue;
        moved.set(partition, route);
        this.#reported.set(partition, route);
      }
      this.#attach(moved);
      for (const { partition, epoch, server } of moved.values())
        this.send(server, { t: 'reported', partition, epoch });
    });
  }

  #attach(moved: ReadonlyMap<number, Route>): void {
    if (moved.size === 0) return;
    for (const session of this.#sessions.values()) {
      const route = moved.get(session.partition);
      if (route === undefined || route.epoch < session.epoch) continue;
      if (session.owner === route.server && session.epoch === route.epoch) continue;
      if (attach(session, route)) this.#forget(session);
    }
    for (const conn of this.#logins.values()) {
      const { login } = conn;
      if (login?.asked !== undefined && login.route === undefined) askAgain(conn, login);
      else
        this.#abandon(conn, (old) => {
          const route = moved.get(old.partition);
          return route !== undefined && !same(route, old);
        });
    }
    for (const end of this.#farewells.items()) {
      const route = moved.get(end.partition);
      if (route !== undefined && route.epoch > end.epoch)
        this.#mesh.send(route.server, 'account', { ...end, epoch: route.epoch });
    }
  }
}

function same(a: Route, b: Route): boolean {
  return a.server === b.server && a.epoch === b.epoch;
}
