import assert from 'node:assert/strict';
import { setImmediate as turn } from 'node:timers/promises';
import { test } from 'node:test';
import { fixed } from '../../src/base/fixed.ts';
import { quiet } from '../../src/base/log.ts';
import { Doorstep } from '../../src/rooms/doorstep.ts';
import { NS } from '../../src/xmpp/namespaces.ts';
import { open } from './forms.ts';
import { cave, refusal, type Client } from './rig.ts';

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

test('what waits for one room is bounded (fixed.roomWaiting); who goes goes', async () => {
  await using rig = await open();
  const [alice, bob] = (await rig.gather('alice', 'bob')) as [Client, Client];
  let go: () => void = () => undefined;
  rig.partition.doorstep.run(cave, () => new Promise<void>((resolve) => (go = resolve)));
  const count = fixed.roomWaiting.value * 2;
  for (let n = 0; n < count; n++) {
    bob.send(`<iq type="get" id="i${n}"><ping xmlns="urn:xmpp:ping"/></iq>`);
    bob.send(`<message type="groupchat"><composing xmlns="${NS.chatstates}"/></message>`);
  }
  bob.send(`<presence to="${cave}/bob" type="unavailable"/>`);
  const refused = bob.take();
  assert.ok(refused.length >= count, `${refused.length} were refused`);
  assert.deepEqual([...new Set(refused.map(refusal))], ['resource-constraint']);
  go();
  await rig.still();
  assert.match(alice.take().at(-1)!, /type="unavailable"/);
  assert.deepEqual(Object.keys(rig.there()), ['alice@example.org/home']);
});
