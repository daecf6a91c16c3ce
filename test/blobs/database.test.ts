import { after, before } from 'node:test';
import type { PostgresServer } from '../../cluster/postgres.ts';
import { openModel } from '../../sim/store.ts';
import { chunkLane, openDatabase } from '../../src/blobs/database.ts';
import { systemClock } from '../../src/base/clock.ts';
import { quiet } from '../../src/base/log.ts';
import { systemRandom } from '../../src/base/random.ts';
import { openLane } from '../../src/store/lane.ts';
import { sql, type Store } from '../../src/store/store.ts';
import { Databases, openPooled } from '../store/database.ts';
import { blobsSuite, type Subject } from './suite.ts';

const count = sql`select count(*) as n from chunk`;

async function subject(store: Store, close: () => Promise<void>): Promise<Subject> {
  const lane = await openLane(store, { clock: systemClock, log: quiet, limits: chunkLane });
  return {
    blobs: openDatabase({ store, lane }),
    pieces: async () => (await store.query<{ n: number }>(count, []))[0]!.n,
    close: async () => {
      await lane.close();
      await store.close();
      await close();
    },
  };
}

blobsSuite('rows of the model', async () => {
  const model = openModel({ clock: systemClock, random: systemRandom, plan: { delay: [0, 0] } });
  return subject(await model.open('one'), async () => model.close());
});

const databases = new Databases();
let server: PostgresServer;
before(async () => (server = await databases.start()));
after(() => databases.close());

blobsSuite('rows of PostgreSQL', async () => subject(await openPooled(server.url), async () => {}));
