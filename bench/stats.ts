/** The arithmetic of the tables. Everything here is pure, so that test/bench can hold it to known answers. */

/**
 * The `p`-th percentile (0..100) of `values` by nearest rank: the smallest value that at least `p` per cent of them
 * do not exceed. NaN where there are none.
 */
export function percentile(values: readonly number[], p: number): number {
  if (values.length === 0) return Number.NaN;
  const sorted = Float64Array.from(values).sort();
  const rank = Math.ceil((p / 100) * sorted.length);
  return sorted[Math.min(Math.max(rank, 1), sorted.length) - 1] ?? Number.NaN;
}

/** The middle value, or the mean of the two in the middle. NaN where there are none. */
export function median(values: readonly number[]): number {
  if (values.length === 0) return Number.NaN;
  const sorted = Float64Array.from(values).sort();
  const half = sorted.length >> 1;
  const high = sorted[half] ?? Number.NaN;
  return sorted.length % 2 === 1 ? high : ((sorted[half - 1] ?? Number.NaN) + high) / 2;
}

/** One figure over the rounds of a run. */
export interface Spread {
  median: number;
  min: number;
  max: number;
  rounds: number;
}

/** Median and range of one figure's rounds; rounds without a value (NaN) do not count. */
export function spread(values: readonly number[]): Spread {
  const known = values.filter((value) => Number.isFinite(value));
  if (known.length === 0) return { median: Number.NaN, min: Number.NaN, max: Number.NaN, rounds: 0 };
  return { median: median(known), min: Math.min(...known), max: Math.max(...known), rounds: known.length };
}

/** Ours divided by theirs: below 1 we are cheaper. NaN where either is missing or theirs is 0. */
export function ratio(ours: number, theirs: number): number {
  return theirs === 0 ? Number.NaN : ours / theirs;
}

/** Latencies in milliseconds, as the tables show them. */
export interface Latency {
  count: number;
  p50: number;
  p99: number;
  max: number;
}

/** Sums up latencies in milliseconds. */
export function latency(values: readonly number[]): Latency {
  return {
    count: values.length,
    p50: percentile(values, 50),
    p99: percentile(values, 99),
    max: percentile(values, 100),
  };
}
