import type { Part } from '../cluster/pool.ts';

/** What processes tell of themselves at /metrics: the sum of these lines, by name and labels; 0 where there is none. */
export async function scrape(parts: readonly Part[], ...lines: readonly string[]): Promise<number[]> {
  const texts = await Promise.all(
    parts.map(async ({ ports }) => (await fetch(`http://127.0.0.1:${ports.http}/metrics`)).text()),
  );
  const sums = lines.map(() => 0);
  for (const text of texts)
    for (const line of text.split('\n'))
      for (const [at, name] of lines.entries())
        if (line.startsWith(`${name} `)) sums[at] = (sums[at] ?? 0) + Number(line.slice(name.length + 1));
  return sums;
}

/** Bytes in objects of their heaps, and of the major collections since their start the number and the seconds. */
export async function heaps(
  parts: readonly Part[],
): Promise<{ used: number; majors: number; paused: number }> {
  const gc = (what: string) => `nodejs_gc_duration_seconds_${what}{kind="major"}`;
  const [used = 0, majors = 0, paused = 0] = await scrape(
    parts,
    'nodejs_heap_size_used_bytes',
    gc('count'),
    gc('sum'),
  );
  return { used, majors, paused };
}
