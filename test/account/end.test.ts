import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { endInTurn, endSession } from '../../src/account/end.ts';
import { messageRows } from '../../src/account/rows.ts';
import { Failure } from '../../src/base/failure.ts';
import { fixed } from '../../src/base/fixed.ts';
import type { Unit } from '../../src/store/lane.ts';
import type { Statement, Value } from '../../src/store/store.ts';
import { Rig, type Client } from './rig.ts';

describe('the end of a session', () => {
  let rig: Rig;
  beforeEach(async () => void (rig = await Rig.open()));
  afterEach(() => rig.close());

  const end = ({ session }: Client) => session.account.mailbox.run(() => endInTurn(session));

  it('that the store has no room for is told once it has', async () => {
    const phone = await rig.login('alice', 'phone');
    const bob = await rig.login('bob', 'desk');
    await phone.says('<presence to="bob@example.org/desk"/>');
    bob.take();
    const submit = rig.lane.submit.bind(rig.lane);
    rig.lane.submit = (unit: Unit) =>
      setImmediate(() => unit.failed('overloaded', undefined, new Failure('overloaded', 'too much')));
    end(phone);
    await rig.still();
    assert.deepEqual(bob.take(), []);
    rig.lane.submit = submit;
    await new Promise((resolve) => setTimeout(resolve, fixed.accountPause.value + 50));
    await rig.still();
    assert.match(bob.take().join(), /type="unavailable"/);
  });

  it('of hundreds at once leaves room for what others have to store', async () => {
    const people: Client[] = [];
    for (const local of ['alice', 'bob', 'carol'])
      for (let n = 0; n < 30; n++) people.push(await rig.bind(local, `r${n}`));
    const submitted: Unit[] = [];
    const submit = rig.lane.submit.bind(rig.lane);
    rig.lane.submit = (unit: Unit) => void submitted.push(unit);
    for (const person of people) end(person);
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal(submitted.length, fixed.ends.value);
    rig.lane.submit = submit;
    for (const unit of submitted) rig.lane.submit(unit);
    await rig.still();
    assert.equal(rig.partition.sessions.size, 0);
    const rows = rig.model.rows<{ n: number }>('select count(*) as n from session');
    assert.equal(rows[0]!.n, 0, 'each is stored in the end');
  });

  it('in the midst of reading what waits for it leaves all of that to the next one', async () => {
    const bob = await rig.login('bob', 'desk');
    await bob.says('<message to="alice@example.org" type="chat" id="1"><body>1</body></message>');
    const phone = await rig.bind('alice', 'phone');
    const { store } = rig.partition.env;
    const query = store.query.bind(store);
    store.query = async <Row extends object>(statement: Statement, params: readonly Value[]) => {
      const rows = await query<Row>(statement, params);
      if (statement === messageRows.spooled) endSession(phone.session);
      return rows;
    };
    await phone.says('<presence/>');
    assert.doesNotMatch(phone.take().join(), /<body>/);
    store.query = query;
    const next = await rig.bind('alice', 'next');
    await next.says('<presence/>');
    assert.match(next.take().join(), /<body>1<\/body>/);
  });
});
