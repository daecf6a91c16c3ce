import { Actor, type Role, roster, settle } from './actor.ts';
import { kept, mismatch } from './match.ts';
import { Rooms } from './room.ts';
import type { Script, Step } from './script.ts';
import type { Target } from './server.ts';
import type { Way } from './stream.ts';
import { attr, parse, parseAll, show, Splitter } from './xml.ts';

const stanzas = 'urn:ietf:params:xml:ns:xmpp-stanzas';

/**
 * Plays one transcript against a running server. Account names are made unique by `tag`, so that all transcripts share
 * one server. In XML, `{romeo}` is an account's bare address, `{Romeo}` a client's full one, `{domain}` the server,
 * `{any}` any value; `{word:=attribute}` in a `receives` keeps that attribute's value as `{word}`.
 */
export class Stage {
  readonly #target: Target;
  readonly #script: Script;
  readonly #tag: string;
  readonly #actors = new Map<string, Actor>();
  readonly #kept = new Map<string, string>();
  readonly #rooms = new Rooms(this.#actors, () => this.#settle());
  #stored = true;

  constructor(target: Target, script: Script, tag: string) {
    this.#target = target;
    this.#script = script;
    this.#tag = tag;
  }

  /** Names of the accounts that must exist. */
  get accounts(): string[] {
    return [...new Set([...this.#script.cast.values()].map((one) => this.#user(one.account)))];
  }

  async play(): Promise<void> {
    try {
      for (const step of this.#script.steps)
        await this.#step(step).catch((error: unknown) => {
          throw new Error(`line ${step.line}: ${step.say}\n${(error as Error).message}`, { cause: error });
        });
      await this.#settle();
      for (const [name, actor] of this.#actors) this.#quiet(name, actor);
    } finally {
      for (const actor of this.#actors.values()) actor.wire.cut();
    }
  }

  async #step(step: Step): Promise<void> {
    const { say, xml } = step;
    const told = (pattern: RegExp): RegExpExecArray | null => pattern.exec(say);
    let found: RegExpExecArray | null;
    if ((found = told(/^(.+) (connects|comes online)$/)))
      return this.#enter(found[1]!, found[2] === 'comes online');
    if ((found = told(/^(.+) sends:$/))) return this.#send(found[1]!, this.#fill(xml));
    if ((found = told(/^(.+) receives:$/))) return this.#receives(found[1]!, xml);
    if ((found = told(/^(.+) receives in order:$/))) return this.#receives(found[1]!, xml, true);
    if ((found = told(/^(.+) receives nothing like:$/))) return this.#nothingLike(found[1]!, xml);
    if ((found = told(/^(.+) receives nothing(?: else)?$/))) return this.#nothing(found[1]!);
    if ((found = told(/^(.+) receives nothing from (\w+)$/)))
      return this.#nothing(found[1]!, this.#fill(`{${found[2]}}`));
    if ((found = told(/^(\w+) and (\w+) are contacts$/))) {
      await this.#befriend(found[1]!, found[2]!);
      return this.#befriend(found[2]!, found[1]!);
    }
    if ((found = told(/^(\w+) is subscribed to (\w+)$/))) return this.#befriend(found[1]!, found[2]!);
    if ((found = told(/^(\w+)'s contact list:$/))) return this.#list(found[1]!, xml);
    if ((found = told(/^(\w+)'s contact list is empty$/))) return this.#list(found[1]!, '');
    if ((found = told(/^(.+) closes the stream$/))) return this.#actor(found[1]!).close();
    if ((found = told(/^(.+) loses the connection$/))) return this.#actor(found[1]!).wire.cut();
    if ((found = told(/^(.+) is disconnected$/))) return this.#actor(found[1]!).wire.ended();
    if (told(/^all is quiet$/)) return this.#settle();
    if (told(/^fences are not stored$/)) {
      this.#stored = false;
      return;
    }
    if (told(/^everybody forgets what came$/)) {
      await this.#settle();
      for (const actor of this.#actors.values()) actor.forget();
      return;
    }
    if ((found = told(/^(.+) forgets what came$/))) return this.#actor(found[1]!).forget();
    if (await this.#rooms.step(this.#fill(say), this.#fill(xml))) return;
    throw new Error('no such step');
  }

  async #enter(name: string, online: boolean): Promise<void> {
    const actor = await Actor.login(this.#target, this.#role(name));
    this.#actors.set(name, actor);
    if (!online) return;
    await actor.ask('get', "<query xmlns='jabber:iq:roster'/>");
    actor.send('<presence/>');
    await actor.expect(`<presence from='${actor.full}'/>`);
  }

  #send(name: string, xml: string): void {
    const actor = this.#actor(name);
    // RFC 7395 §3.3: one element a frame.
    if (actor.wire.websocket) for (const one of parseAll(xml)) actor.send(show(one));
    else actor.send(xml);
  }

  async #receives(name: string, xml: string, inOrder = false): Promise<void> {
    const actor = this.#actor(name);
    let last = 0;
    // One after the other: a word that the first keeps may stand in the second.
    const later = new Set(Array.from(xml.matchAll(/\{(\w+):=/g), ([, word]) => word!));
    const items = new Splitter(1).push(this.#fill(xml, later));
    if (items.length === 0) throw new Error('receives nothing that could be read');
    for (const item of items) {
      const pattern = parse(this.#fill(item.text));
      const got = await actor.expect(pattern);
      for (const [word, value] of kept(pattern, got)) this.#kept.set(word, value);
      if (inOrder && actor.arrival(got) < last) throw new Error(`${name} received too early\n${show(got)}`);
      last = actor.arrival(got);
    }
  }

  /** Nothing that was sent before is still on its way, be it through a room. */
  async #settle(): Promise<void> {
    await this.#rooms.settle();
    await settle([...this.#actors.values()], this.#stored);
    await this.#rooms.settle();
  }

  async #nothing(name: string, from?: string): Promise<void> {
    await this.#settle();
    const actor = this.#actor(name);
    if (!from) return this.#quiet(name, actor);
    const bad = actor.rest().filter((one) => attr(one, 'from')?.startsWith(from));
    if (bad.length > 0) throw new Error(`${name} received\n${bad.map(show).join('\n')}`);
  }

  async #nothingLike(name: string, xml: string): Promise<void> {
    await this.#settle();
    for (const pattern of parseAll(this.#fill(xml)))
      for (const one of this.#actor(name).inbox)
        if (mismatch(pattern, one) === undefined) throw new Error(`${name} received\n${show(one)}`);
  }

  #quiet(name: string, actor: Actor): void {
    const rest = actor.rest();
    if (rest.length > 0)
      throw new Error(`${name} also received\n${rest.map((one) => `  ${show(one)}`).join('\n')}`);
  }

  /** `one` becomes subscribed to `other`'s presence, over connections of their own. */
  async #befriend(one: string, other: string): Promise<void> {
    const [a, b] = await Promise.all(
      [one, other].map((name) => Actor.login(this.#target, { user: this.#user(name), resource: 'setup' })),
    );
    for (const actor of [a!, b!]) await actor.ask('get', "<query xmlns='jabber:iq:roster'/>");
    b!.send('<presence/>');
    a!.send(`<presence type='subscribe' to='${b!.bare}'/>`);
    await b!.expect(`<presence type='subscribe' from='${a!.bare}'/>`);
    b!.send(`<presence type='subscribed' to='${a!.bare}'/>`);
    await settle([a!, b!]);
    await Promise.all([a!.close(), b!.close()]);
    await settle([...this.#actors.values()]);
  }

  async #list(account: string, xml: string): Promise<void> {
    const got = await roster(this.#target, { user: this.#user(account), resource: 'list' });
    const wanted = parseAll(this.#fill(xml)).map((one) =>
      parse(show(one).replaceAll('jabber:client', 'jabber:iq:roster')),
    );
    for (const item of wanted) {
      const faults = got.map((one) => mismatch(item, one));
      if (!faults.includes(undefined))
        throw new Error(`${show(item)} is not in the list\n${got.map(show).join('\n')}`);
    }
    if (got.length !== wanted.length)
      throw new Error(`${got.length} items, ${wanted.length} expected\n${got.map(show).join('\n')}`);
  }

  #fill(xml: string, except: ReadonlySet<string> = new Set()): string {
    return xml.replace(/\{([^{}:]+)\}/g, (whole, name: string) => {
      if (['any', 'maybe', 'absent', 'yes', 'no'].includes(name) || except.has(name)) return whole;
      if (name === 'domain') return this.#target.domain;
      if (name === 'conference') return `conference.${this.#target.domain}`;
      if (/^muc(#[\w-]+)?$/.test(name)) return `http://jabber.org/protocol/${name}`;
      if (name.startsWith('#')) return this.#room(name.slice(1));
      const error = /^((?:\||auth|cancel|modify|wait)+) ([a-z|-]+)$/.exec(name);
      if (error) return `<error type='${error[1]}'>${condition(error[2]!)}</error>`;
      const kept = this.#kept.get(name);
      if (kept !== undefined) return kept;
      const actor = this.#actors.get(name);
      if (actor) return actor.full;
      const role = this.#script.cast.get(name);
      if (role) return `${this.#user(role.account)}@${this.#target.domain}/${role.resource}`;
      return `${this.#user(name)}@${this.#target.domain}`;
    });
  }

  #room(name: string): string {
    const room = `${name}-${this.#tag}@conference.${this.#target.domain}`;
    this.#rooms.know(room);
    return room;
  }

  #actor(name: string): Actor {
    const actor = this.#actors.get(name);
    if (!actor) throw new Error(`${name} is not connected`);
    return actor;
  }

  #role(name: string): Role {
    const role = this.#script.cast.get(name);
    if (!role) throw new Error(`${name} is not in the cast`);
    return {
      user: this.#user(role.account),
      way: role.way as Way,
      ...(role.resource ? { resource: role.resource } : {}),
    };
  }

  #user(account: string): string {
    return `${account}-${this.#tag}`;
  }
}

/** A stanza error's condition, or one of several. */
function condition(names: string): string {
  const [first] = names.split('|');
  return `<${first} xmlns='${stanzas}'${first === names ? '' : ` _names='${names}'`}/>`;
}
