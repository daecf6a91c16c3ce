import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { failed } from '../../src/base/failure.ts';
import { migrate, migrations, type Migration } from '../../src/store/migrate.ts';
import { Core } from '../../src/store/sqlite.ts';

const third: Migration = {
  number: 1001,
  name: 'third',
  oldest: 1001,
  sql: ['alter table account add column third int'],
};
const open = (): Core => new Core({ path: ':memory:' });
const addAccount = `insert into account (partition, id, local, address, created, disabled, watermark, roster_ver)
  values (1, 7, 'alice', 'alice@example.org', 0, 0, 0, 0)`;

describe('migrate', () => {
  it('numbers its steps without gaps, and none asks for a program newer than itself', () => {
    assert.deepEqual(
      migrations.map((step) => step.number),
      migrations.map((_step, index) => index + 1),
    );
    for (const step of migrations) assert.ok(step.oldest <= step.number);
  });

  it('runs every step once', () => {
    const core = open();
    assert.equal(migrate(core, 5), migrations.length);
    assert.equal(migrate(core, 6), 0);
    core.close();
  });

  it('keeps the data when a step is added', () => {
    const core = open();
    migrate(core, 0);
    core.exec(addAccount);
    assert.equal(migrate(core, 0, [...migrations, third]), 1);
    const [row] = core.rows<{ id: number; third: null }>('select id, third from account');
    assert.deepEqual({ ...row }, { id: 7, third: null });
    core.close();
  });

  it('refuses a store that a newer program has changed beyond this one', () => {
    const core = open();
    migrate(core, 0, [...migrations, third]);
    assert.throws(
      () => migrate(core, 0),
      (error) => failed(error, 'store-newer') && error.message.includes('1001'),
    );
    core.close();
  });

  it('opens a store whose newer step says that this program may', () => {
    const core = open();
    migrate(core, 0, [...migrations, { ...third, oldest: 1 }]);
    assert.equal(migrate(core, 0), 0);
    core.close();
  });

  it('leaves nothing of a step that fails', () => {
    const core = open();
    const bad: Migration = { ...third, sql: ['create table half (id int)', 'create table half (id int)'] };
    assert.throws(() => migrate(core, 0, [...migrations, bad]));
    assert.equal(core.rows(`select 1 from sqlite_master where name = 'half'`).length, 0);
    assert.equal(migrate(core, 0), 0);
    core.close();
  });
});
