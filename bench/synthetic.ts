import { systemClock } from '../src/base/clock.ts';
import { openLog } from '../src/base/log.ts';
import { systemRandom, token } from '../src/base/random.ts';
import { codec } from '../src/link/codec.ts';
import type { Bound, Cast, ConnInfo, Down, Up } from '../src/link/frames.ts';
import { openMesh } from '../src/mesh/channel.ts';
import type { Mesh } from '../src/mesh/mesh.ts';
import { openNatsWire } from '../src/mesh/nats.ts';
import type { Route } from '../src/placement/routes.ts';
import { openTable, type Table } from '../src/placement/table.ts';
import { parseStored } from '../src/xmpp/parser.ts';
import { type Person, request } from './client.ts';
import { insist, Refused } from './insist.ts';
import { pause } from './proc.ts';
import { Scram } from './scram.ts';

/** Where the synthetic mux enters a pool. */
export interface Entrance {
  /** The mesh's URL for muxes. */
  readonly mesh: string;
  readonly name: string;
  readonly domain: string;
}

/** Who logs in. */
export interface Login {
  readonly user: string;
  readonly index: number;
  readonly resource: string;
  readonly password: string;
}

/** What a person without a connection reports. */
export interface Ears {
  /** A message stanza arrived. */
  message(person: Puppet, text: string): void;
  /** The server acknowledged so many of their stanzas since `manage`. */
  acked(person: Puppet, h: number): void;
}

type ForLogin = Extract<Down, { readonly conn: number }>;

const MECHANISM = 'SCRAM-SHA-256';

/**
 * Stands for a mux full of clients without any: it speaks the frames of the link over the mesh, as a mux does, for people
 * who have no connection. To the servers they are sessions as all others are; an owner may not change meanwhile.
 */
export class Synthetic {
  #mesh: Mesh;
  #table: Table;
  #domain: string;
  #conns = new Map<number, (frame: ForLogin) => void>();
  #people = new Map<number, Puppet>();
  #lastConn = 0;
  #dirty: Puppet[] = [];

  private constructor(mesh: Mesh, domain: string) {
    this.#mesh = mesh;
    this.#domain = domain;
    this.#table = openTable(mesh, new Set([domain]));
    mesh.serve('mux', (_from, frame) => this.#receive(frame as Down));
    this.#table.onChange(({ partition, epoch, server }) => {
      if (this.#table.kindOf(partition) === 'room') return;
      mesh.send(server, 'account', { t: 'reported', partition, epoch } satisfies Up);
    });
  }

  static async open({ mesh: url, name, domain }: Entrance): Promise<Synthetic> {
    const around = { clock: systemClock, random: systemRandom, log: openLog('warn', 2) };
    const peer = `${name}/${token(systemRandom, 6)}`;
    const self = { peer, roles: ['mux'], health: undefined };
    const wire = await openNatsWire({ url, self, codec, ...around });
    return new Synthetic(openMesh(wire, around), domain);
  }

  /** A person who has logged in; `again`: how often they were told to try again later. */
  async login(
    { user, index, resource, password }: Login,
    ears: Ears,
  ): Promise<{ puppet: Puppet; again: number }> {
    const account = `${user}@${this.#domain}`;
    const route = await this.#route(account);
    const conn = ++this.#lastConn;
    const { partition, epoch } = route;
    const ask = (frame: Up) =>
      new Promise<ForLogin>((resolve) => {
        this.#conns.set(conn, resolve);
        this.send(route, frame);
      });
    const info = { ...INFO, domain: this.#domain };
    const scram = new Scram(MECHANISM, user, password);
    const challenge = await ask({
      t: 'auth',
      partition,
      epoch,
      conn,
      mechanism: MECHANISM,
      data: Buffer.from(scram.first, 'base64'),
      info,
      bindings: [],
      certificate: undefined,
      offered: [MECHANISM],
    });
    if (challenge.t !== 'challenge') throw new Error(`${user}: ${challenge.t}`);
    const proof = scram.answer(Buffer.from(challenge.data).toString('base64'));
    const data = Buffer.from(proof, 'base64');
    const authed = await ask({ t: 'auth-next', partition, epoch, conn, data });
    if (authed.t !== 'authed') throw new Error(`${user}: ${authed.t}`);
    const { proof: shown } = authed;
    const bind = { account, proof: shown, info, resource };
    const { result: bound, again } = await insist(async () => {
      const answer = await ask({ t: 'bind', partition, epoch, conn, ...bind });
      if (answer.t === 'bound') return answer;
      const wait = answer.t === 'unbound' && answer.type === 'wait';
      throw new Refused(`${user}: ${answer.t}`, wait);
    });
    this.#conns.delete(conn);
    const puppet = new Puppet(this, user, index, route, bound, ears);
    this.#people.set(bound.session, puppet);
    return { puppet, again };
  }

  send(route: Route, frame: Up): void {
    this.#mesh.send(route.server, 'account', frame);
  }

  /** Acknowledges once a turn, as a mux does whose clients do so. */
  touch(puppet: Puppet): void {
    if (this.#dirty.push(puppet) > 1) return;
    setImmediate(() => {
      for (const one of this.#dirty.splice(0)) one.acknowledge();
    });
  }

  close(): Promise<void> {
    return this.#mesh.close();
  }

  #cast({ name, tail, to }: Cast): void {
    const text = `<${name}${tail}`;
    for (const { list } of to)
      for (let i = 0; i < list.length; i += 2) this.#people.get(list[i] ?? 0)?.take(list[i + 1] ?? 0, text);
  }

  async #route(account: string): Promise<Route> {
    for (let tries = 0; tries < 600; tries++) {
      const route = this.#table.locate(account);
      if (route !== undefined) return route;
      await pause(50);
    }
    throw new Error(`nobody serves ${account}`);
  }

  #receive(frame: Down): void {
    if ('conn' in frame) this.#conns.get(frame.conn)?.(frame);
    else if (frame.t === 'cast') this.#cast(frame);
    else this.#people.get(frame.session)?.receive(frame);
  }
}

type ForSession = Exclude<Down, ForLogin | Cast>;

const INFO: Omit<ConnInfo, 'domain'> = {
  address: '127.0.0.1',
  secure: true,
  tls: undefined,
  transport: 'tcp',
  lang: 'en',
};

/** A session whose client is the bench itself. */
export class Puppet implements Person {
  readonly user: string;
  readonly index: number;
  presences = 0;
  bytes = 0;
  #mux: Synthetic;
  #route: Route;
  #link: Bound;
  #ears: Ears;
  #n = 0;
  /** n at `manage`. */
  #before = 0;
  #m = 0;
  #acked = 0;
  #wait: { match: (text: string) => boolean; resolve: (text: string) => void } | undefined;
  #enabled: (() => void) | undefined;

  constructor(mux: Synthetic, user: string, index: number, route: Route, link: Bound, ears: Ears) {
    this.#mux = mux;
    this.user = user;
    this.index = index;
    this.#route = route;
    this.#link = link;
    this.#ears = ears;
  }

  get jid(): string {
    return `${this.#link.account}/${this.#link.resource}`;
  }

  send(text: string): void {
    this.#mux.send(this.#route, { t: 'stanza', ...this.#head(), n: ++this.#n, stanza: parseStored(text) });
  }

  /** What it asked for the link tells anyway (`accepted`). */
  say(text: string): void {
    this.send(text);
  }

  ask(text: string, match: (text: string) => boolean): Promise<string> {
    return new Promise((resolve) => {
      this.#wait = { match, resolve };
      this.send(text);
    });
  }

  iq(type: 'get' | 'set', payload: string, to?: string): Promise<string> {
    return request(this, type, payload, to);
  }

  /** Stream management: its session can be resumed, as those of real clients can. */
  manage(): Promise<void> {
    return new Promise((resolve) => {
      this.#before = this.#n;
      this.#enabled = resolve;
      this.#mux.send(this.#route, { t: 'enable', ...this.#head(), n: this.#n, resume: true });
    });
  }

  receive(frame: ForSession): void {
    if (frame.t === 'out') this.take(frame.m, frame.text);
    else if (frame.t === 'accepted') this.#ears.acked(this, frame.n - this.#before);
    else if (frame.t === 'enabled') this.#enabled?.();
    else if (frame.t === 'close' || frame.t === 'unattached') throw new Error(`${this.user}: session over`);
  }

  /** The next stanza of its session. */
  take(m: number, text: string): void {
    if (m <= this.#m) return;
    if (this.#m === this.#acked) this.#mux.touch(this);
    this.#m = m;
    this.bytes += text.length;
    if (text.startsWith('<message')) this.#ears.message(this, text);
    else if (text.startsWith('<presence')) this.presences += 1;
    if (this.#wait?.match(text) !== true) return;
    const { resolve } = this.#wait;
    this.#wait = undefined;
    resolve(text);
  }

  acknowledge(): void {
    this.#acked = this.#m;
    this.#mux.send(this.#route, { t: 'ack', ...this.#head(), m: this.#m });
  }

  #head() {
    const { partition, epoch } = this.#route;
    const { session, generation } = this.#link;
    return { partition, epoch, session, generation };
  }
}
