import type { Clock, Timer } from '../base/clock.ts';
import { fixed } from '../base/fixed.ts';
import { refresh } from './presence.ts';
import type { Session } from './session.ts';
import { Bucket } from '../base/bucket.ts';

/**
 * A new owner repeats its sessions' presence and asks for their contacts' (presence.ts, refresh). For a few at once that
 * happens at once; a whole server's sessions take turns, so that messages do not wait behind them: DESIGN §4 gives
 * presence ten seconds (invariant 9), messages one. Where a server has more of them than it can repeat in that time,
 * presence is what waits.
 */
export class Refresher {
  readonly #clock: Clock;
  readonly #bucket: Bucket;
  readonly #waiting = new Set<Session>();
  #timer: Timer | undefined;
  /** How many have their turn in a step so that the last one's comes in time, since somebody waits; and how many had. */
  #due = 0;
  #share = 0;
  /** When the last turn began. */
  #began = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
    const { value } = fixed.refreshBurst;
    this.#bucket = new Bucket({ burst: value, perSecond: value }, clock.mono());
  }

  /** Call it in the account's mailbox. */
  refresh(session: Session): void {
    if (this.#waiting.size === 0 && this.#bucket.take(this.#clock.mono())) refresh(session);
    else {
      this.#waiting.add(session);
      this.#watch();
    }
  }

  close(): void {
    this.#timer?.cancel();
    this.#waiting.clear();
  }

  #watch(): void {
    if (this.#share === 0) this.#began = this.#clock.mono();
    this.#timer ??= this.#clock.after(step, () => {
      this.#timer = undefined;
      this.#turn();
    });
  }

  #turn(): void {
    const now = this.#clock.mono();
    // What the last turn began took the event loop for longer than it leaves to others, and messages waited as well.
    const late = now - this.#began > 2 * step;
    this.#began = now;
    this.#due = Math.max(this.#due, least, Math.ceil((this.#waiting.size * step) / fixed.refreshTime.value));
    this.#share = Math.max(least, Math.min(this.#due, late ? Math.floor(this.#share / 2) : this.#share * 2));
    this.#take(this.#share);
    if (this.#waiting.size > 0) this.#watch();
    else this.#due = this.#share = 0;
  }

  #take(share: number): void {
    for (const session of this.#waiting) {
      if (share-- === 0) return;
      this.#waiting.delete(session);
      session.account.mailbox.run(() => {
        if (!session.ended && !session.dormant && !session.partition.ended) refresh(session);
      });
    }
  }
}

/** Milliseconds between two turns, and how many have theirs in one, however late that is. */
const step = 50;
const least = Math.ceil((fixed.refreshBurst.value * step) / 1000);
