import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { isMainThread, parentPort, Worker } from 'node:worker_threads';
import { openLog } from '../src/base/log.ts';
import { breaks, sound } from './breaks.ts';
import { openJournal, ranges } from './journal.ts';
import { simulate, type Result } from './run.ts';

/**
 * The simulated community: `npm run sim -- --seeds N` runs seeds 1 to N (or N from --seed on) in as many threads as there
 * are processors, prints every violation with the command that replays it, and exits with 1 if there was one. `--trace`
 * prints what happened, `--frames REGEX` with it the frames that match, `--break NAME` plants a fault. `--journal FILE`
 * is for thousands of seeds: what was run on this commit is written there and not run again, and how far it is told.
 */
const { values } = parseArgs({
  options: {
    seeds: { type: 'string' },
    seed: { type: 'string' },
    threads: { type: 'string' },
    break: { type: 'string' },
    journal: { type: 'string' },
    trace: { type: 'boolean', default: false },
    frames: { type: 'string' },
    log: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

function usage(code: number): never {
  process.stdout.write(
    `npm run sim -- [--seeds N] [--seed FIRST] [--threads N] [--journal FILE] [--break NAME] [--trace [--frames REGEX]] [--log]\nbreaks: ${Object.keys(breaks).join(', ')}\n`,
  );
  process.exit(code);
}

function whole(text: string): number {
  return /^\d{1,9}$/.test(text) ? Number(text) : usage(2);
}

if (values.help) usage(0);
const broken = values.break === undefined ? sound : (breaks[values.break] ?? usage(2));
const first = whole(values.seed ?? '1');
const count = whole(values.seeds ?? '1');
// What a planted fault shows says nothing about a commit.
if (values.journal !== undefined && broken !== sound) usage(2);

const run = (seed: number): Promise<Result> =>
  simulate({
    seed,
    broken,
    trace: values.trace,
    ...(values.log ? { log: openLog('debug') } : {}),
    ...(values.frames === undefined ? {} : { frames: new RegExp(values.frames) }),
  });

if (isMainThread) await main();
else
  parentPort!.on('message', (seed: number) => {
    void run(seed).then((result) => parentPort!.postMessage(result));
  });

async function main(): Promise<void> {
  const journal = values.journal === undefined ? undefined : openJournal(values.journal);
  const seeds = Array.from({ length: count }, (_, i) => first + i).filter((seed) => !journal?.has(seed));
  const threads = Math.min(
    seeds.length,
    values.trace ? 1 : whole(values.threads ?? `${availableParallelism()}`),
  );
  const began = process.hrtime.bigint();
  const elapsed = () => Number(process.hrtime.bigint() - began) / 1e9;
  const sum = { messages: 0, received: 0, handed: 0, taken: 0, lively: 0, pause: 0 };
  const bad: number[] = [];
  let done = 0;
  const take = (result: Result) => {
    const { seed, violations } = result;
    show(result);
    for (const key of ['messages', 'received', 'handed', 'taken', 'lively'] as const) sum[key] += result[key];
    sum.pause = Math.max(sum.pause, result.pause);
    if (violations.length > 0) bad.push(seed);
    done += 1;
    if (journal === undefined) return;
    journal.add(seed, violations.length);
    const left = ((elapsed() / done) * (seeds.length - done)) / 60;
    process.stderr.write(
      `seed ${seed}: ${done} of ${seeds.length} on ${journal.commit}, ${bad.length} with violations, ${left.toFixed(0)} min left\n`,
    );
  };
  const next = seeds[Symbol.iterator]();
  if (threads < 2)
    // oxlint-disable-next-line no-await-in-loop -- one at a time
    for (const seed of next) take(await run(seed));
  else await Promise.all(Array.from({ length: threads }, () => thread(next, take)));
  process.stdout.write(
    `${done} seeds, ${sum.messages} messages sent, ${sum.received} deliveries, ${sum.handed} partitions handed over, ` +
      `${sum.taken} taken, ${sum.lively} looks at a database outage, longest pause without a reason ${(sum.pause / 1000).toFixed(1)} s, ` +
      `${bad.length} seeds with violations${bad.length > 0 ? ` (${ranges(bad)})` : ''}, ${elapsed().toFixed(1)} s\n`,
  );
  if (journal !== undefined) process.stdout.write(`${journal.summary}\n`);
  process.exitCode = bad.length > 0 ? 1 : 0;
}

/** Runs one seed after the other, as long as there are any. */
function thread(seeds: Iterator<number>, take: (result: Result) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL(import.meta.url), { argv: process.argv.slice(2) });
    const next = () => {
      const { value, done } = seeds.next();
      if (done === true) void worker.terminate();
      else worker.postMessage(value);
    };
    worker.on('message', (result: Result) => {
      take(result);
      next();
    });
    worker.on('error', reject);
    worker.on('exit', () => resolve());
    next();
  });
}

function show({ seed, trace, violations }: Result): void {
  if (values.trace) process.stdout.write(`${trace.join('\n')}\n`);
  if (violations.length === 0) return;
  const again = `npm run sim -- --seed ${seed}${values.break === undefined ? '' : ` --break ${values.break}`} --trace`;
  const shown = violations
    .slice(0, 5)
    .map(({ invariant, at, text }) => `  invariant ${invariant} at ${at} ms: ${text}`);
  process.stdout.write(
    `seed ${seed}: ${violations.length} violations\n${shown.join('\n')}\n  replay: ${again}\n`,
  );
}
