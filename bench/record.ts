import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { arch, cpus, loadavg, release, totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';
import { absolute, markdown, OURS, relative, type Report } from './table.ts';

/** Where and when a run took place. */
export interface Scene {
  date: string;
  cpu: string;
  cores: number;
  memory: string;
  kernel: string;
  system: string;
  node: string;
  command: string;
  /** The machine's load averages as the run began, over 1, 5 and 15 minutes. */
  load: string;
}

/** Describes this machine now. */
export function scene(command: string): Scene {
  const system = /^PRETTY_NAME="?([^"\n]*)/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? '';
  return {
    date: new Date().toISOString().slice(0, 16),
    cpu: cpus()[0]?.model ?? arch(),
    cores: cpus().length,
    memory: `${Math.round(totalmem() / 2 ** 30)} GiB`,
    kernel: release(),
    system,
    node: process.version,
    command,
    load: loadavg()
      .map((value) => value.toFixed(2))
      .join(' '),
  };
}

/** What is checked out in a clone. */
export function commitOf(clone: string): string {
  const args = ['-C', clone, 'rev-parse', '--short', 'HEAD'];
  return execFileSync('git', args, { encoding: 'utf8' }).trim();
}

/** Writes `bench/results/DATE.json` and `.md`; returns the path of the latter. */
export function record(where: Scene, reports: readonly Report[]): string {
  const dir = fileURLToPath(new URL('results/', import.meta.url));
  mkdirSync(dir, { recursive: true });
  const base = `${dir}${where.date.replace('T', '-').replace(':', '')}`;
  writeFileSync(`${base}.json`, `${JSON.stringify({ scene: where, reports }, null, 1)}\n`);
  writeFileSync(`${base}.md`, page(where, reports));
  return `${base}.md`;
}

function page(where: Scene, reports: readonly Report[]): string {
  const { cpu, cores, memory, kernel, system, node, command, load } = where;
  const parts = [
    `# Bench of ${where.date.replace('T', ' ')} UTC`,
    `${cpu}, ${cores} cores, ${memory}; ${system}, kernel ${kernel}; Node ${node}. Load average at the begin: ${load}. Command: \`${command}\``,
    'Loopback, shapers off. Cells: median (min–max) over the rounds; CPU: all threads of all server processes.',
  ];
  for (const report of reports) {
    parts.push(`## ${report.name}: ${report.title}`, markdown(absolute(report)));
    for (const ours of OURS) {
      const ratios = relative(report, ours);
      if (ratios.length > 0) parts.push(markdown(ratios));
    }
    parts.push(report.rows.map((row) => `- ${row.name} ${row.version}: ${row.conditions}`).join('\n'));
    if (report.notes.length > 0) parts.push(report.notes.map((note) => `- ${note}`).join('\n'));
  }
  return `${parts.join('\n\n')}\n`;
}
