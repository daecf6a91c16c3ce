import type { Loyal } from '../e2e/loyal.ts';
import type { Scenario } from './scenario.ts';

/** What a scenario did to its clients. */
export interface Tally {
  readonly messages: number;
  /** Milliseconds from send to acknowledgement: the longest of a client in a round is one sample. */
  readonly pauses: readonly number[];
  readonly disconnected: number;
  readonly resumed: number;
  /** Sessions that could not be resumed. */
  readonly refused: number;
  readonly lost: readonly string[];
  readonly doubled: readonly string[];
  /** Arrived under two ids: a second copy rather than the same one again. */
  readonly copied: readonly string[];
  readonly disordered: readonly string[];
  readonly bounced: readonly string[];
  /** Attempts to connect that came to nothing. */
  readonly stumbles: readonly string[];
  readonly flaps: readonly string[];
}

/** What came of one sender's messages at one recipient. */
export interface Course {
  /** The sender's user name, with which each of its messages begins, followed by its number. */
  readonly from: string;
  readonly to: string;
  /** In the order in which they were said. */
  readonly bodies: readonly string[];
  /** In the order in which they came, under the ids that the archive has them. */
  readonly heard: readonly { readonly body: string; readonly id: string }[];
}

type Counts = Pick<Tally, 'messages' | 'lost' | 'doubled' | 'copied' | 'disordered'>;

export function count(courses: readonly Course[]): Counts {
  const lost: string[] = [];
  const doubled: string[] = [];
  const copied: string[] = [];
  const disordered: string[] = [];
  for (const { from, to, bodies, heard } of courses) {
    const ids = new Map<string, Set<string>>();
    const times = new Map<string, number>();
    for (const { body, id } of heard) {
      times.set(body, (times.get(body) ?? 0) + 1);
      ids.set(body, (ids.get(body) ?? new Set()).add(id));
    }
    const own = new Set(bodies);
    for (const body of bodies) if (!times.has(body)) lost.push(`'${body}' at ${to}`);
    for (const [body, often] of times) if (often > 1) doubled.push(`'${body}' ${often} times at ${to}`);
    // Of earlier books, in which it has come already.
    for (const body of times.keys()) if (!own.has(body)) doubled.push(`'${body}' once more at ${to}`);
    for (const [body, set] of ids) if (set.size > 1) copied.push(`'${body}' at ${to}`);
    const order = [...times.keys()].map((body) => Number(body.split(' ')[1]));
    order.forEach((number, at) => {
      if (at > 0 && number < order[at - 1]!)
        disordered.push(`'${from} ${number}' after ${order[at - 1]} at ${to}`);
    });
  }
  const messages = courses.reduce((total, { bodies }) => total + bodies.length, 0);
  return { messages, lost, doubled, copied, disordered };
}

export function tally(
  clients: readonly Loyal[],
  courses: readonly Course[],
  pauses: readonly number[],
  flaps: readonly string[],
): Tally {
  const sum = (of: (one: Loyal) => number) => clients.reduce((total, one) => total + of(one), 0);
  return {
    ...count(courses),
    pauses,
    disconnected: sum((one) => one.lost),
    resumed: sum((one) => one.resumed),
    refused: sum((one) => one.refusals.length),
    bounced: clients.flatMap((one) => one.bounced),
    stumbles: clients.flatMap((one) => one.stumbles.map((text) => `${one.user}: ${text}`)),
    flaps,
  };
}

/** Several kinds of people under the same fault. */
export function together(all: readonly Tally[]): Tally {
  const sum = (of: (one: Tally) => number) => all.reduce((total, one) => total + of(one), 0);
  return {
    messages: sum((one) => one.messages),
    pauses: all.flatMap((one) => one.pauses),
    disconnected: sum((one) => one.disconnected),
    resumed: sum((one) => one.resumed),
    refused: sum((one) => one.refused),
    lost: all.flatMap((one) => one.lost),
    doubled: all.flatMap((one) => one.doubled),
    copied: all.flatMap((one) => one.copied),
    disordered: all.flatMap((one) => one.disordered),
    bounced: all.flatMap((one) => one.bounced),
    stumbles: all.flatMap((one) => one.stumbles),
    flaps: all.flatMap((one) => one.flaps),
  };
}

/** What the scenario does not allow. */
export function problems(of: Scenario, counts: Tally): string[] {
  const some = (what: string, list: readonly string[]) =>
    list.length === 0 ? [] : [`${list.length} ${what}: ${list.slice(0, 3).join('; ')}`];
  const none = (what: string, count: number) => (count === 0 ? [] : [`${count} ${what}`]);
  const longest = Math.max(0, ...counts.pauses) / 1000;
  return [
    ...some('lost', counts.lost),
    ...(of.repeats === true ? [] : some('doubled', counts.doubled)),
    ...some('under two ids', counts.copied),
    ...some('out of order', counts.disordered),
    ...some('bounced', counts.bounced),
    ...some('flaps', counts.flaps),
    ...none('sessions not resumed', counts.refused),
    ...(of.disconnects === true ? [] : none('disconnected', counts.disconnected)),
    ...(longest > of.patience
      ? [`a pause of ${longest.toFixed(1)} s${counts.stumbles.map((text) => `; ${text}`).join('')}`]
      : []),
  ];
}

/** One line for people. */
export function told(name: string, rounds: number, of: Tally): string {
  const sorted = [...of.pauses].sort((a, b) => a - b);
  const at = (share: number) =>
    ((sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0) / 1000).toFixed(2);
  const counts = [
    `${of.disconnected} disconnected`,
    `${of.resumed} resumed`,
    `${of.refused} refused`,
    `${of.lost.length} lost`,
    `${of.doubled.length} doubled`,
    `${of.disordered.length} out of order`,
    `${of.bounced.length} bounced`,
    `${of.flaps.length} flaps`,
  ];
  return (
    `${name.padEnd(34)} ${String(rounds).padStart(3)} rounds, ${String(of.messages).padStart(5)} messages, ` +
    `pause p50 ${at(0.5)} p99 ${at(0.99)} max ${at(1)} s, ${counts.join(', ')}`
  );
}
