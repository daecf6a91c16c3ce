import type { Actor } from './actor.ts';
import { attr, child, children, type Element, show, text } from './xml.ts';

const muc = 'http://jabber.org/protocol/muc';
const data = 'jabber:x:data';

/** A step of a transcript after its `{words}` were filled in. */
type Play = (found: RegExpExecArray, xml: string) => Promise<void>;

/**
 * The steps of a transcript that set a room up, so that a scene shows only what it is about:
 *
 *     Romeo opens {#cave} as Montague            creates it, with `key=value` lines below as its configuration
 *     Juliet enters {#cave} as Capulet           what is below goes into the <x/> of her presence
 *     Juliet leaves {#cave} as Capulet
 *     Romeo configures {#cave}:                  `key=value` lines
 *     Romeo makes {juliet} member of {#cave}     an affiliation
 *     Romeo makes Capulet visitor in {#cave}     a role
 *     Tybalt is refused in {#cave}:              lines `<item …/> auth forbidden`; checks that nothing changed
 *
 * What they cause at those who stand by is taken from the inboxes again.
 */
export class Rooms {
  readonly #actors: ReadonlyMap<string, Actor>;
  readonly #quiet: () => Promise<void>;
  /** Rooms of this scene, and who created them. */
  readonly #owners = new Map<string, Actor>();
  readonly #known = new Set<string>();
  readonly #plays: readonly [RegExp, Play][];
  #counter = 0;

  /** `quiet` resolves when nothing can be on its way any more. */
  constructor(actors: ReadonlyMap<string, Actor>, quiet: () => Promise<void>) {
    this.#actors = actors;
    this.#quiet = quiet;
    this.#plays = [
      [/^(.+) opens (\S+) as (.+)$/, ([, name, room, nick], xml) => this.#open(name!, room!, nick!, xml)],
      [/^(.+) enters (\S+) as (.+)$/, ([, name, room, nick], xml) => this.#enter(name!, room!, nick!, xml)],
      [/^(.+) leaves (\S+) as (.+)$/, ([, name, room, nick]) => this.#leave(name!, room!, nick!)],
      [/^(.+) configures (\S+)$/, ([, name, room], xml) => this.#configure(name!, room!, xml)],
      [
        /^(.+) makes (\S+) (owner|admin|member|outcast|none) of (\S+)$/,
        ([, name, jid, affiliation, room]) =>
          this.#grant(name!, room!, { jid: jid!, affiliation: affiliation! }),
      ],
      [
        /^(.+) makes (.+) (moderator|participant|visitor|none) in (\S+)$/,
        ([, name, nick, role, room]) => this.#grant(name!, room!, { nick: nick!, role: role! }),
      ],
      [/^(.+) is refused in (\S+)$/, ([, name, room], xml) => this.#refused(name!, room!, xml)],
    ];
  }

  /** This room occurs in the scene. */
  know(room: string): void {
    this.#known.add(room);
  }

  /** Plays the step if it is about a room. */
  async step(say: string, xml: string): Promise<boolean> {
    for (const [pattern, play] of this.#plays) {
      const found = pattern.exec(say.replace(/:$/, ''));
      if (!found) continue;
      await play(found, xml);
      return true;
    }
    return false;
  }

  /** What anybody sent to a room before has come out of it after these questions were answered. */
  async settle(): Promise<void> {
    const live = [...this.#actors.values()].filter((one) => !one.wire.closed && one.full);
    for (const room of this.#known)
      await Promise.all(
        live.map((one) => one.ask('get', "<query xmlns='http://jabber.org/protocol/disco#info'/>", room)),
      );
  }

  async #open(name: string, room: string, nick: string, lines: string): Promise<void> {
    const actor = this.#actor(name);
    this.#join(actor, room, nick, '');
    await actor.expect(
      `<presence from='${room}/${nick}'><x xmlns='${muc}#user'><status code='201'/></x></presence>`,
    );
    await actor.expect(`<message type='groupchat' from='${room}{any}'><subject/></message>`);
    this.#owners.set(room, actor);
    result(await actor.ask('set', owner(lines), room));
    await this.#quiet();
    this.#drop(() => true, room);
  }

  async #enter(name: string, room: string, nick: string, more: string): Promise<void> {
    const actor = this.#actor(name);
    this.#join(actor, room, nick, more);
    await actor.expect(
      `<presence from='${room}/${nick}'><x xmlns='${muc}#user'><status code='110'/></x></presence>`,
    );
    await actor.expect(`<message type='groupchat' from='${room}{any}'><subject/></message>`);
    await this.#quiet();
    this.#drop((one, by) => by === actor || attr(one, 'from') === `${room}/${nick}`, room);
  }

  async #leave(name: string, room: string, nick: string): Promise<void> {
    const actor = this.#actor(name);
    actor.send(`<presence type='unavailable' to='${room}/${nick}'/>`);
    await actor.expect(`<presence type='unavailable' from='${room}/${nick}'/>`);
    await this.#quiet();
    this.#drop((one) => attr(one, 'from') === `${room}/${nick}`, room);
  }

  async #configure(name: string, room: string, lines: string): Promise<void> {
    result(await this.#actor(name).ask('set', owner(lines), room));
    await this.#quiet();
    this.#drop(() => true, room);
  }

  async #grant(name: string, room: string, item: Readonly<Record<string, string>>): Promise<void> {
    const attrs = Object.entries(item).map(([key, value]) => `${key}='${value}'`);
    const query = `<query xmlns='${muc}#admin'><item ${attrs.join(' ')}/></query>`;
    result(await this.#actor(name).ask('set', query, room));
    await this.#quiet();
    this.#drop((one) => child(one, 'x', `${muc}#user`) !== undefined, room);
    const now = await this.#state(room);
    const [who, what] = Object.values(item);
    const [kind] = Object.keys(item).slice(1);
    const [, list] = attrs;
    const lines = now.split('\n').filter((line) => line.startsWith(`${kind}=`) && line.includes(` ${who} `));
    const fits = what === 'none' ? lines.length === 0 : lines.length === 1 && lines[0]!.startsWith(list!);
    if (!fits) throw new Error(`${who} is not ${what} in\n${now}`);
  }

  /** Each item is refused with its error, and the room is afterwards what it was. */
  async #refused(name: string, room: string, lines: string): Promise<void> {
    const actor = this.#actor(name);
    const before = await this.#state(room);
    for (const line of lines.trim().split('\n')) {
      const [, items, type, condition] = /^(.*>) (\S+) (\S+)$/.exec(line)!;
      const answer = await actor.ask('set', `<query xmlns='${muc}#admin'>${items}</query>`, room);
      const error = child(answer, 'error');
      const told = error ? `${attr(error, 'type')} ${children(error)[0]?.localName}` : 'a result';
      const fits = type!
        .split('|')
        .some((one) => condition!.split('|').some((two) => told === `${one} ${two}`));
      if (!fits) throw new Error(`${items}: '${type} ${condition}' expected, ${told} received`);
    }
    const after = await this.#state(room);
    if (before !== after) throw new Error(`the room changed from\n${before}\nto\n${after}`);
  }

  /** Everybody's role and affiliation, as the room's first owner sees them. */
  async #state(room: string): Promise<string> {
    const first = this.#owners.get(room);
    if (!first) throw new Error(`nobody opened ${room} in this scene`);
    const lists = ['moderator', 'participant', 'visitor']
      .map((role) => `role='${role}'`)
      .concat(['owner', 'admin', 'member', 'outcast'].map((one) => `affiliation='${one}'`));
    const all: string[] = [];
    for (const list of lists) {
      const answer = await first.ask('get', `<query xmlns='${muc}#admin'><item ${list}/></query>`, room);
      const items = children(child(result(answer), 'query')!, 'item');
      const says = items.map((one) =>
        ['nick', 'jid', 'role', 'affiliation'].map((key) => attr(one, key) ?? '').join(' '),
      );
      all.push(`${list}: ${says.sort().join(' , ')} `);
    }
    return all.join('\n');
  }

  #join(actor: Actor, room: string, nick: string, more: string): void {
    actor.send(
      `<presence to='${room}/${nick}' id='enter${++this.#counter}'><x xmlns='${muc}'>${more}</x></presence>`,
    );
  }

  /** Takes from all inboxes what came from this room and is of no interest. */
  #drop(gone: (stanza: Element, by: Actor) => boolean, room: string): void {
    for (const actor of this.#actors.values())
      actor.forget((one) => {
        const from = attr(one, 'from') ?? '';
        return (from === room || from.startsWith(`${room}/`)) && gone(one, actor);
      });
  }

  #actor(name: string): Actor {
    const actor = this.#actors.get(name);
    if (!actor) throw new Error(`${name} is not connected`);
    return actor;
  }
}

/** The submitted form of a room's configuration: `key=value` lines, `muc#roomconfig_` left out. */
function owner(lines: string): string {
  const values = new Map<string, string[]>();
  for (const line of lines.split('\n').filter(Boolean)) {
    const [, key, value] = /^([^=]+)=(.*)$/.exec(line)!;
    const name = key!.includes('#') ? key! : `muc#roomconfig_${key}`;
    values.set(name, [...(values.get(name) ?? []), ...(value ? [value] : [])]);
  }
  const fields = [...values].map(
    ([name, all]) => `<field var='${name}'>${all.map((one) => `<value>${one}</value>`).join('')}</field>`,
  );
  const type = `<field var='FORM_TYPE'><value>${muc}#roomconfig</value></field>`;
  const form = fields.length > 0 ? type + fields.join('') : '';
  return `<query xmlns='${muc}#owner'><x xmlns='${data}' type='submit'>${form}</x></query>`;
}

function result(answer: Element): Element {
  if (attr(answer, 'type') === 'error') throw new Error(`refused: ${show(answer)}${text(answer)}`);
  return answer;
}
