import { parseArgs } from 'node:util';
import { installPackages } from '../../cluster/packages.ts';
import { nats, postgres } from './engines.ts';
import { disk } from './disk.ts';
import { enclosed } from './enclosed.ts';
import { rooms } from './rooms.ts';
import { cuts, servers } from './servers.ts';
import { openStage } from './stage.ts';

/**
 * `npm run test:faults -- [--only TEXT] [--rounds N] [--people N] [--seed N] [--cut proxies]`: every fault in its long form, one line
 * each. Exit code 1 where something was noticed that should not have been.
 */
const { values } = parseArgs({
  options: {
    only: { type: 'string', default: '' },
    rounds: { type: 'string' },
    people: { type: 'string', default: '10' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    short: { type: 'boolean', default: false },
    /** packets or proxies; packets wherever that is possible. */
    cut: { type: 'string' },
  },
});
const seed = Number(values.seed);
const form = values.short ? 'short' : 'long';
let failed = 0;

installPackages(['nats-server', 'postgresql']);
// Where links can really lose packets, all of this runs in a network namespace of its own.
const cut = values.cut === 'packets' ? 'packets' : 'proxies';
if (values.cut === undefined) {
  const code = await enclosed(['--seed', String(seed), '--cut', 'packets']);
  if (code !== undefined) process.exit(code);
}
console.log(`seed ${seed}, links are cut by ${cut === 'packets' ? 'losing packets' : 'proxies'}`);
const chosen = [...servers, ...rooms, ...cuts, ...nats, ...postgres].filter(
  ({ name, rounds }) => name.includes(values.only) && rounds[form] > 0,
);
if (chosen.length > 0) {
  await using stage = await openStage(Number(values.people), { cut });
  for (const scenario of chosen) {
    const count = Math.min(scenario.rounds.long, Number(values.rounds ?? scenario.rounds[form]));
    const how = { short: values.short, seed };
    show(
      await (rooms.includes(scenario) ? stage.gather(scenario, count, how) : stage.run(scenario, count, how)),
    );
  }
}
if (disk.name.includes(values.only)) show(await disk.run(Number(values.people), seed));
process.exit(failed === 0 ? 0 : 1);

function show({ line, problems }: { line: string; problems: readonly string[] }): void {
  console.log(line);
  for (const problem of problems.slice(0, 10)) console.log(`  ! ${problem}`);
  failed += problems.length;
}
