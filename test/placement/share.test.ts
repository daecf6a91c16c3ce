import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { share, type Held, type Seat } from '../../src/placement/share.ts';

const peers = ['a/1', 'b/1', 'c/1', 'd/1', 'e/1'];

/** Partitions 1 to n, each with somebody who may be dead; and at least one live server. */
const pools = (kinds: Seat['kind'][]) =>
  fc.record({
    held: fc
      .array(fc.constantFrom(...peers, 'dead/1', undefined), { maxLength: 60 })
      .map((owners): Held[] => owners.map((owner, i) => ({ partition: i + 1, owner }))),
    seats: fc
      .array(fc.record({ peer: fc.constantFrom(...peers), kind: fc.constantFrom(...kinds) }), {
        minLength: 1,
      })
      .map((seats): Seat[] => [...new Map(seats.map((seat) => [seat.peer, seat])).values()]),
  });

const rows = (plan: ReadonlyMap<number, string>) => [...plan].toSorted(([a], [b]) => a - b);

const number = (plan: ReadonlyMap<number, string>, peer: string) =>
  [...plan.values()].filter((owner) => owner === peer).length;

test('open servers get numbers that differ by at most one, with as few moves as that takes', () => {
  fc.assert(
    fc.property(pools(['open']), ({ held, seats }) => {
      const plan = share(held, seats);
      assert.equal(plan.size, held.length);
      const counts = seats.map(({ peer }) => number(plan, peer));
      assert.ok(Math.max(...counts) - Math.min(...counts) <= 1);
      // Nobody both gives and takes, and what moves is exactly what somebody has too much.
      const before = (peer: string) => held.filter(({ owner }) => owner === peer).length;
      const moved = held.filter(
        ({ partition, owner }) => seats.some(({ peer }) => peer === owner) && plan.get(partition) !== owner,
      ).length;
      const base = Math.floor(held.length / seats.length);
      const extra = held.length - base * seats.length;
      const sorted = seats.map(({ peer }) => before(peer)).toSorted((a, b) => b - a);
      const least = sorted.reduce((sum, have, i) => sum + Math.max(0, have - base - (i < extra ? 1 : 0)), 0);
      assert.equal(moved, least);
    }),
  );
});

test('the order of the rows changes nothing, and the plan of the plan is the plan', () => {
  fc.assert(
    fc.property(pools(['open', 'constrained', 'draining']), ({ held, seats }) => {
      const plan = share(held, seats);
      assert.deepEqual(rows(share(held.toReversed(), seats.toReversed())), rows(plan));
      const open = seats.filter(({ kind }) => kind === 'open');
      const after = held.map(({ partition }) => ({ partition, owner: plan.get(partition) }));
      if (open.length === seats.length || open.length === 0)
        assert.deepEqual(rows(share(after, seats)), rows(plan));
    }),
  );
});

test('a draining server keeps nothing and a constrained one takes nothing, where there is a better one', () => {
  fc.assert(
    fc.property(pools(['open', 'constrained', 'draining']), ({ held, seats }) => {
      const plan = share(held, seats);
      assert.equal(plan.size, held.length, 'nothing is left to nobody');
      const open = seats.some(({ kind }) => kind === 'open');
      for (const { peer, kind } of seats) {
        if (kind === 'open') continue;
        const own = held.filter(({ owner }) => owner === peer);
        if (!open)
          for (const { partition } of own) assert.equal(plan.get(partition), peer, 'nobody can take it');
        else if (kind === 'draining') assert.equal(number(plan, peer), 0);
        else assert.equal(number(plan, peer), Math.max(0, own.length - 1), 'one at a time');
      }
      if (!open && seats.some(({ kind }) => kind === 'constrained'))
        for (const { peer } of seats.filter(({ kind }) => kind === 'draining'))
          assert.equal(number(plan, peer), held.filter(({ owner }) => owner === peer).length);
    }),
  );
});
