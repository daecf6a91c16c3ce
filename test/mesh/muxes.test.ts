import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Clock } from '../../src/base/clock.ts';
import type { Member, Mesh } from '../../src/mesh/mesh.ts';
import { openKnownMuxes } from '../../src/mesh/muxes.ts';

/** A mesh and a clock that do what the test says. */
class Stage {
  now = 1000;
  readonly members: Member[] = [{ peer: 'one/1', roles: ['accounts'], health: undefined }];
  #tell: Parameters<Mesh['onPeer']>[0] = () => {};
  readonly muxes = openKnownMuxes(
    { members: () => this.members, onPeer: (handler) => (this.#tell = handler) },
    { mono: () => this.now } as Clock,
  );

  comes(peer: string, role = 'mux'): void {
    this.members.push({ peer, roles: [role], health: undefined });
    this.#tell(peer, 'up', []);
  }

  goes(peer: string): void {
    this.members.splice(
      this.members.findIndex((member) => member.peer === peer),
      1,
    );
    this.#tell(peer, 'down', []);
  }

  get state(): [readonly string[], boolean] {
    return [this.muxes.list(), this.muxes.settled()];
  }
}

test('who has just heard of a mux does not know them all yet', () => {
  const stage = new Stage();
  assert.deepEqual(stage.state, [[], true], 'a server alone waits for nobody');
  stage.comes('mux1/1');
  assert.deepEqual(stage.state, [['mux1/1'], false]);
  stage.now += 1400;
  assert.equal(stage.muxes.settled(), false);
  stage.now += 200;
  assert.equal(stage.muxes.settled(), true);
  stage.comes('two/1', 'accounts');
  assert.equal(stage.muxes.settled(), true, 'another owner holds no connections');
  stage.comes('mux2/1');
  assert.deepEqual(stage.state, [['mux1/1', 'mux2/1'], false]);
});

test('a mux that is not heard any more is missed until another one has its name', () => {
  const stage = new Stage();
  stage.comes('mux1/1');
  stage.comes('mux2/1');
  stage.now += 2000;
  stage.goes('mux1/1');
  assert.deepEqual(stage.state, [['mux2/1'], false], 'it may live, with records of sessions');
  stage.comes('mux1/2');
  stage.now += 2000;
  assert.deepEqual(stage.state, [['mux2/1', 'mux1/2'], true]);
  stage.comes('mux2/2');
  stage.goes('mux2/1');
  stage.now += 2000;
  assert.equal(stage.muxes.settled(), true, 'in either order');
  stage.goes('mux1/2');
  stage.now += 29_000;
  assert.equal(stage.muxes.settled(), false);
  stage.now += 2000;
  assert.equal(stage.muxes.settled(), true, 'not for ever');
});
