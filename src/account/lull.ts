import { fixed } from '../base/fixed.ts';

/**
 * What a session whose client is inactive (XEP-0352) need not be sent at once, in order; under one key the newest counts.
 * It is never all there is of something that must not be lost: a new owner asks for presence again.
 */
export class Lull {
  readonly #held = new Map<string, string>();
  #characters = 0;

  get size(): number {
    return this.#held.size;
  }

  /** False where it has no room: then everything is to be sent. */
  hold(key: string, text: string): boolean {
    const before = this.#held.get(key);
    if (before !== undefined) {
      this.#held.delete(key);
      this.#characters -= before.length;
    }
    if (this.#held.size >= fixed.lull.value || this.#characters + text.length > fixed.lullCharacters.value)
      return false;
    this.#held.set(key, text);
    this.#characters += text.length;
    return true;
  }

  take(): string[] {
    const held = [...this.#held.values()];
    this.#held.clear();
    this.#characters = 0;
    return held;
  }
}
