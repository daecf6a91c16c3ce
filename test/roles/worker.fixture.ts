/**
 * A worker for the supervisor's tests. argv: a file to which each start appends its pid, and what to do:
 * `serve`, `crash-once`, `block-once`, `config-error`, `config-error-later`, `hang-at-stop`.
 */
import { appendFileSync, readFileSync } from 'node:fs';
import { openLifeline } from '../../src/roles/lifeline.ts';

const [file, behaviour] = process.argv.slice(2) as [string, string];
const heartbeat = Number(process.argv[process.argv.indexOf('--heartbeat') + 1]);
appendFileSync(file, `${process.pid}\n`);
const start = readFileSync(file, 'utf8').trim().split('\n').length;

const lifeline = openLifeline(heartbeat, () => {
  if (behaviour === 'hang-at-stop') return;
  lifeline.close();
  process.exit(0);
});
if (behaviour === 'config-error' || (behaviour === 'config-error-later' && start === 2)) process.exit(2);
lifeline.ready();
if (start === 1 && (behaviour === 'crash-once' || behaviour === 'config-error-later'))
  setTimeout(() => process.exit(7), 50);
if (start === 1 && behaviour === 'block-once')
  setTimeout(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0), 50);
