import { after, before, describe, it } from 'node:test';
import { features } from './table.ts';
import { openScene, type Scene } from './scene.ts';
import { openPair, openStandalone, type World } from './world.ts';

/**
 * Every feature between two people, once in one process and once in a pool in which they share neither server nor mux; then
 * what lasts, after `kill -9` of either's server, for who is still there and for who comes anew.
 */
for (const [name, open] of [
  ['standalone', openStandalone],
  ['pool', openPair],
] as const)
  void describe(`features: ${name}`, { timeout: 600_000 }, () => {
    let world: World;
    const scenes = new Map<string, Scene>();
    before(async () => {
      world = await open();
    });
    after(async () => {
      for (const { alice, bob } of scenes.values()) for (const one of [alice, bob]) one.wire.cut();
      await world?.[Symbol.asyncDispose]();
    });

    for (const [number, feature] of features.entries())
      void it(`${feature.name} (${feature.clause})`, { timeout: 60_000 }, async () => {
        const scene = await openScene(world, `f${number}`);
        scenes.set(feature.name, scene);
        await feature.use(scene);
      });

    for (const whose of ['alice', 'bob'] as const) {
      void it(`kill -9 of the server of ${whose}`, { timeout: 120_000 }, () => world.crash(whose));
      for (const feature of features) {
        if (feature.holds === undefined) continue;
        void it(`${feature.name} lasts (${whose}'s server)`, { timeout: 60_000 }, async () => {
          const scene = scenes.get(feature.name)!;
          const anew = { ...scene };
          anew.alice = await scene.pair.login('alice', `again-${whose}`);
          anew.bob = await scene.pair.login('bob', `again-${whose}`);
          try {
            await feature.holds!(anew);
            if (world.lasting) await feature.holds!(scene);
          } finally {
            await Promise.all([anew.alice.close(), anew.bob.close()]);
          }
        });
      }
    }
  });
