import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Scheduler } from '../../sim/scheduler.ts';
import { systemClock } from '../../src/base/clock.ts';
import { fixed } from '../../src/base/fixed.ts';
import {
  availabilityOf,
  openAvailability,
  openSampler,
  type Sample,
} from '../../src/placement/availability.ts';

const idle: Sample = { cpu: 0, delay: 0, memory: 0.1, queue: 0 };

test('the scarcest resource decides', () => {
  assert.equal(availabilityOf(idle), 100);
  assert.equal(availabilityOf({ ...idle, cpu: 0.6 }), 40);
  assert.equal(availabilityOf({ ...idle, cpu: 0.6, queue: 0.9 }), 10);
  assert.equal(availabilityOf({ ...idle, delay: 2000 }), 0);
  assert.equal(availabilityOf({ ...idle, memory: 0.99, cpu: 3 }), 0);
});

test('a short load constrains nobody, a long one does until it is well over', async () => {
  const scheduler = new Scheduler();
  let load = idle;
  const availability = openAvailability(scheduler.clock(), () => load);
  load = { ...idle, cpu: 1 };
  await scheduler.run(2_000);
  assert.ok(availability.value >= fixed.floor.value);
  await scheduler.run(15_000);
  assert.ok(availability.value < fixed.floor.value);
  load = { ...idle, cpu: 0.75 };
  await scheduler.run(60_000);
  assert.ok(availability.value < fixed.floor.value, 'a little above the floor is not enough');
  load = idle;
  await scheduler.run(75_000);
  assert.ok(availability.value > 80);
  availability.close();
});

test('a process samples itself', async () => {
  using sample = openSampler(systemClock, () => 0.25);
  await new Promise((resolve) => setTimeout(resolve, 50));
  const { cpu, delay, memory, queue } = sample();
  for (const value of [cpu, delay, memory]) assert.ok(value >= 0 && Number.isFinite(value));
  assert.equal(queue, 0.25);
});
