import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { Item } from '../../src/account/item.ts';
import { change, loaded, replay, rosterOf } from '../../src/account/roster.ts';
import { Work } from '../../src/account/work.ts';
import { faulty, Rig, type Client } from './rig.ts';

const query = (inner: string, ver?: string) =>
  `<query xmlns="jabber:iq:roster"${ver === undefined ? '' : ` ver="${ver}"`}>${inner}</query>`;
const add = (client: Client, jid: string, inner = '', attrs = '') =>
  client.asks('set', query(`<item jid="${jid}"${attrs}>${inner}</item>`));
const items = (text: string | undefined) => text?.match(/<item .*?(\/>|<\/item>)/g) ?? [];
const version = (text: string | undefined) => /ver="(\d+)"/.exec(text ?? '')?.[1];

describe('the roster (RFC 6121 §2)', () => {
  let rig: Rig;
  beforeEach(async () => {
    rig = await Rig.open();
  });
  afterEach(() => rig.close());

  it('a change is pushed to every session that asked, then answered', async () => {
    const one = await rig.login('alice', 'one');
    const two = await rig.login('alice', 'two');
    const other = await rig.bind('alice', 'other');
    const got = await add(one, 'bob@example.org', '<group>Friends</group><group>Work</group>', ' name="Bob"');
    const line =
      '<item jid="bob@example.org" name="Bob" subscription="none"><group>Friends</group><group>Work</group></item>';
    assert.equal(got.length, 2);
    assert.match(got[0]!, /^<iq type="set" id="r\d+" to="alice@example.org\/one">/);
    assert.deepEqual(items(got[0]), [line]);
    assert.match(got[1]!, /^<iq type="result"/);
    assert.deepEqual(two.take().map(items), [[line]]);
    assert.deepEqual(other.take(), []);

    const changed = await add(
      two,
      'bob@example.org',
      '',
      ' name="Robert" subscription="both" ask="subscribe"',
    );
    assert.deepEqual(items(changed[0]), ['<item jid="bob@example.org" name="Robert" subscription="none"/>']);
    const [all] = await one.asks('get', query(''));
    assert.deepEqual(items(all), ['<item jid="bob@example.org" name="Robert" subscription="none"/>']);
    assert.deepEqual(rig.stored('alice'), await rig.remembered('alice'));

    await rig.restart();
    const again = await rig.bind('alice', 'again');
    const [read] = await again.asks('get', query(''));
    assert.deepEqual(items(read), items(all));
    assert.equal(version(read), version(all));
  });

  it('refuses what §2.3.3 and §2.5.3 name', async () => {
    const alice = await rig.login('alice', 'a');
    const refused = async (payload: string, condition: string) => {
      const got = await alice.asks('set', payload);
      assert.equal(got.length, 1, payload);
      assert.match(got[0]!, new RegExp(`type="error".*<${condition} `), payload);
    };
    const bob = (inner: string, attrs = '') => query(`<item jid="bob@example.org"${attrs}>${inner}</item>`);
    await refused(query('<item jid="a@example.org"/><item jid="b@example.org"/>'), 'bad-request');
    await refused(query(''), 'bad-request');
    await refused(query('<item/>'), 'bad-request');
    await refused(query('<item jid="@example.org"/>'), 'bad-request');
    await refused(bob('<group>a</group><group>a</group>'), 'bad-request');
    await refused(bob('<group/>'), 'not-acceptable');
    await refused(bob(`<group>${'g'.repeat(1024)}</group>`), 'not-acceptable');
    await refused(bob('', ` name="${'n'.repeat(1024)}"`), 'not-acceptable');
    await refused(bob('', ' subscription="remove"'), 'item-not-found');
    assert.deepEqual(rig.stored('alice'), {});
    const got = await alice.says(
      `<iq type="set" id="x" to="bob@example.org">${query('<item jid="c@example.org"/>')}</iq>`,
    );
    assert.match(got[0]!, /type="error"/);
    assert.deepEqual(rig.stored('bob'), {});
  });

  it('has a limit', async () => {
    await rig.close();
    rig = await Rig.open({ roster: 2 });
    const alice = await rig.login('alice', 'a');
    await add(alice, 'a@example.org');
    await add(alice, 'b@example.org');
    assert.match((await add(alice, 'c@example.org'))[0]!, /resource-constraint/);
    assert.match(
      (await alice.says('<presence type="subscribe" to="c@far.example"/>'))[0]!,
      /resource-constraint/,
    );
    assert.match((await add(alice, 'b@example.org', '', ' name="B"'))[1]!, /type="result"/);
  });

  it('versions: nothing, the changes, or everything (§2.6)', async () => {
    const alice = await rig.login('alice', 'a');
    for (const name of ['a', 'b', 'c']) await add(alice, `${name}@example.org`);
    const [full] = await alice.asks('get', query(''));
    const ver = version(full);
    assert.equal(items(full).length, 3);

    const same = await rig.bind('alice', 'same');
    const [empty, ...none] = await same.asks('get', query('', ver));
    assert.match(empty!, /^<iq type="result" id="q1" to="alice@example.org\/same"\/>$/);
    assert.deepEqual(none, []);

    await add(alice, 'b@example.org', '', ' name="B"');
    await add(alice, 'a@example.org', '', ' subscription="remove"');
    const changed = await rig.bind('alice', 'changed');
    const [first, ...pushes] = await changed.asks('get', query('', ver));
    assert.match(first!, /^<iq type="result"[^>]*\/>$/);
    assert.deepEqual(pushes.map(items).flat(), [
      '<item jid="b@example.org" name="B" subscription="none"/>',
      '<item jid="a@example.org" subscription="remove"/>',
    ]);
    // The last push tells the version that a full roster has now.
    const [now] = await alice.asks('get', query(''));
    assert.equal(version(pushes.at(-1)), version(now));

    // All the same after a restart, where memory holds nothing.
    await rig.restart();
    const later = await rig.bind('alice', 'later');
    assert.equal((await later.asks('get', query('', version(now)))).length, 1);
    assert.deepEqual((await later.asks('get', query('', ver))).slice(1).map(items).flat().length, 2);
    // A version that nobody gave.
    assert.equal(items((await later.asks('get', query('', '99999999999999999')))[0]).length, 2);
    assert.equal(items((await later.asks('get', query('', 'abc')))[0]).length, 2);
    assert.equal(items((await later.asks('get', query('', '')))[0]).length, 2);
  });

  it('keeps no more tombstones than items may be; older versions get everything', async () => {
    await rig.close();
    rig = await Rig.open({ roster: 2 });
    const alice = await rig.login('alice', 'a');
    const versions: (string | undefined)[] = [];
    await add(alice, 'stays@example.org');
    for (let i = 0; i < 4; i++) {
      await add(alice, `x${i}@example.org`);
      const [push] = await add(alice, `x${i}@example.org`, '', ' subscription="remove"');
      versions.push(version(push));
    }
    // One of those that went comes back: few changes are left, and still they are not all.
    await add(alice, 'x3@example.org');
    assert.equal(Object.keys(rig.stored('alice')).length, 4, 'one tombstone, the floor, two items');
    await rig.restart();
    const later = await rig.bind('alice', 'later');
    assert.deepEqual(items((await later.asks('get', query('', versions[0])))[0]).length, 2, 'the whole');
    const [empty, ...rest] = await later.asks('get', query('', versions[3]));
    assert.match(empty!, /<iq type="result"[^>]*\/>$/);
    assert.deepEqual(rest.map(items).flat(), ['<item jid="x3@example.org" subscription="none"/>']);
  });

  it('is read again, after a write that failed, behind the writes that did not', async () => {
    const account = await rig.account('alice');
    await loaded(account);
    const failing = new Work(account);
    change(failing, account, Item.unknown('a@example.org').with({ subscription: 'none' }));
    failing.write(faulty, [rig.partition.id]);
    failing.onFailure(() => void rosterOf(account));
    const behind = new Work(account);
    change(behind, account, Item.unknown('b@example.org').with({ subscription: 'none' }));
    failing.commit();
    behind.commit();
    await rig.still();
    assert.deepEqual(Object.keys(rig.stored('alice')), ['b@example.org']);
    assert.deepEqual(await rig.remembered('alice'), rig.stored('alice'));
    const [read] = await (await rig.bind('alice', 'a')).asks('get', query(''));
    assert.deepEqual(items(read), ['<item jid="b@example.org" subscription="none"/>']);
  });

  it('a session behind gets what it missed, once', async () => {
    const alice = await rig.login('alice', 'a');
    const other = await rig.login('alice', 'b');
    await add(alice, 'x@example.org');
    other.take();
    other.session.dormant = true;
    await add(alice, 'y@example.org');
    await add(alice, 'x@example.org', '', ' subscription="remove"');
    assert.deepEqual(other.take(), []);
    other.session.dormant = false;
    replay(other.session);
    await rig.still();
    assert.deepEqual(other.take().map(items).flat(), [
      '<item jid="y@example.org" subscription="none"/>',
      '<item jid="x@example.org" subscription="remove"/>',
    ]);
    replay(other.session);
    await rig.still();
    assert.deepEqual(other.take(), []);
  });
});
