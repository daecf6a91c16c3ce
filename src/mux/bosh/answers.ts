import { fixed } from '../../base/fixed.ts';

/** An answer that may be asked for again (XEP-0124 §14.3). */
export interface Answer {
  readonly text: string;
  /** Of what it carries. */
  readonly size: number;
  /** The network has taken it, or the client says that it has it. */
  taken: boolean;
  repeats: number;
}

/** The last answers of a session, and how much of them is still on its way. */
export class Answers {
  readonly #most: number;
  readonly #kept = new Map<number, Answer>();
  readonly #landed: () => void;
  /** Characters that the network has not taken. */
  flying = 0;
  /** The last one carried nothing. */
  quiet = false;

  /** Keeps `most`; `landed` is called when some more was taken. */
  constructor(most: number, landed: () => void) {
    this.#most = most;
    this.#landed = landed;
  }

  keep(rid: number, text: string, size: number): Answer {
    const answer: Answer = { text, size, taken: size === 0, repeats: 0 };
    this.quiet = size === 0;
    this.flying += size;
    this.#kept.set(rid, answer);
    for (const [oldest, before] of this.#kept) {
      if (this.#kept.size <= this.#most) break;
      // A client that is so much further has it.
      this.#kept.delete(oldest);
      this.taken(before);
    }
    return answer;
  }

  /** The answer to a request that came before; `too-often` where it came again and again. */
  again(rid: number): Answer | 'too-often' | undefined {
    const answer = this.#kept.get(rid);
    if (answer === undefined) return undefined;
    return ++answer.repeats > fixed.boshRepeats.value ? 'too-often' : answer;
  }

  taken(answer: Answer): void {
    if (answer.taken) return;
    answer.taken = true;
    this.flying -= answer.size;
    this.#landed();
  }

  /** The client has all of them up to this one. */
  acknowledged(rid: number): void {
    for (const [answered, answer] of this.#kept) if (answered <= rid) this.taken(answer);
  }
}
