import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sleep, systemClock } from '../../src/base/clock.ts';
import { quiet } from '../../src/base/log.ts';
import { Doorstep } from '../../src/rooms/doorstep.ts';

test('a doorstep comes to rest, whatever was left there', async () => {
  const doorstep = new Doorstep(quiet);
  const done: string[] = [];
  doorstep.run('a', () => void done.push('a1'));
  assert.equal(doorstep.idle, true);
  doorstep.run('a', () => sleep(systemClock, 5).then(() => void done.push('a2')));
  doorstep.run('a', () => {
    done.push('a3');
    throw new Error('a fault');
  });
  doorstep.run('b', () => sleep(systemClock, 1).then(() => Promise.reject(new Error('another'))));
  doorstep.run('a', () => void done.push('a4'));
  assert.equal(doorstep.idle, false);
  await sleep(systemClock, 30);
  assert.deepEqual(done, ['a1', 'a2', 'a3', 'a4']);
  assert.equal(doorstep.idle, true);
});
