import type { Mechanism } from '../directory/directory.ts';
import type { Auth, Continue, Wishes } from '../link/frames.ts';
import { fromSalted, saltBytes, sizeOf, usualIterations, type Hash } from '../xmpp/sasl/keys.ts';
import { refuse, type Exchange, type Step } from '../xmpp/sasl/sasl.ts';
import type { Env } from './env.ts';
import type { Settled, Tokens } from './fast.ts';

/** What comes of a message of the client: as in SASL, or something is to be done first (XEP-0388 §2.6.3). */
export type Outcome = Settled | More;
export interface More extends Pick<Continue, 'data' | 'mechanism' | 'salt' | 'iterations'> {
  readonly kind: 'continue';
}
export interface Dialogue {
  step(data: Uint8Array): Promise<Outcome> | Outcome;
}

/** With tokens, and with what SASL2 does between the proof and the success. `open`: the exchange of a usual mechanism. */
export function openSasl2(
  env: Env,
  tokens: Tokens,
  frame: Auth,
  open: () => Exchange | undefined,
): Dialogue | undefined {
  const { sasl2: wishes, mechanism } = frame;
  if (wishes === undefined) return open();
  if (mechanism.startsWith('HT-')) return tokens.open(frame, wishes);
  const exchange = open();
  return exchange && new Extended(env, tokens, frame, wishes, exchange);
}

class Extended implements Dialogue {
  readonly #env: Env;
  readonly #tokens: Tokens;
  readonly #domain: string;
  readonly #wishes: Wishes;
  readonly #exchange: Exchange;
  readonly #upgrades: string[];
  /** Who has proved to be who, and is given something to do. */
  #proven: (Step & { readonly kind: 'success' }) | undefined;
  #task: More | undefined;

  constructor(env: Env, tokens: Tokens, { info, mechanism }: Auth, wishes: Wishes, exchange: Exchange) {
    this.#env = env;
    this.#tokens = tokens;
    this.#domain = info.domain;
    this.#exchange = exchange;
    // Only who knows the password can hash it; and who is let in by a certificate, or by somebody else, needs no token.
    const known = mechanism === 'PLAIN' || mechanism.startsWith('SCRAM-');
    this.#wishes = known ? wishes : { ...wishes, token: undefined };
    this.#upgrades = known ? [...wishes.upgrades] : [];
  }

  step(data: Uint8Array): Promise<Outcome> | Outcome {
    if (this.#task !== undefined) return this.#done(this.#task, data);
    const step = this.#exchange.step(data);
    return step instanceof Promise ? step.then((one) => this.#after(one)) : this.#after(step);
  }

  #after(step: Step): Promise<Outcome> | Outcome {
    if (step.kind !== 'success') return step;
    this.#proven = step;
    return this.#next(step.data);
  }

  get #address(): string {
    return `${this.#proven!.username}@${this.#domain}`;
  }

  /** XEP-0480 §2.2: one task after the other, as far as keys are missing; then the success. */
  async #next(data: Uint8Array | undefined): Promise<Outcome> {
    const { directory, random } = this.#env;
    const proven = this.#proven!;
    for (let name = this.#upgrades.shift(); name !== undefined; name = this.#upgrades.shift()) {
      // oxlint-disable-next-line no-await-in-loop -- there are two at the most
      if ((await directory.keys(this.#address, name as Mechanism)) !== undefined) continue;
      const salt = random.bytes(saltBytes);
      this.#task = { kind: 'continue', data, mechanism: name, salt, iterations: usualIterations };
      return this.#task;
    }
    // XEP-0484 §3.3: not before everything else is done.
    const token =
      this.#wishes.token === undefined ? undefined : await this.#tokens.issue(this.#address, this.#wishes);
    return { ...proven, data, token };
  }

  async #done({ mechanism, salt, iterations }: More, salted: Uint8Array): Promise<Outcome> {
    this.#task = undefined;
    const hash = mechanism.slice('SCRAM-'.length) as Hash;
    if (salted.length !== sizeOf(hash)) return refuse('malformed-request');
    const keys = fromSalted(hash, salted, salt, iterations);
    await this.#env.directory.addKeys(this.#address, mechanism as Mechanism, keys);
    return this.#next(undefined);
  }
}
