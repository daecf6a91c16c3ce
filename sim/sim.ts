import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { openLog } from '../src/base/log.ts';
import { breaks, sound } from './breaks.ts';
import { simulate, type Result } from './run.ts';

/**
 * The simulated community: `npm run sim -- --seeds N` runs seeds 1 to N (or N from --seed on) in as many threads as there
 * are processors, prints every violation with the command that replays it, and exits with 1 if there was one. `--trace`
 * prints what happened, `--frames REGEX` with it the frames that match, `--break NAME` plants a fault.
 */
const { values } = parseArgs({
  options: {
    seeds: { type: 'string' },
    seed: { type: 'string' },
    threads: { type: 'string' },
    break: { type: 'string' },
    trace: { type: 'boolean', default: false },
    frames: { type: 'string' },
    log: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

function usage(code: number): never {
  process.stdout.write(
    `npm run sim -- [--seeds N] [--seed FIRST] [--threads N] [--break NAME] [--trace [--frames REGEX]] [--log]\nbreaks: ${Object.keys(breaks).join(', ')}\n`,
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

const run = (seed: number): Promise<Result> =>
  simulate({
    seed,
    broken,
    trace: values.trace,
    ...(values.log ? { log: openLog('debug') } : {}),
    ...(values.frames === undefined ? {} : { frames: new RegExp(values.frames) }),
  });

if (isMainThread) await main();
else {
  const { from, step } = workerData as { from: number; step: number };
  // oxlint-disable-next-line no-await-in-loop -- one at a time in each thread
  for (let seed = from; seed < first + count; seed += step) parentPort!.postMessage(await run(seed));
}

async function main(): Promise<void> {
  const threads = Math.min(count, values.trace ? 1 : whole(values.threads ?? String(availableParallelism())));
  const began = process.hrtime.bigint();
  const sum = { messages: 0, received: 0, handed: 0, taken: 0, lively: 0, pause: 0, failed: 0 };
  const take = (result: Result) => {
    show(result);
    for (const key of ['messages', 'received', 'handed', 'taken', 'lively'] as const) sum[key] += result[key];
    sum.pause = Math.max(sum.pause, result.pause);
    if (result.violations.length > 0) sum.failed += 1;
  };
  if (threads < 2)
    // oxlint-disable-next-line no-await-in-loop -- one at a time
    for (let seed = first; seed < first + count; seed++) take(await run(seed));
  else await Promise.all(Array.from({ length: threads }, (_, i) => thread(first + i, threads, take)));
  const seconds = Number(process.hrtime.bigint() - began) / 1e9;
  process.stdout.write(
    `${count} seeds, ${sum.messages} messages sent, ${sum.received} deliveries, ${sum.handed} partitions handed over, ` +
      `${sum.taken} taken, ${sum.lively} looks at a database outage, longest pause without a reason ${(sum.pause / 1000).toFixed(1)} s, ` +
      `${sum.failed} seeds with violations, ${seconds.toFixed(1)} s\n`,
  );
  process.exitCode = sum.failed > 0 ? 1 : 0;
}

function thread(from: number, step: number, take: (result: Result) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL(import.meta.url), {
      workerData: { from, step },
      argv: process.argv.slice(2),
    });
    worker.on('message', take);
    worker.on('error', reject);
    worker.on('exit', () => resolve());
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
