import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { nats, postgres } from './engines.ts';
import { rooms } from './rooms.ts';
import { cuts, servers } from './servers.ts';
import { openStage, type Stage } from './stage.ts';

const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000);

/** The short form of `npm run test:faults`: every kind of fault once or twice, in one pool. */
void describe(`faults of a pool (SEED=${seed})`, () => {
  let stage: Stage;
  before(
    async () => {
      stage = await openStage(8);
    },
    { timeout: 120_000 },
  );
  after(() => stage?.[Symbol.asyncDispose]());

  for (const scenario of [...servers, ...rooms, ...cuts, ...nats, ...postgres]) {
    if (scenario.rounds.short === 0) continue;
    void it(scenario.name, { timeout: 180_000 }, async (t) => {
      const how = { short: true, seed };
      const count = scenario.rounds.short;
      const done = rooms.includes(scenario)
        ? stage.gather(scenario, count, how)
        : stage.run(scenario, count, how);
      const { line, problems } = await done;
      t.diagnostic(line);
      assert.deepEqual(problems, []);
    });
  }
});
