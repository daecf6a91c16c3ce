import { Bucket } from '../base/bucket.ts';
import { fixed } from '../base/fixed.ts';
import { StanzaError } from '../xmpp/error.ts';
import { textOf } from '../xmpp/serialise.ts';
import type { Element } from '../xmpp/element.ts';
import type { Jid } from '../xmpp/jid.ts';
import type { Room } from './room.ts';

/**
 * How fast accounts do something in a room (`limits.occupantRate`). All sessions of an account together, so that another
 * session, or coming in again, gives nobody more.
 */
export class Paces {
  readonly #room: Room;
  /** By bare address, the one that acted last at the end. */
  readonly #buckets = new Map<string, Bucket>();

  constructor(room: Room) {
    this.#room = room;
  }

  take(bare: string): boolean {
    const { partition, occupants } = this.#room;
    const { clock, limits } = partition.env;
    const [now, rate] = [clock.mono(), limits.occupantRate];
    const bucket = this.#buckets.get(bare) ?? new Bucket({ burst: rate * 3, perSecond: rate }, now);
    this.#buckets.delete(bare);
    this.#buckets.set(bare, bucket);
    if (this.#buckets.size > fixed.roomPaces.value + occupants.size)
      for (const oldest of this.#buckets.keys()) {
        this.#buckets.delete(oldest);
        break;
      }
    return bucket.take(now);
  }
}

/** Somebody says something, to all or to one, or asks the room for something. Throws `policy-violation` for too much. */
export function maySpeak({ words }: Room, { bare }: Jid): void {
  if (!words.take(bare))
    throw new StanzaError('policy-violation', 'too many messages, wait a moment', 'wait');
}

/** Somebody comes in, or shows something else of itself. Throws `policy-violation` for too much. */
export function mayMove({ moves }: Room, { bare }: Jid): void {
  if (!moves.take(bare))
    throw new StanzaError('policy-violation', 'too much presence, wait a moment', 'wait');
}

/** Throws `policy-violation` for a presence that is too long for everybody to keep (`fixed.roomPresence`). */
export function mayBring(presence: Element): void {
  if (!isBulky(presence)) return;
  const most = fixed.roomPresence.value;
  throw new StanzaError('policy-violation', `a presence in a room has at most ${most} characters`);
}

export function isBulky(presence: Element): boolean {
  return textOf(presence).length > fixed.roomPresence.value;
}
