// A process that owns partition argv[3] in epoch argv[4] of the PostgreSQL at argv[2]: commits units without end and prints
// the number of each that is acknowledged, or how it ended.
import { systemClock } from '../../src/base/clock.ts';
import { openLane } from '../../src/store/lane.ts';
import { quiet } from '../../src/base/log.ts';
import { openPooled } from './database.ts';
import { inbound, message } from './suite.ts';

const [url, partition, epoch] = [process.argv[2]!, Number(process.argv[3]), Number(process.argv[4])];
const say = (line: string): void => void process.stdout.write(`${line}\n`);
const store = await openPooled(url, 'a name that is too long for the database to keep all of it, by far/old');
const lane = await openLane(store, { clock: systemClock, log: quiet });
let id = 0;
const next = (): void => {
  const own = ++id;
  lane.submit({
    ops: [message(partition, 1, own, own, epoch), inbound(partition, 1, own)],
    fences: [{ partition, epoch }],
    done: () => {
      say(String(own));
      next();
    },
    failed: (reason) => say(`failed ${reason}`),
  });
};
for (let flight = 0; flight < 20; flight++) next();
