import { rmSync } from 'node:fs';
import { after } from 'node:test';
import { quiet } from '../../src/base/log.ts';
import { systemClock } from '../../src/base/clock.ts';
import { systemRandom } from '../../src/base/random.ts';
import { openSqlite } from '../../src/store/embedded.ts';
import { storeSuite, volumeSubject } from './suite.ts';
import { directory } from './place.ts';

const path = directory();
after(() => rmSync(path, { recursive: true }));

storeSuite('SQLite', async () =>
  volumeSubject(
    await openSqlite(path, { clock: systemClock, log: quiet, random: systemRandom, host: 'one' }),
  ),
);
