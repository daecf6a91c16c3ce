import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { addGuest, releaseGuest, releaseGuests } from '../../src/account/guests.ts';
import { usualPolicy } from '../../src/account/mechanisms.ts';
import { systemClock } from '../../src/base/clock.ts';
import { systemRandom } from '../../src/base/random.ts';
import { openEmbeddedDirectory } from '../../src/directory/embedded.ts';
import { Rig } from './rig.ts';

const guest = '6a1f5cf2-0e65-4b1c-9a53-0d2f3f8f1c11';
const other = '6a1f5cf2-0e65-4b1c-9a53-0d2f3f8f1c12';

void describe('accounts of anonymous logins', () => {
  let rig: Rig;
  before(async () => {
    rig = await Rig.open({ lazy: 10 }, ['bob']);
    opened();
  });
  after(() => rig.close());

  /** The domain is that of bob as well, whose name is none of theirs. */
  function opened(): void {
    const { partition } = rig;
    let id = 50;
    const directory = openEmbeddedDirectory({
      store: partition.env.store,
      laneOf: () => partition,
      clock: systemClock,
      random: systemRandom,
      partitionOf: () => partition.id,
      newId: () => ++id,
    });
    const policy = { ...usualPolicy, anonymous: 'example.org' };
    Object.assign(partition.env, { policy, directory, newId: () => ++id });
    partition.vacated = (account) => {
      if (account.address !== 'bob@example.org') releaseGuest(account);
    };
  }

  const there = () =>
    rig.model
      .rows<{ address: string }>(`select address from account order by address`)
      .map(({ address }) => address);

  /** Tables with a row of this account, whatever feature they are of. */
  function rowsOf(id: number): string[] {
    const tables = rig.model.rows<{ name: string }>(
      `select m.name from sqlite_master m join pragma_table_info(m.name) c on c.name = 'account' where m.type = 'table'`,
    );
    return tables
      .map(({ name }) => name)
      .filter((name) => rig.model.rows(`select 1 from ${name} where account = ${id}`).length > 0);
  }

  void it('begin with the first session and end, with everything in them, with the last', async () => {
    await addGuest(rig.partition, `${guest}@example.org`);
    await addGuest(rig.partition, `${guest}@example.org`);
    assert.deepEqual(there(), [`${guest}@example.org`, 'bob@example.org']);
    const { id } = await rig.account(guest);
    const one = await rig.login(guest, 'one');
    const two = await rig.login(guest, 'two');
    await one.asks('set', `<query xmlns="jabber:iq:roster"><item jid="bob@example.org"/></query>`);
    await one.says('<message to="bob@example.org" type="chat"><body>hello</body></message>');
    await one.says('<presence to="bob@example.org" type="subscribe"/>');
    assert.ok(rowsOf(id).includes('message') && rowsOf(id).includes('roster'));
    await rig.end(one);
    assert.deepEqual(there(), [`${guest}@example.org`, 'bob@example.org'], 'the other one is still there');
    await rig.end(two);
    assert.deepEqual(there(), ['bob@example.org']);
    // The rows of sessions go a little later (end.ts).
    for (let n = 0; n < 1000 && rowsOf(id).length > 0; n++) await rig.still();
    assert.deepEqual(rowsOf(id), []);
    assert.equal(await rig.partition.account(`${guest}@example.org`), undefined);
  });

  void it('that were left without a session by a crash are found by the next owner', async () => {
    await addGuest(rig.partition, `${guest}@example.org`);
    await addGuest(rig.partition, `${other}@example.org`);
    await rig.login(other, 'one');
    await rig.crash();
    opened();
    await releaseGuests(rig.partition);
    await rig.still();
    assert.deepEqual(there(), [`${other}@example.org`, 'bob@example.org'], 'a session may come back');
  });
});
