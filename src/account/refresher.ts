import type { Clock, Timer } from '../base/clock.ts';
import { fixed } from '../base/fixed.ts';
import { refresh } from './presence.ts';
import { loaded } from './roster.ts';
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
  /** How many more may have their turn before the next step. */
  #share = 0;
  /** Contact lists that the store was asked for. */
  #reading = 0;
  #timer: Timer | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
    const { value } = fixed.refreshBurst;
    this.#bucket = new Bucket({ burst: value, perSecond: value }, clock.mono());
  }

  /** Call it in the account's mailbox. */
  refresh(session: Session): void {
    if (this.#waiting.size === 0 && !this.#busy && this.#bucket.take(this.#clock.mono()))
      this.#begin(session);
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
      const share = Math.ceil((this.#waiting.size * step) / fixed.refreshTime.value);
      this.#share = Math.max(share, Math.ceil((fixed.refreshBurst.value * step) / 1000));
      this.#next();
      if (this.#waiting.size > 0) this.#watch();
    });
  }

  #next(): void {
    for (const session of this.#waiting) {
      if (this.#share <= 0 || this.#busy) return;
      this.#share -= 1;
      this.#waiting.delete(session);
      session.account.mailbox.run(() => {
        if (!session.ended && !session.dormant && !session.partition.ended) this.#begin(session);
      });
    }
  }

  get #busy(): boolean {
    return this.#reading >= fixed.refreshReads.value;
  }

  #begin(session: Session): void {
    refresh(session);
    const { account } = session;
    if (account.roster !== undefined) return;
    this.#reading += 1;
    const read = (): void => {
      this.#reading -= 1;
      this.#next();
    };
    loaded(account).then(read, read);
  }
}

/** Milliseconds between two turns. */
const step = 50;
