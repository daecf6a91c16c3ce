import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Scheduler } from '../../sim/scheduler.ts';
import { Failure } from '../../src/base/failure.ts';
import { fixed } from '../../src/base/fixed.ts';
import type { Mesh, Peer } from '../../src/mesh/mesh.ts';
import { openPeers } from '../../src/roles/peers.ts';

/** Peers over a script: who has the partition, and what each server answers. */
function scripted(owner: () => Peer | undefined, answer: (peer: Peer) => Promise<unknown>) {
  const scheduler = new Scheduler();
  const asked: string[] = [];
  const clock = scheduler.clock();
  const server = (peer: Peer, role: string) => ({ peer, roles: [role], health: undefined });
  const members = [server('a/1', 'accounts'), server('b/1', 'accounts'), server('m/1', 'mux')];
  const peers = openPeers({
    mesh: { members: () => members } as unknown as Mesh,
    routes: {
      partition: (partition) => {
        const now = owner();
        return now === undefined ? undefined : { partition, epoch: 1, server: now };
      },
    },
    ask: {
      ask: (peer) => {
        asked.push(`${peer} at ${clock.mono()}`);
        return answer(peer);
      },
    },
    clock,
  });
  return { scheduler, asked, clock, peers };
}

const moved = () => Promise.reject(new Failure('not-owner', 'moved'));
const gone = () => Promise.reject(new Failure('server-unreachable', 'b cannot be reached'));

test('an account is followed to where its partition goes', async () => {
  const { scheduler, asked, peers, clock } = scripted(
    () => (clock.mono() < 100 ? 'a/1' : clock.mono() < 300 ? undefined : 'b/1'),
    (peer) => (peer === 'a/1' ? moved() : Promise.resolve('done')),
  );
  const done = peers.owner(5, 'remove', 'x');
  await scheduler.run(1000);
  assert.equal(await done, 'done');
  assert.deepEqual(asked, ['a/1 at 0', 'a/1 at 50', 'b/1 at 300']);
});

test('a crash of the owner is waited out, and any other refusal is final', async () => {
  let owner = 'b/1';
  const { scheduler, peers } = scripted(
    () => owner,
    (peer) => (peer === 'b/1' ? gone() : Promise.reject(new Failure('account-missing', 'nobody'))),
  );
  const done = assert.rejects(peers.owner(5, 'remove', 'x'), { code: 'account-missing' });
  await scheduler.run(500);
  owner = 'a/1';
  await scheduler.run(600);
  await done;
});

test('an account that nobody has fails in its time, with what was heard last', async () => {
  const nobody = scripted(() => undefined, moved);
  const refused = assert.rejects(nobody.peers.owner(5, 'remove', 'x'), {
    code: 'server-unreachable',
    message: 'no server has it now, try again',
  });
  await nobody.scheduler.run(fixed.askOwner.value + 100);
  await refused;
  const lost = scripted(() => 'b/1', gone);
  const failed = assert.rejects(lost.peers.owner(5, 'remove', 'x'), { message: 'b cannot be reached' });
  await lost.scheduler.run(fixed.askOwner.value + 100);
  await failed;
});

test('everyone means every server with accounts that answers', async () => {
  const { asked, peers } = scripted(
    () => undefined,
    (peer) => (peer === 'b/1' ? gone() : Promise.resolve('here')),
  );
  assert.deepEqual(await peers.everyone('sessions', 10), ['here']);
  assert.deepEqual(asked, ['a/1 at 0', 'b/1 at 0']);
});
