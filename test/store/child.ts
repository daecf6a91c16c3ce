// A process that opens the volume in argv[2] and says so: `open EPOCH`, or `refused CODE TEXT`. With `write` as argv[3] it
// then commits units without end and prints the number of each one that is acknowledged.
import { systemClock } from '../../src/base/clock.ts';
import { Failure } from '../../src/base/failure.ts';
import { quiet, type Log } from '../../src/base/log.ts';
import { systemRandom } from '../../src/base/random.ts';
import { openSqlite } from '../../src/store/embedded.ts';
import { openLane, type Lane } from '../../src/store/lane.ts';
import type { Volume } from '../../src/store/volume.ts';
import { inbound, message } from './suite.ts';

const say = (line: string): void => void process.stdout.write(`${line}\n`);

/** What the store logs as an error here is one: the test then sees the end of this process. */
const log: Log = {
  ...quiet,
  error(fields, text) {
    console.error(text, fields);
    process.exit(1);
  },
};

/** Each unit is two messages and the inbound number, so that a unit that is torn shows. */
async function write(store: Volume): Promise<void> {
  const fence = await store.claim('account/0');
  const lane: Lane = await openLane(store, { clock: systemClock, log });
  let count = store.epoch * 1_000_000;
  const next = (): void => {
    const id = ++count;
    lane.submit({
      ops: [
        message(fence.partition, 1, id),
        message(fence.partition, 2, id, id, 8),
        inbound(fence.partition, 1, id),
      ],
      fences: [fence],
      done: () => {
        say(String(id));
        next();
      },
      failed: (reason) => say(`failed ${reason}`),
    });
  };
  for (let flight = 0; flight < 20; flight++) next();
}

try {
  const store = await openSqlite(process.argv[2]!, {
    clock: systemClock,
    log,
    random: systemRandom,
    host: 'child',
  });
  say(`open ${store.epoch}`);
  if (process.argv[3] === 'write') await write(store);
} catch (error) {
  say(error instanceof Failure ? `refused ${error.code} ${error.message}` : `error ${String(error)}`);
}
