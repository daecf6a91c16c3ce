import assert from 'node:assert/strict';
import { setImmediate as turn } from 'node:timers/promises';
import { test } from 'node:test';
import { quiet } from '../../src/base/log.ts';
import { Doorstep } from '../../src/rooms/doorstep.ts';

test('tasks of one address run in their order, and afterwards nobody stands there', async () => {
  const doorstep = new Doorstep(quiet);
  const ran: number[] = [];
  doorstep.run('room', async () => {
    await turn();
    ran.push(1);
  });
  doorstep.run('room', () => void ran.push(2));
  doorstep.run('other', () => void ran.push(3));
  assert.equal(doorstep.idle, false);
  await turn();
  await turn();
  assert.deepEqual(ran, [3, 1, 2]);
  assert.equal(doorstep.idle, true);
});

test('a task that fails leaves nobody there either', async () => {
  const doorstep = new Doorstep(quiet);
  doorstep.run('room', () => Promise.reject(new Error('no')));
  doorstep.run('room', () => {
    throw new Error('no');
  });
  await turn();
  assert.equal(doorstep.idle, true);
});
