import { setTimeout as pause } from 'node:timers/promises';
import type { Doors } from '../e2e/loyal.ts';
import { Loyal } from '../e2e/loyal.ts';
import { poll } from '../e2e/child.ts';
import { child, type Element, text } from '../e2e/xml.ts';
import { acknowledged, calm } from './calm.ts';
import type { Arrival } from './waits.ts';
import { tally, type Tally } from './tally.ts';

/** What a client said, in its order, and when. */
export interface Said {
  readonly to: string;
  readonly body: string;
  readonly at: number;
}

/** Somebody whose device vanished, and who is to be missed only after the resume window. */
interface Goner {
  readonly client: Loyal;
  since: number;
}

/** The resource that reads the archives; those of visitors (visitors.ts) begin so, and come and go as they like. */
export const reader = 'reader';

/** How often somebody says something new of itself, as a share of the bursts. */
const statuses = 0.03;

/** Milliseconds after which a contact saw it go. */
interface Missed {
  readonly user: string;
  readonly by: string;
  readonly after: number;
}

/**
 * Clients that talk while something breaks. Everybody is a contact of the next two, so that whoever goes offline for a
 * moment is seen doing so.
 */
export class Load {
  readonly clients: readonly Loyal[];
  /** By address: what is in the books, that is, since `settled`. */
  readonly said = new Map<string, Said[]>();
  /** By address: the newest message of its archive that was compared with the books. */
  readonly read = new Map<string, string>();
  /** By user: how many of its messages were in earlier books. */
  readonly #settled = new Map<string, number>();
  /** `unavailable` of a contact that was there all the time. */
  readonly flaps: string[] = [];
  readonly #goners: Goner[] = [];
  readonly #missed: Missed[] = [];
  /** What each of them says of itself. */
  readonly #status = new Map<string, string>();
  /** By address: its contacts that are there, with what they say of themselves. */
  readonly #present = new Map<string, Map<string, string>>();
  /** By address: its contacts' other resources that are there. */
  readonly #guests = new Map<string, Set<string>>();
  readonly #pauses: number[] = [];
  #talking: Promise<unknown> | undefined;
  #stop = false;
  /** Nobody says anything new of itself. */
  still = false;
  /** Milliseconds between two bursts of a client, about. */
  every: number;

  constructor(doors: Doors, users: readonly string[], every = 150) {
    this.every = every;
    this.clients = users.map((user) => new Loyal(doors, user));
    for (const one of this.clients) {
      this.said.set(one.bare, []);
      this.#status.set(one.bare, '');
      this.#present.set(one.bare, new Map());
      this.#guests.set(one.bare, new Set());
      one.onPresence = (from, type, stanza) => {
        const [bare, resource] = from.split('/') as [string, string?];
        if (!resource?.startsWith(reader)) this.#see(one, bare, type, saying(stanza));
        else if (type === undefined) this.#guests.get(one.bare)!.add(from);
        else if (type === 'unavailable') this.#guests.get(one.bare)!.delete(from);
      };
    }
  }

  /** Logs in and makes contacts; resolves when all see each other. */
  async start(): Promise<void> {
    await Promise.all(this.clients.map((one) => one.start()));
    for (const one of this.clients)
      for (const peer of this.#contacts(one)) one.send(`<presence type='subscribe' to='${peer.bare}'/>`);
    for (const one of this.clients)
      await poll(
        () => (this.#contacts(one).every((peer) => this.#shown(one, peer) !== undefined) ? true : undefined),
        () => `${one.user} does not see all its contacts`,
        60_000,
      );
  }

  talk(): void {
    this.#stop = false;
    this.#talking = Promise.all(this.clients.map((one) => this.#talk(one)));
  }

  /** The client's device vanishes; its contacts must not notice before the window is over, and then they must. */
  async vanish(client: Loyal): Promise<void> {
    const goner = { client, since: Infinity };
    this.#goners.push(goner);
    client.requestAck();
    await poll(
      () => (client.unacked === 0 ? true : undefined),
      () => `${client.user} has ${client.unacked} unacknowledged`,
    );
    goner.since = performance.now();
    await client.stop();
  }

  /** Resolves when everybody is connected, and all that was sent up to now is acknowledged: the fault is over. */
  async calm(within = 60_000): Promise<void> {
    await calm(this.#here, within);
  }

  /** What was waited before does not count. */
  forget(): void {
    for (const one of this.clients) one.longest = 0;
  }

  /** The longest wait of each client since then is one sample. */
  sample(): number[] {
    const pauses = this.#here.map((one) => Math.max(one.longest, one.waiting));
    this.forget();
    this.#pauses.push(...pauses);
    return pauses;
  }

  /** Whose view of a contact is not what that one last said of itself. Visitors are away by then. */
  wrong(): string[] {
    const here = this.#here;
    return here.flatMap((one) => [
      ...this.#contacts(one)
        .filter((peer) => here.includes(peer) && this.#shown(one, peer) !== this.#status.get(peer.bare))
        .map((peer) => `${one.user} sees ${peer.user} '${this.#shown(one, peer) ?? 'away'}'`),
      ...[...this.#guests.get(one.bare)!].map((guest) => `${one.user} still sees ${guest}`),
    ]);
  }

  /** Every message that has come, with the times between which it was under way. */
  arrivals(): Arrival[] {
    const times = new Map(this.clients.map((one) => [one.user, this.said.get(one.bare)!]));
    return this.clients.flatMap((one) =>
      one.heard.flatMap(({ body, at }) => {
        const [user, number] = body.split(' ') as [string, string];
        const said = times.get(user)?.[Number(number) - this.#before(user)];
        return said === undefined ? [] : [{ to: one.bare, said: said.at, came: at }];
      }),
    );
  }

  /** Ends the talk, waits until all is acknowledged and has arrived. */
  async hush(within = 60_000): Promise<void> {
    this.#stop = true;
    await this.#talking;
    await acknowledged(this.#here, within);
    const due = () => this.#expected().filter(({ bodies, heard }) => bodies.some((body) => !heard.has(body)));
    await poll(
      () => (due().length === 0 ? true : undefined),
      () => `not all arrived`,
      15_000,
    ).catch(() => undefined); // the tally counts what is lost
  }

  /**
   * Waits until the contacts of those who vanished have seen them go: not before the `window` of the resumption (ms)
   * was over, and, because a fault may have held that up or begun it anew, at the latest that long after `healed`.
   */
  async missed(window: number, healed: number): Promise<void> {
    const end = healed + window + 15_000;
    for (const { client } of this.#goners) {
      const sighted = () => this.#missed.filter((one) => one.user === client.user);
      const contacts = this.#here.filter((one) => this.#contacts(one).includes(client));
      await poll(
        () => (contacts.every((one) => sighted().some(({ by }) => by === one.user)) ? true : undefined),
        () => `${client.user} is gone, and its contacts still see it`,
        Math.max(0, end - performance.now()),
      );
      const early = sighted().find(({ after }) => after < window - 500);
      if (early !== undefined)
        throw new Error(`${client.user} was gone for its contacts after ${early.after} ms`);
    }
  }

  tally(): Tally {
    const courses = this.#expected().map(({ from, to, bodies }) => ({
      from: from.user,
      to: to.user,
      bodies,
      heard: to.heard
        .filter(({ body }) => body.startsWith(`${from.user} `))
        .map(({ body, stanzaId }) => ({ body, id: stanzaId })),
    }));
    return tally(this.clients, courses, this.#pauses, this.flaps);
  }

  /** The tally of these books, from when on new ones begin: after `hush`, because all that was said is in them. */
  settled(): Tally {
    const counts = this.tally();
    for (const one of this.clients) {
      const said = this.said.get(one.bare)!;
      this.#settled.set(one.user, this.#before(one.user) + said.length);
      said.length = 0;
      one.forget();
    }
    this.flaps.length = this.#pauses.length = 0;
    return counts;
  }

  async close(): Promise<void> {
    this.#stop = true;
    await this.#talking;
    await Promise.all(this.clients.map((one) => one.stop()));
  }

  get #here(): Loyal[] {
    return this.clients.filter((one) => !this.#gone(one));
  }

  #before(user: string): number {
    return this.#settled.get(user) ?? 0;
  }

  #gone(client: Loyal): boolean {
    return this.#goners.some((one) => one.client === client);
  }

  /** In small bursts, so that stanzas overtake each other where they can, and some are always under way. */
  async #talk(one: Loyal): Promise<void> {
    const said = this.said.get(one.bare)!;
    while (!this.#stop && !this.#gone(one)) {
      const here = this.#here.filter((peer) => peer !== one);
      const peer = here[Math.floor(Math.random() * here.length)]!;
      for (let more = Math.floor(Math.random() * 5); more >= 0 && one.unacked < 200; more--) {
        const body = `${one.user} ${this.#before(one.user) + said.length}`;
        said.push({ to: peer.bare, body, at: performance.now() });
        one.send(`<message type='chat' to='${peer.bare}' id='${body}'><body>${body}</body></message>`);
      }
      if (!this.still && Math.random() < statuses) this.#show(one);
      one.requestAck();
      await pause(this.every * (0.5 + Math.random()));
    }
  }

  #show(one: Loyal): void {
    const status = String(Number(this.#status.get(one.bare)) + 1);
    this.#status.set(one.bare, status);
    one.send(`<presence><status>${status}</status></presence>`);
  }

  /** What each client is to hear from each other one. */
  #expected(): { from: Loyal; to: Loyal; bodies: string[]; heard: Set<string> }[] {
    const heard = new Map(this.clients.map((one) => [one, new Set(one.heard.map(({ body }) => body))]));
    return this.clients.flatMap((from) =>
      this.#here
        .filter((to) => to !== from)
        .map((to) => ({
          from,
          to,
          heard: heard.get(to)!,
          bodies: this.said
            .get(from.bare)!
            .filter((said) => said.to === to.bare)
            .map(({ body }) => body),
        })),
    );
  }

  #contacts(one: Loyal): Loyal[] {
    const at = this.clients.indexOf(one);
    const next = [1, 2].map((step) => this.clients[(at + step) % this.clients.length]!);
    return next.filter((peer) => peer !== one);
  }

  /** What it knows its contact to say of itself; undefined where it does not see it at all. */
  #shown(one: Loyal, peer: Loyal): string | undefined {
    return this.#present.get(one.bare)!.get(peer.bare);
  }

  #see(one: Loyal, from: string, type: string | undefined, status: string): void {
    const present = this.#present.get(one.bare)!;
    if (type === undefined) present.set(from, status);
    if (type !== 'unavailable' || !present.has(from)) return;
    present.delete(from);
    const goner = this.#goners.find(({ client }) => client.bare === from);
    if (goner === undefined) this.flaps.push(`${one.user} saw ${from} go`);
    else
      this.#missed.push({
        user: goner.client.user,
        by: one.user,
        after: Math.round(performance.now() - goner.since),
      });
  }
}

/** What somebody says of itself in its presence. */
function saying(presence: Element): string {
  const status = child(presence, 'status');
  return status === undefined ? '' : text(status);
}
