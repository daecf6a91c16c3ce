import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { openRig, until } from './rig.ts';

test('a process that stood still for longer than the silence declares nobody gone, and is seen to come back', async () => {
  const rig = await openRig(1);
  const a = await rig.end('a/1', 'accounts');
  const child = fork(new URL('sleeper.ts', import.meta.url), [rig.nats.url.accounts]);
  try {
    const seen: string[] = [];
    child.on('message', (line) => seen.push(line as string));
    const echoed: object[] = [];
    a.mesh.serve('post', (_from, frame) => echoed.push(frame));
    await until(() => a.states.length === 1 && seen.length === 1);
    child.kill('SIGSTOP');
    assert.equal(await a.mesh.probe('sleeper/1'), 'silent');
    await until(() => a.states.length === 2);
    child.kill('SIGCONT');
    await until(() => a.states.length === 3);
    assert.deepEqual(a.states, ['sleeper/1 up', 'sleeper/1 down', 'sleeper/1 up']);
    a.mesh.send('sleeper/1', 'post', { t: 'echo' });
    await until(() => echoed.length > 0);
    assert.deepEqual(seen, ['a/1 up']);
  } finally {
    child.kill('SIGCONT');
    child.disconnect();
    await once(child, 'exit');
    await rig.close();
  }
});
