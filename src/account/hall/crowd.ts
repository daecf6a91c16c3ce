import { fixed } from '../../base/fixed.ts';
import type { Shown } from '../../link/rooms.ts';
import { attribute } from '../../xmpp/serialise.ts';
import { NS } from '../../xmpp/namespaces.ts';

/** Whom a hall shows, and who went of late, each in the order of `v` (link/rooms.ts). */
export class Crowd {
  /** Number of the newest change that was heard of. */
  v = 0;
  readonly #room: string;
  #shown = new Map<string, Shown>();
  #gone = new Map<string, Shown>();

  constructor(room: string) {
    this.#room = room;
  }

  /** Something happened to an occupant. */
  put(one: Shown): void {
    const { nick } = one;
    this.#shown.delete(nick);
    this.#gone.delete(nick);
    if (one.gone !== true) {
      this.#shown.set(nick, one);
      return;
    }
    this.#gone.set(nick, one);
    if (this.#gone.size > fixed.departures.value)
      for (const oldest of this.#gone.keys()) {
        this.#gone.delete(oldest);
        break;
      }
  }

  /** Everybody who is there, as of `v`. Whoever was shown and is not among them has gone, whether or not anybody saw it. */
  replace(list: readonly Shown[], v: number): void {
    const before = this.#shown;
    this.#shown = new Map();
    const gone = this.#gone;
    this.#gone = new Map();
    for (const one of list) (one.gone === true ? this.#gone : this.#shown).set(one.nick, one);
    const unseen = Math.max(v, this.v + 1);
    this.v = Math.max(v, this.v);
    for (const nick of before.keys())
      if (!this.#shown.has(nick) && !this.#gone.has(nick)) {
        this.v = unseen;
        this.#gone.set(nick, { nick, v: unseen, gone: true, open: this.#vanished(nick) });
      }
    for (const [nick, one] of gone)
      if (!this.#shown.has(nick) && !this.#gone.has(nick)) this.#gone.set(nick, one);
    const all = [...this.#gone].toSorted((a, b) => a[1].v - b[1].v);
    this.#gone = new Map(all.slice(-fixed.departures.value));
  }

  /** What happened above `v`, in its order; of departures, only those above `from`. */
  since(v: number, from: number): Shown[] {
    const rest: Shown[] = [];
    for (const one of this.#shown.values()) if (one.v > v) rest.push(one);
    const came = rest.length;
    for (const one of this.#gone.values()) if (one.v > from) rest.push(one);
    return rest.length > came ? rest.sort((a, b) => a.v - b.v) : rest;
  }

  #vanished(nick: string): string {
    const from = attribute(`${this.#room}/${nick}`);
    return ` from="${from}" type="unavailable"><x xmlns="${NS.mucUser}"><item affiliation="none" role="none"/></x></presence>`;
  }
}
