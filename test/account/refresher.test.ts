import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { rosterRows } from '../../src/account/roster.ts';
import { fixed } from '../../src/base/fixed.ts';
import type { Volume } from '../../src/store/volume.ts';
import { Rig } from './rig.ts';

const people = Array.from({ length: 100 }, (_, n) => `p${n}`);

describe('a new owner of many sessions', () => {
  let rig: Rig;
  before(async () => {
    rig = await Rig.open({}, people);
    for (const local of people) await rig.bind(local, 'one');
    await rig.crash();
  });
  after(() => rig.close());

  it('reads their contact lists a few at a time, so that others’ questions find the store free', async () => {
    let open = 0;
    let most = 0;
    const query = rig.volume.query.bind(rig.volume);
    const slow = (async (statement, params) => {
      if (statement !== rosterRows.load) return query(statement, params);
      most = Math.max(most, ++open);
      await new Promise((resolve) => setTimeout(resolve, 20));
      open -= 1;
      return query(statement, params);
    }) as Volume['query'];
    rig.volume.query = slow;
    const accounts = await Promise.all(people.map((local) => rig.account(local)));
    for (const account of accounts)
      account.mailbox.run(() => {
        rig.attach(account.sessions[0]!);
        rig.partition.refresher.refresh(account.sessions[0]!);
      });
    const end = performance.now() + 5000;
    while (accounts.some(({ roster }) => roster === undefined) && performance.now() < end)
      await new Promise((resolve) => setTimeout(resolve, 10));
    assert.ok(
      accounts.every(({ roster }) => roster !== undefined),
      'everybody has had their turn',
    );
    assert.ok(most > 1 && most <= fixed.refreshReads.value, `${most} at a time`);
  });
});
