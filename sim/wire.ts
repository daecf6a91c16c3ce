import type { Clock } from '../src/base/clock.ts';
import type { Transport, TransportHandlers } from '../src/mux/transport.ts';
import type { Process } from './net.ts';
import type { Seeded } from './scheduler.ts';

/** The client's end of a connection in memory. */
export interface Line {
  send(text: string): void;
  /** Cuts the connection without a word: the mux notices after a while, as it would with TCP. */
  cut(): void;
}

export interface LineHandlers {
  frame(text: string): void;
  closed(): void;
}

/**
 * A connection between a simulated client and a mux, framed as RFC 7395 does. Both directions take their time and keep
 * their order; a cut loses what is on its way.
 */
export function connect(
  clock: Clock,
  random: Seeded,
  mux: Process,
  accept: (transport: Transport) => void,
  client: LineHandlers,
): Line {
  const line = new Pair(clock, random, client, mux);
  accept(line);
  return line;
}

class Pair implements Transport, Line {
  readonly framing = 'frame';
  readonly kind = 'ws';
  readonly address = '127.0.0.1';
  readonly tls = undefined;
  readonly upgradable = false;
  readonly #clock: Clock;
  readonly #random: Seeded;
  readonly #client: LineHandlers;
  readonly #mux: Process;
  #handlers: TransportHandlers | undefined;
  #open = true;
  #paused = false;
  #waiting: string[] = [];
  #written: string[] = [];
  #toMux = 0;
  #toClient = 0;
  queued = 0;

  constructor(clock: Clock, random: Seeded, client: LineHandlers, mux: Process) {
    this.#clock = clock;
    this.#random = random;
    this.#client = client;
    this.#mux = mux;
  }

  // ── the mux's end ─────────────────────────────────────────────────────────────────────────────────────────────

  open(handlers: TransportHandlers): void {
    this.#handlers = handlers;
  }

  write(text: string): void {
    this.#written.push(text);
  }

  flush(): void {
    if (this.#written.length === 0) return;
    const texts = this.#written;
    this.#written = [];
    const bytes = texts.reduce((sum, text) => sum + text.length, 0);
    this.queued += bytes;
    this.#toClient = Math.max(this.#toClient, this.#clock.mono() + this.#random.int(20));
    this.#clock.after(this.#toClient - this.#clock.mono(), () => {
      if (!this.#open) return;
      this.queued -= bytes;
      for (const text of texts) if (this.#open) this.#client.frame(text);
      if (this.queued === 0) this.#soon(() => this.#handlers?.drained());
    });
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#soon(() => this.#give());
  }

  secure(): void {}
  trust(): void {}

  close(): void {
    this.flush();
    this.#mux.clock.after(40, () => this.destroy());
  }

  destroy(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#soon(() => this.#handlers?.closed());
    this.#clock.after(this.#random.int(20), () => this.#client.closed());
  }

  // ── the client's end ──────────────────────────────────────────────────────────────────────────────────────────

  send(text: string): void {
    this.#toMux = Math.max(this.#toMux, this.#clock.mono() + this.#random.int(20));
    this.#clock.after(this.#toMux - this.#clock.mono(), () => {
      this.#soon(() => {
        if (!this.#open) return;
        this.#waiting.push(text);
        this.#give();
      });
    });
  }

  cut(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#mux.clock.after(this.#random.int(200), () => this.#handlers?.closed());
  }

  #give(): void {
    while (!this.#paused && this.#open) {
      const text = this.#waiting.shift();
      if (text === undefined) return;
      this.#handlers?.data(text);
    }
  }

  /** In the mux's process: nothing runs there while it is frozen, or once it is dead. */
  #soon(run: () => void): void {
    this.#mux.clock.soon(run);
  }
}
