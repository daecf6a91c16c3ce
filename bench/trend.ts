/** The arithmetic of the long run: does something grow? Pure, so that test/bench can hold it to known answers. */

/** A value at a time, in seconds. */
export interface Point {
  readonly at: number;
  readonly value: number;
  /** The process that it is of; another one begins anew. */
  readonly of?: number | undefined;
}

/** A line through points. */
export interface Line {
  readonly mean: number;
  /** Growth in an hour, and its standard error. */
  readonly slope: number;
  readonly error: number;
  readonly count: number;
}

export type Verdict = 'flat' | 'grows' | 'unclear';

const hour = 3600;

/** Means over stretches of `seconds`: what is measured in quick succession is not independent. */
export function stretches(points: readonly Point[], seconds: number): Point[] {
  const groups = Map.groupBy(points, ({ at }) => Math.floor(at / seconds));
  return [...groups.values()].map((group) => ({
    at: mean(group.map(({ at }) => at)),
    value: mean(group.map(({ value }) => value)),
  }));
}

/** Least squares. The error is NaN below three points, the slope below two. */
export function line(points: readonly Point[]): Line {
  const count = points.length;
  const [x, y] = [mean(points.map(({ at }) => at)), mean(points.map(({ value }) => value))];
  const square = sum(points.map(({ at }) => (at - x) ** 2));
  const slope = sum(points.map(({ at, value }) => (at - x) * (value - y))) / square;
  const rest = sum(points.map(({ at, value }) => (value - y - slope * (at - x)) ** 2));
  const error = count < 3 ? Number.NaN : Math.sqrt(rest / (count - 2) / square);
  return { mean: y, slope: slope * hour, error: error * hour, count };
}

/**
 * Whether it stays below a growth of `limit` in an hour: flat, or grows, where two standard errors lie on that side of it;
 * else unclear.
 */
export function verdict({ slope, error }: Line, limit: number): Verdict {
  if (slope - 2 * error > limit) return 'grows';
  return slope + 2 * error <= limit ? 'flat' : 'unclear';
}

/**
 * Leaves out the first `seconds` of each process that began after the first point: it is still getting to its size.
 */
export function grown(points: readonly Point[], seconds: number): Point[] {
  const began = new Map<number | undefined, number>();
  const first = points[0];
  for (const { at, of } of points) if (!began.has(of)) began.set(of, at);
  return points.filter(({ at, of }) => of === first?.of || at - began.get(of)! >= seconds);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function mean(values: readonly number[]): number {
  return sum(values) / values.length;
}
