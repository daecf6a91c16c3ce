import { parseArgs } from 'node:util';
import { openLog } from '../src/base/log.ts';
import { breaks, sound } from './breaks.ts';
import { simulate } from './run.ts';

/**
 * The simulated community: `npm run sim -- --seeds N` runs seeds 1 to N (or N from --seed on), prints every violation with the
 * command that replays it, and exits with 1 if there was one. `--trace` prints what happened, `--break NAME` plants a fault.
 */
const { values } = parseArgs({
  options: {
    seeds: { type: 'string' },
    seed: { type: 'string' },
    break: { type: 'string' },
    trace: { type: 'boolean', default: false },
    log: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

function usage(code: number): never {
  process.stdout.write(
    `npm run sim -- [--seeds N] [--seed FIRST] [--break NAME] [--trace] [--log]\nbreaks: ${Object.keys(breaks).join(', ')}\n`,
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
const log = values.log ? openLog('debug') : undefined;
const began = process.hrtime.bigint();
let failed = 0;
let messages = 0;
let received = 0;
for (let seed = first; seed < first + count; seed++) {
  const result = await simulate({ seed, broken, trace: values.trace, ...(log === undefined ? {} : { log }) });
  messages += result.messages;
  received += result.received;
  if (values.trace) process.stdout.write(`${result.trace.join('\n')}\n`);
  if (result.violations.length === 0) continue;
  failed += 1;
  const again = `npm run sim -- --seed ${seed}${values.break === undefined ? '' : ` --break ${values.break}`} --trace`;
  const shown = result.violations
    .slice(0, 5)
    .map(({ invariant, at, text }) => `  invariant ${invariant} at ${at} ms: ${text}`);
  process.stdout.write(
    `seed ${seed}: ${result.violations.length} violations\n${shown.join('\n')}\n  replay: ${again}\n`,
  );
}
const seconds = Number(process.hrtime.bigint() - began) / 1e9;
process.stdout.write(
  `${count} seeds, ${messages} messages sent, ${received} deliveries, ${failed} seeds with violations, ${seconds.toFixed(1)} s\n`,
);
process.exitCode = failed > 0 ? 1 : 0;
