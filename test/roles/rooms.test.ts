import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { openPair } from './pool.ts';

const host = 'conference.capulet.example';
const names = ['ball', 'crypt', 'orchard', 'street', 'garden', 'cell', 'square', 'hall'];
const addresses = names.map((name) => `${name}@${host}`);

/** Two servers, each with one partition of rooms. */
async function openHouses(t: TestContext) {
  const pair = await openPair(t);
  const { store, one, two } = pair;
  const fences = [await store.claim('room/1'), await store.claim('room/2')] as const;
  for (const [i, server] of [one, two].entries()) {
    // oxlint-disable-next-line no-await-in-loop -- two
    await server.rooms.serve(fences[i]!.partition, fences[i]!.epoch, server.lane);
    server.announce();
  }
  while (![one, two].every(({ routes }) => fences.every(({ partition }) => routes.partition(partition))))
    // oxlint-disable-next-line no-await-in-loop -- until both have heard
    await new Promise((resolve) => setTimeout(resolve, 1));
  const of = (server: typeof one) =>
    addresses.find((address) => server.rooms.at(server.routes.partitionOf(address)!) !== undefined)!;
  return { ...pair, of };
}

void describe('rooms of two servers', () => {
  void it('are made, changed, emptied and ended at their owners, whoever is asked', async (t) => {
    const { one, two, of } = await openHouses(t);
    assert.ok(of(one) !== undefined && of(two) !== undefined, 'both have some of them');
    for (const [i, address] of addresses.entries()) {
      const { rooms } = (i % 2 === 0 ? one : two).administration;
      // oxlint-disable-next-line no-await-in-loop -- one after the other, so that both ways are gone for sure
      assert.equal(await rooms.create(address.toUpperCase(), { owner: 'juliet@capulet.example' }), address);
    }
    for (const { administration } of [one, two]) {
      const all = await administration.rooms.list(undefined, 100);
      assert.deepEqual(
        all.map(({ address }) => address),
        addresses.toSorted(),
      );
      const page = await administration.rooms.list(`crypt@${host}`, 2);
      assert.deepEqual(
        page.map(({ address }) => address),
        [`garden@${host}`, `hall@${host}`],
      );
    }
    for (const address of [of(one), of(two)]) {
      await assert.rejects(one.administration.rooms.create(address, {}), { code: 'room-exists' });
      await two.administration.rooms.grant(address, 'romeo@montague.example', 'member');
      const { affiliations } = await one.administration.rooms.show(address);
      assert.deepEqual(
        affiliations.map((known) => `${known.address} ${known.affiliation}`),
        ['juliet@capulet.example owner', 'romeo@montague.example member'],
      );
      assert.equal(await one.administration.rooms.purge(address, undefined), 0);
      await two.administration.rooms.destroy(address, {});
      await assert.rejects(one.administration.rooms.show(address), { code: 'room-missing' });
      await assert.rejects(two.administration.rooms.destroy(address, {}), { code: 'room-missing' });
    }
  });

  void it('the address of two who make it at the same time is given once', async (t) => {
    const { one, two, of } = await openHouses(t);
    for (const address of [of(one), of(two)]) {
      const both = await Promise.allSettled(
        [one, two].map(({ administration }) => administration.rooms.create(address, {})),
      );
      assert.deepEqual(both.map(({ status }) => status).sort(), ['fulfilled', 'rejected']);
      for (const each of both) if (each.status === 'rejected') assert.equal(each.reason.code, 'room-exists');
    }
  });

  void it('goes after a room whose partition moves meanwhile, and does once what it asks twice', async (t) => {
    const { one, two, store, of } = await openHouses(t);
    const theirs = of(two);
    const place = two.routes.partitionOf(theirs)!;
    await one.administration.rooms.create(theirs, {});
    two.rooms.forget(place);
    const granted = one.administration.rooms.grant(theirs, 'romeo@montague.example', 'admin');
    const fence = await store.claim('room/2');
    assert.equal(fence.partition, place);
    await one.rooms.serve(place, fence.epoch, one.lane);
    one.announce();
    await granted;
    assert.equal((await two.administration.rooms.show(theirs)).members, 1);
  });
});
