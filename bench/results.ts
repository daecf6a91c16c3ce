import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Scene } from './record.ts';
import { named, suite } from './suite.ts';
import { absolute, markdown, OURS, relative, type Report, type Row } from './table.ts';

/** One report with where and when it was made. */
interface Entry {
  readonly scene: Scene;
  readonly report: Report;
  readonly file: string;
  /** As many rounds as the bench has, in its full size. */
  readonly whole: boolean;
}

const results = new URL('results/', import.meta.url);

/** Writes `bench/RESULTS.md`; returns its path. */
export function publish(): string {
  const path = fileURLToPath(new URL('RESULTS.md', import.meta.url));
  writeFileSync(path, page());
  return path;
}

/** What stands there: of each bench the newest run in full, or the newest one where there was none. */
export function page(): string {
  const best = new Map<string, Entry>();
  for (const entry of entries()) {
    const before = best.get(entry.report.name);
    if (before === undefined || entry.whole || !before.whole) best.set(entry.report.name, entry);
  }
  const order = new Map(suite.map(({ name }, at) => [name, at]));
  const rank = ({ report }: Entry) => order.get(benchOf(report)) ?? suite.length;
  const all = [...best.values()].toSorted((a, b) => rank(a) - rank(b));
  return `${[...introduction, ...all.flatMap(section)].join('\n\n')}\n`;
}

const introduction = [
  '# What was measured',
  [
    'Written by `npm run bench`: of each bench the newest run in full; where none was made, the newest one, marked as such.',
    'Cells: median (min–max) over the rounds. All of it on one machine: clients, servers, peers, NATS and PostgreSQL share its',
    'cores and its loopback. What a bench does, and how to read it, is in [README.md](README.md).',
  ].join('\n'),
];

/** In the order of their dates. */
function* entries(): Iterable<Entry> {
  for (const file of readdirSync(results).toSorted()) {
    // The table of faults is beside them, and has a page of its own.
    if (!/^\d.*\.json$/.test(file)) continue;
    const { scene, reports } = JSON.parse(readFileSync(new URL(file, results), 'utf8')) as {
      scene: Scene;
      reports: Report[];
    };
    for (const report of reports) {
      const cut =
        / --(people|rounds|minutes|quick)\b/.test(scene.command) ||
        (report.rows.some(isBefore) && !named.get(benchOf(report))?.builds);
      yield { scene, report, file: file.replace(/json$/, 'md'), whole: !cut };
    }
  }
}

/** A comparison with another build of ours stands for itself, not for what this one does. */
function isBefore({ name }: Row): boolean {
  return name === 'muster/before';
}

/** `kill-drain` is one of `kill`. */
function benchOf({ name }: Report): string {
  return name.split('-')[0]!;
}

function section({ scene, report, file, whole }: Entry): string[] {
  const { date, cpu, cores, memory, kernel, system, node, command, load } = scene;
  const ratios = OURS.map((ours) => relative(report, ours)).filter((rows) => rows.length > 0);
  return [
    `## ${report.name}: ${report.title}`,
    `${date.replace('T', ' ')} UTC, \`${command}\`${whole ? '' : ' (**not in full**)'}: ${cpu}, ${cores} cores, ${memory}; ${system}, kernel ${kernel}; Node ${node}; load average at the begin ${load}. [The run](results/${file}), with its notes.`,
    markdown(absolute(report)),
    ...ratios.map(markdown),
    report.rows.map((row) => `- ${row.name} ${row.version}: ${row.conditions}`).join('\n'),
  ];
}
