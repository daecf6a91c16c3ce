import type { Clock, Timer } from '../base/clock.ts';
import { fixed } from '../base/fixed.ts';
import { refresh } from './presence.ts';
import type { Session } from './session.ts';
import { Bucket } from '../base/bucket.ts';

/**
 * A new owner repeats its sessions' presence and asks for their contacts' (presence.ts, refresh). For a few at once that
 * happens at once; a whole server's sessions take turns, so that messages do not wait behind them: DESIGN §4 gives
 * presence ten seconds (invariant 9), messages one.
 */
export class Refresher {
  readonly #clock: Clock;
  readonly #bucket: Bucket;
  readonly #waiting = new Set<Session>();
  #timer: Timer | undefined;

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
    this.#timer ??= this.#clock.after(step, () => {
      this.#timer = undefined;
      // However many there are, the last one's turn comes within `fixed.refreshTime`.
      let share = Math.ceil((this.#waiting.size * step) / fixed.refreshTime.value);
      share = Math.max(share, Math.ceil((fixed.refreshBurst.value * step) / 1000));
      for (const session of this.#waiting) {
        if (share-- === 0) break;
        this.#waiting.delete(session);
        session.account.mailbox.run(() => {
          if (!session.ended && !session.dormant && !session.partition.ended) refresh(session);
        });
      }
      if (this.#waiting.size > 0) this.#watch();
    });
  }
}

/** Milliseconds between two turns. */
const step = 50;
