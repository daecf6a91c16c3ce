import type { Past } from '../link/frames.ts';
import { same } from '../base/same.ts';
import { refuse } from '../xmpp/sasl/sasl.ts';
import type { Dialogue, Outcome } from './sasl2.ts';

/**
 * An exchange that goes on after another owner's challenge: the first message is looked at again, and leads to the same
 * challenge, unless the password or what is offered has changed meanwhile. Then the client may try again (RFC 6120
 * §6.5.11). The muxes are believed what the challenge was, as they are whose connection it is.
 */
export function repeated(dialogue: Dialogue, past: Past): Dialogue {
  return new Repeated(dialogue, past);
}

class Repeated implements Dialogue {
  readonly #dialogue: Dialogue;
  #past: Past | undefined;

  constructor(dialogue: Dialogue, past: Past) {
    this.#dialogue = dialogue;
    this.#past = past;
  }

  step(data: Uint8Array): Promise<Outcome> | Outcome {
    const past = this.#past;
    this.#past = undefined;
    return past === undefined ? this.#dialogue.step(data) : this.#repeat(data, past);
  }

  async #repeat(first: Uint8Array, { challenge, answer }: Past): Promise<Outcome> {
    const step = await this.#dialogue.step(first);
    if (step.kind !== 'challenge') return step;
    if (!same(step.data, challenge)) return refuse('temporary-auth-failure');
    return this.#dialogue.step(answer);
  }
}
