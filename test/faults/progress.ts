import type { SingleBar } from 'cli-progress';
import { type Round, seconds } from './figures.ts';
import type { Row } from './rows.ts';

/** Seconds that a row takes beside its rounds: a new pool, people who log in, archives that are compared. */
const around = 40;

/** How far it is and how long it will take: a bar on a terminal, else a line for each round. On standard error. */
export class Progress {
  readonly #rows: readonly Row[];
  readonly #rounds: number;
  #row = 0;
  #began = performance.now();
  /** Seconds that rounds took so far, and should have taken. */
  #took = 0;
  #due = 0;
  #bar: SingleBar | undefined;

  constructor(rows: readonly Row[], rounds: number) {
    this.#rows = rows;
    this.#rounds = rounds;
  }

  /** All of it, in seconds. */
  get whole(): number {
    return this.#left(0, 0);
  }

  async begin(row: Row): Promise<void> {
    this.#row = this.#rows.indexOf(row);
    this.#began = performance.now();
    if (!process.stderr.isTTY) return say(`${row.name}: a new pool starts`);
    const { SingleBar } = await import('cli-progress');
    const format = '{row} {bar} round {value} of {total}, longest pause {pause}, {left} left';
    this.#bar = new SingleBar({ format, stream: process.stderr, clearOnComplete: true });
    this.#bar.start(this.#rounds, 0, this.#told(0, 0));
  }

  /** The first round has begun. */
  started(): void {
    this.#began = performance.now();
  }

  round({ pauses, wrong }: Round, number: number): void {
    const row = this.#rows[this.#row]!;
    this.#took += (performance.now() - this.#began) / 1000;
    this.#due += row.seconds;
    this.#began = performance.now();
    const longest = Math.max(0, ...pauses);
    const told = this.#told(longest, number);
    this.#bar?.update(number, told);
    if (this.#bar === undefined)
      say(
        `${row.name}: round ${number} of ${this.#rounds}, longest pause ${told.pause}` +
          `${wrong.length === 0 ? '' : `, ${wrong.length} views wrong`}; ${told.left} left`,
      );
  }

  end(): void {
    this.#bar?.stop();
    this.#bar = undefined;
  }

  #told(pause: number, round: number): { row: string; pause: string; left: string } {
    const { name } = this.#rows[this.#row]!;
    return { row: name, pause: seconds(pause), left: minutes(this.#left(this.#row, round)) };
  }

  #left(row: number, round: number): number {
    const pace = this.#due === 0 ? 1 : this.#took / this.#due;
    return this.#rows
      .slice(row)
      .reduce((sum, one, n) => sum + around + one.seconds * pace * (this.#rounds - (n === 0 ? round : 0)), 0);
  }
}

export function minutes(seconds: number): string {
  return seconds < 90 ? `${Math.round(seconds)} s` : `${Math.round(seconds / 60)} min`;
}

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}
