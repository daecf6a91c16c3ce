import type { Timer } from '../base/clock.ts';
import { fixed } from '../base/fixed.ts';
import { token } from '../base/random.ts';
import { StanzaError } from '../xmpp/error.ts';
import type { Element } from '../xmpp/element.ts';
import type { Jid } from '../xmpp/jid.ts';
import { errorReply } from '../xmpp/stanza.ts';
import type { Partition } from './partition.ts';

/** A request from one occupant to another that has no answer yet. */
export interface Relay {
  /** Who asked, and what: `to` is the address in the room that it asked. */
  readonly from: Jid;
  readonly iq: Element;
  /** Whose answer counts: the real address that it went to. */
  readonly asked: string;
  /** By which the one that was asked knows who asked. */
  readonly by: string;
}

/**
 * The open requests between occupants of a partition's rooms, by the id under which they went on: it tells nothing of who
 * asked. They are in memory alone: with the owner they are gone, and whoever asked asks again.
 */
export class Relays {
  readonly #partition: Partition;
  readonly #open = new Map<string, Relay & { readonly timer: Timer }>();
  readonly #each = new Map<string, number>();

  constructor(partition: Partition) {
    this.#partition = partition;
  }

  /** The id under which it goes on. Throws `resource-constraint` where too many are open. */
  add(relay: Relay): string {
    const { full } = relay.from;
    const mine = this.#each.get(full) ?? 0;
    if (this.#open.size >= fixed.relayed.value || mine >= fixed.relayedEach.value)
      throw new StanzaError('resource-constraint', 'too many requests are open');
    const { clock, random } = this.#partition.env;
    const id = token(random, 12);
    const timer = clock.after(fixed.relayTime.value, () => this.#expire(id));
    this.#open.set(id, { ...relay, timer });
    this.#each.set(full, mine + 1);
    return id;
  }

  /** The request that this answers, once; undefined for what nobody asked, or asked somebody else. */
  take(id: string, from: Jid, to: Jid): Relay | undefined {
    const relay = this.#open.get(id);
    if (relay === undefined || relay.asked !== from.full || relay.by !== to.full) return undefined;
    this.#forget(id, relay);
    return relay;
  }

  /** The partition goes to another owner: nobody will answer. */
  end(): void {
    for (const id of this.#open.keys()) this.#expire(id);
  }

  stop(): void {
    for (const { timer } of this.#open.values()) timer.cancel();
    this.#open.clear();
    this.#each.clear();
  }

  #expire(id: string): void {
    const relay = this.#open.get(id);
    if (relay === undefined) return;
    this.#forget(id, relay);
    this.#partition.send(relay.from, errorReply(relay.iq, new StanzaError('remote-server-timeout')));
  }

  #forget(id: string, { from: { full }, timer }: Relay & { readonly timer: Timer }): void {
    timer.cancel();
    this.#open.delete(id);
    const mine = this.#each.get(full)! - 1;
    if (mine === 0) this.#each.delete(full);
    else this.#each.set(full, mine);
  }
}
