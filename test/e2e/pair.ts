import assert from 'node:assert/strict';
import { Actor } from './actor.ts';
import type { Target } from './server.ts';
import { poll } from './child.ts';
import { attr } from './xml.ts';

/** One says something; resolves when whoever is to hear it has. */
export type Say = (from: Actor, to: Actor, id: string) => Promise<void>;

/** Two innocent clients that chat without a pause while something else happens to the server. */
export class Pair {
  readonly one: Actor;
  readonly other: Actor;
  /** Messages sent so far, in each direction. */
  said = 0;
  #heard = 0;
  #stop = false;
  #running: Promise<void>;
  #fault: Error | undefined;
  readonly #say: Say;
  /** Milliseconds between two rounds. */
  readonly #pause: number;

  constructor(one: Actor, other: Actor, say: Say = privately, pause = 5) {
    this.one = one;
    this.other = other;
    this.#say = say;
    this.#pause = pause;
    this.#running = this.#chat().catch((error: unknown) => {
      this.#fault = error as Error;
    });
  }

  static async open(target: Target, a: string, b: string): Promise<Pair> {
    const [one, other] = await Promise.all([
      Actor.login(target, { user: a, resource: 'chat' }),
      Actor.login(target, { user: b, resource: 'chat' }),
    ]);
    return new Pair(one, other);
  }

  /** Rejects unless at least one more round went through since `said`, with nothing lost, doubled or out of order. */
  async check(said: number): Promise<void> {
    await poll(
      () => {
        if (this.#fault) throw this.#fault;
        return this.#heard > said + 1 ? true : undefined;
      },
      () => 'the innocent pair stopped talking',
    );
    assert.equal(
      this.one.wire.closed || this.other.wire.closed,
      false,
      'an innocent client was disconnected',
    );
  }

  async close(): Promise<void> {
    this.#stop = true;
    await this.#running;
    await Promise.all([this.one.close(), this.other.close()]);
    if (this.#fault) throw this.#fault;
  }

  /** Question and answer; each waits for the other, so that a word lost shows at once. */
  async #chat(): Promise<void> {
    while (!this.#stop) {
      const n = ++this.said;
      await this.#say(this.one, this.other, `q${n}`);
      await this.#say(this.other, this.one, `a${n}`);
      this.#heard = n;
      await new Promise((resolve) => setTimeout(resolve, this.#pause));
    }
  }
}

async function privately(from: Actor, to: Actor, id: string): Promise<void> {
  from.send(`<message type='chat' to='${to.full}' id='${id}'><body>${id}</body></message>`);
  await to.expect(`<message type='chat' from='${from.full}' id='${id}'/>`);
  heardNothingElse(to);
}

/** In a room where both are: each hears it, the one who says it as well. */
export function inRoom(room: string): Say {
  return async (from, to, id) => {
    from.send(`<message type='groupchat' to='${room}' id='${id}'><body>${id}</body></message>`);
    await Promise.all([from, to].map((who) => who.expect(`<message type='groupchat' id='${id}'/>`)));
    heardNothingElse(from);
    heardNothingElse(to);
  };
}

function heardNothingElse({ inbox }: Actor): void {
  const rest = inbox.filter((one) => one.localName === 'message').map((one) => attr(one, 'id'));
  assert.deepEqual(rest, [], 'an innocent client heard something twice or from elsewhere');
}
