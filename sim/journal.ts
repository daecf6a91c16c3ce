import { execFileSync } from 'node:child_process';
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** A file with a line for every seed that was run: the seed, the commit, how many violations. */
export interface Journal {
  /** The last commit that touched what is run; with a `+` where something is not committed. */
  readonly commit: string;
  /** It was run on this commit before. */
  has(seed: number): boolean;
  add(seed: number, violations: number): void;
  /** What was run on each commit, as a reader wants it. */
  readonly summary: string;
}

/** Opens the file, or begins it. What ended in the middle of a line is run again. */
export function openJournal(path: string, commit = commitOf()): Journal {
  const all = new Map<string, Map<number, number>>();
  const learn = (seed: number, at: string, violations: number) => {
    const known = all.get(at) ?? new Map<number, number>();
    all.set(at, known.set(seed, violations));
  };
  const text = existsSync(path) ? readFileSync(path, 'utf8') : '';
  for (const [, seed, at, violations] of text.matchAll(/^(\d+) (\S+) (\d+)\n/gm))
    learn(Number(seed), at!, Number(violations));
  if (text !== '' && !text.endsWith('\n')) appendFileSync(path, '\n');
  return {
    commit,
    has: (seed) => all.get(commit)?.has(seed) === true,
    add: (seed, violations) => {
      learn(seed, commit, violations);
      appendFileSync(path, `${seed} ${commit} ${violations}\n`);
    },
    get summary() {
      return [...all].map(([at, seeds]) => line(at, seeds)).join('\n');
    },
  };
}

function line(commit: string, seeds: ReadonlyMap<number, number>): string {
  const bad = [...seeds].filter(([, violations]) => violations > 0).map(([seed]) => seed);
  const found = bad.length === 0 ? 'all clean' : `violations at ${ranges(bad)}`;
  return `${commit}: ${seeds.size} seeds (${ranges([...seeds.keys()])}), ${found}`;
}

/** `1–3, 7`. */
export function ranges(numbers: readonly number[]): string {
  const parts: { from: number; to: number }[] = [];
  for (const number of [...numbers].sort((a, b) => a - b)) {
    const last = parts.at(-1);
    if (last !== undefined && number <= last.to + 1) last.to = number;
    else parts.push({ from: number, to: number });
  }
  return parts.map(({ from, to }) => (from === to ? `${from}` : `${from}–${to}`)).join(', ');
}

function commitOf(): string {
  const cwd = fileURLToPath(new URL('..', import.meta.url));
  const git = (...args: string[]) => execFileSync('git', args, { cwd, encoding: 'utf8' }).trim();
  const run = ['--', 'src', 'sim'];
  const changed = git('status', '--porcelain', ...run) !== '';
  return `${git('log', '-1', '--format=%h', ...run)}${changed ? '+' : ''}`;
}
