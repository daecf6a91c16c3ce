import { fixed } from '../base/fixed.ts';
import type { Element } from '../xmpp/element.ts';
import { Jid } from '../xmpp/jid.ts';
import type { Env } from './env.ts';
import type { Partition } from './partition.ts';

/**
 * Answers and errors that could not be handed to the server of whom they are for: it went away, and another one comes. They
 * are sent again for a while. What occupants are told goes another way (company.ts).
 */
export class Echo {
  readonly #env: Env;
  readonly #serving: (partition: number) => Partition | undefined;
  #waiting: { readonly stanza: Element; readonly tries: number }[] = [];
  readonly #tries = new WeakMap<Element, number>();

  constructor(env: Env, serving: (partition: number) => Partition | undefined) {
    this.#env = env;
    this.#serving = serving;
  }

  add(stanza: Element): void {
    const tries = (this.#tries.get(stanza) ?? 0) + 1;
    if (tries > fixed.betweenTries.value || this.#waiting.length >= fixed.owed.value) return;
    this.#waiting.push({ stanza, tries });
    if (this.#waiting.length > 1) return;
    this.#env.clock.after(fixed.owedRetry.value, () => {
      const waiting = this.#waiting;
      this.#waiting = [];
      for (const one of waiting) this.#again(one.stanza, one.tries);
    });
  }

  #again(stanza: Element, tries: number): void {
    const from = Jid.parse(stanza.attrs['from'] ?? '');
    const to = Jid.parse(stanza.attrs['to'] ?? '');
    const home = from === undefined ? undefined : this.#env.partitionOf(from.bare);
    const partition = home === undefined ? undefined : this.#serving(home);
    if (partition === undefined || to === undefined) return;
    this.#tries.set(stanza, tries);
    partition.send(to, stanza);
  }
}
