import { type Latency, latency } from '../../bench/stats.ts';
import type { Row } from './rows.ts';
import type { Tally } from './tally.ts';
import type { Errand } from './visitors.ts';

/** What one round did. Times in milliseconds. */
export interface Round {
  /** From when it broke until the engine answered again, where it was one; else until all was whole. */
  readonly outage: number;
  /** The longest wait for an acknowledgement, of each who talks. */
  readonly pauses: readonly number[];
  /** Views that were wrong 10 s after all was whole, and how long it took until none was. */
  readonly wrong: readonly string[];
  readonly right: number;
  /** Partitions that have another owner or epoch than before. */
  readonly moved: number;
}

/** How many there were, how many came to nothing, and how long the others took. */
export interface Errands extends Latency {
  readonly failed: number;
}

/** What a row's rounds did together. */
export interface Figures {
  readonly rounds: number;
  readonly messages: number;
  /** The longest wait for an acknowledgement of each who talks, in each round. */
  readonly pause: Latency;
  /** The longest time that a message to somebody was under way, of each, in each round. */
  readonly arrival: Latency;
  /** Of the longest waits, the part behind the engine's return; undefined where no engine was away. */
  readonly behind: number | undefined;
  /** The longest outage. */
  readonly outage: number;
  readonly disconnected: number;
  readonly resumed: number;
  /** Sessions that could not be resumed. */
  readonly refused: number;
  readonly lost: number;
  readonly doubled: number;
  readonly disordered: number;
  /** Durable stanzas that came back. */
  readonly bounced: number;
  /** Somebody who was there all the time was seen leaving. */
  readonly flaps: number;
  readonly wrong: number;
  /** The longest time until all views were right. */
  readonly right: number;
  readonly moved: number;
  readonly logins: Errands;
  readonly pages: Errands;
  /** Each round by itself, with its longest pause. */
  readonly each: readonly (Pick<Round, 'outage' | 'right' | 'moved'> & { readonly pause: number })[];
  /** What else was not so: in archives, in rooms, of who vanished; or why the row was broken off. */
  readonly found: readonly string[];
  /** Examples of what is counted above. */
  readonly examples: readonly string[];
}

export interface Seen {
  readonly rounds: readonly Round[];
  readonly tally: Tally;
  readonly arrivals: readonly number[];
  readonly errands: readonly Errand[];
  readonly found: readonly string[];
  readonly engine: boolean;
}

export function figures({ rounds, tally, arrivals, errands, found, engine }: Seen): Figures {
  const all = rounds.flatMap(({ pauses }) => pauses);
  const wrong = rounds.flatMap((round) => round.wrong);
  const kinds = (kind: Errand['what'][]): Errands => {
    const of = errands.filter(({ what }) => kind.includes(what));
    const done = of.filter(({ failed }) => failed === undefined);
    return { ...latency(done.map(({ took }) => took)), count: of.length, failed: of.length - done.length };
  };
  const failed = errands.flatMap(({ what, failed: why }) => (why === undefined ? [] : [`${what} of ${why}`]));
  const most = (list: readonly number[]) => list.reduce((a, b) => Math.max(a, b), 0);
  return {
    rounds: rounds.length,
    messages: tally.messages,
    pause: latency(all),
    arrival: latency(arrivals),
    behind: engine
      ? most(rounds.flatMap(({ outage, pauses }) => pauses.map((pause) => pause - outage)))
      : undefined,
    outage: most(rounds.map(({ outage }) => outage)),
    disconnected: tally.disconnected,
    resumed: tally.resumed,
    refused: tally.refused,
    lost: tally.lost.length,
    doubled: tally.doubled.length,
    disordered: tally.disordered.length,
    bounced: tally.bounced.length,
    flaps: tally.flaps.length,
    wrong: wrong.length,
    right: most(rounds.map(({ right }) => right)),
    moved: rounds.reduce((sum, { moved }) => sum + moved, 0),
    logins: kinds(['login', 'logout']),
    pages: kinds(['page']),
    each: rounds.map(({ outage, right, moved, pauses }) => ({ pause: most(pauses), outage, right, moved })),
    found,
    examples: [
      tally.lost,
      tally.doubled,
      tally.disordered,
      tally.bounced,
      tally.flaps,
      wrong,
      failed,
      tally.stumbles,
    ].flatMap((list) => list.slice(0, 3)),
  };
}

/** What of a row's promise was not kept; empty where all of it was. */
export function broken({ bounds }: Row, of: Figures): string[] {
  const none = (what: string, count: number) => (count === 0 ? [] : [`${count} ${what}`]);
  const within = (what: string, ms: number, bound: number | undefined) =>
    bound === undefined || ms <= bound ? [] : [`${what} of ${seconds(ms)} instead of ${seconds(bound)}`];
  return [
    ...of.found,
    ...none('lost', of.lost),
    ...none('doubled', of.doubled),
    ...none('out of order', of.disordered),
    ...none('came back as errors', of.bounced),
    ...none('sessions not resumed', of.refused),
    ...(bounds.disconnects === true ? [] : none('disconnected', of.disconnected)),
    ...none('seen leaving who were there', of.flaps),
    ...none('views wrong after 10 s', of.wrong),
    ...(bounds.errs === true
      ? []
      : [...none('failed logins', of.logins.failed), ...none('failed pages', of.pages.failed)]),
    ...(bounds.stays === true ? none('partitions moved', of.moved) : []),
    ...within('a pause (p99)', of.pause.p99, bounds.p99),
    ...within('a pause', of.pause.max, bounds.longest),
    ...within('a pause behind the outage', of.behind ?? 0, bounds.behind),
  ];
}

export function seconds(ms: number): string {
  return Number.isFinite(ms) ? `${(ms / 1000).toFixed(2)} s` : '–';
}
