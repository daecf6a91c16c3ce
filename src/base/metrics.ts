import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';

/**
 * The numbers that a server tells about itself. Names begin with `muster_` and end with their unit, as Prometheus
 * asks; each is declared once. Label values come from a closed set or are capped: from the `cap`th different one on,
 * all are counted as `other` (invariant 10).
 */
export interface Metrics {
  /** A number that is read when it is asked for: sessions, queue depths. */
  gauge(name: string, help: string, read: () => number): void;
  /** A number that only grows. Returns what adds to it. */
  counter(name: string, help: string): (by?: number) => void;
  /** The same by one label. */
  counterBy(name: string, help: string, label: string): (value: string, by?: number) => void;
  /** A distribution, in seconds unless the name says otherwise. Returns what observes a value. */
  histogram(name: string, help: string, buckets: readonly number[]): (value: number) => void;
  /** All of them in Prometheus' text format. */
  text(): Promise<string>;
  readonly contentType: string;
}

/** Times from a tenth of a millisecond to ten seconds: what a commit or a delivery may take. */
export const seconds = [
  0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10,
] as const;

/** @param cap the most label values of one metric (`limits.labels`). */
export function openMetrics(cap: number): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const registers = [registry];
  return {
    gauge(name, help, read) {
      const gauge: Gauge = new Gauge({ name, help, registers, collect: () => gauge.set(read()) });
    },
    counter(name, help) {
      const counter = new Counter({ name, help, registers });
      return (by = 1) => counter.inc(by);
    },
    counterBy(name, help, label) {
      // Counted here and handed over when somebody asks: prom-client hashes the labels at each `inc`.
      const counts = new Map<string, number>();
      const counter: Counter = new Counter({
        name,
        help,
        labelNames: [label],
        registers,
        collect: () => {
          for (const [value, count] of counts) if (count > 0) counter.inc({ [label]: value }, count);
          for (const value of counts.keys()) counts.set(value, 0);
        },
      });
      return (value, by = 1) => {
        const count = counts.get(value);
        if (count !== undefined) counts.set(value, count + by);
        else if (counts.size < cap - 1) counts.set(value, by);
        else counts.set('other', (counts.get('other') ?? 0) + by);
      };
    },
    histogram(name, help, buckets) {
      const histogram = new Histogram({ name, help, buckets: [...buckets], registers });
      return (value) => histogram.observe(value);
    },
    text: () => registry.metrics(),
    contentType: registry.contentType,
  };
}
