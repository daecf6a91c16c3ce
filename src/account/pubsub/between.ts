import { fixed } from '../../base/fixed.ts';
import type { Element } from '../../xmpp/element.ts';
import { Jid } from '../../xmpp/jid.ts';
import { NS } from '../../xmpp/namespaces.ts';
import type { Env } from '../env.ts';
import type { Partition } from '../partition.ts';
import { receiveLast, receiveOffer } from './last.ts';
import { receiveNotify } from './notify.ts';

/**
 * What one owner tells another of nodes. Its elements have a namespace of their own and are no stanzas, so that nothing
 * that a client sends is ever taken for one: a mux hands on stanzas alone (mux/verbs.ts).
 */
export function receiveBetween(partition: Partition, frame: Element): void {
  if (frame.name === 'notify') receiveNotify(partition, frame);
  else if (frame.name === 'last') receiveLast(partition, frame);
  else if (frame.name === 'offer') receiveOffer(partition, frame);
}

/**
 * Frames that could not be handed to the owner whom they are for: it went away, and somebody else comes. They are sent
 * again for a while, in whatever order, because what they tell is the newest or is asked for anew.
 */
export class Repeats {
  readonly #env: Env;
  readonly #serving: (partition: number) => Partition | undefined;
  #frames: Element[] = [];

  constructor(env: Env, serving: (partition: number) => Partition | undefined) {
    this.#env = env;
    this.#serving = serving;
  }

  add(frame: Element): void {
    const tries = Number(frame.attrs['tries'] ?? 0);
    if (tries >= fixed.betweenTries.value || this.#frames.length >= fixed.owed.value) return;
    this.#frames.push(frame.with({ tries: String(tries + 1) }));
    if (this.#frames.length > 1) return;
    this.#env.clock.after(fixed.owedRetry.value, () => {
      const frames = this.#frames;
      this.#frames = [];
      for (const one of frames) this.#again(one);
    });
  }

  #again(frame: Element): void {
    const [from, to] = endsOf(frame);
    const sender = Jid.parse(from)?.bare;
    const home = sender === undefined ? undefined : this.#env.partitionOf(sender);
    const partition = home === undefined ? undefined : this.#serving(home);
    if (partition !== undefined && to !== '') partition.post.pass(partition, to, frame);
  }
}

/** For whom a frame speaks, and one of those whom it is for. */
function endsOf(frame: Element): readonly [from: string, to: string] {
  const { of = '', to = '' } = frame.attrs;
  switch (frame.name) {
    case 'notify':
      return [frame.child('message', NS.client)?.attrs['from'] ?? '', frame.child('to')?.attrs['jid'] ?? ''];
    case 'last':
      return [to, frame.child('of')?.attrs['jid'] ?? ''];
    default:
      return [of, to];
  }
}
