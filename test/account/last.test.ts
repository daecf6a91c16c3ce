import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { fixed } from '../../src/base/fixed.ts';
import { befriend } from './friends.ts';
import { Rig, type Client } from './rig.ts';

const query = '<query xmlns="jabber:iq:last"/>';
const told = (texts: string[]) => {
  assert.equal(texts.length, 1);
  return (
    /<query xmlns="jabber:iq:last"(.*)<\/iq>$/s.exec(texts[0]!)?.[1] ??
    /<error type="(\w+"><[\w-]+)/.exec(texts[0]!)?.[1]
  );
};

describe('last activity (XEP-0012)', () => {
  let rig: Rig;
  let bob: Client;
  let ids = 0;
  beforeEach(async () => {
    rig = await Rig.open();
    await befriend(rig, 'alice', 'bob');
    bob = await rig.bind('bob', 'b');
  });
  afterEach(() => rig.close());

  const ask = async (who: Client, to: string) =>
    told(await who.says(`<iq type="get" id="l${++ids}" to="${to}">${query}</iq>`));
  /** As if it had been a while ago. */
  const pass = (seconds: number) =>
    rig.model.rows(`update account set gone = gone - ${seconds * 1000} where gone is not null returning id`);

  it('tells how long a contact has been away, and the last words, whatever dies (§3)', async () => {
    const alice = await rig.login('alice', 'one');
    const other = await rig.bind('alice', 'two');
    assert.equal(await ask(bob, 'alice@example.org'), ' seconds="0"/>', 'somebody is there');
    await alice.says('<presence type="unavailable"><status>Heading &lt;Home&gt;</status></presence>');
    await rig.end(other);
    pass(50);
    assert.equal(await ask(bob, 'alice@example.org'), ' seconds="0"/>', 'still connected');
    await rig.end(alice);
    pass(903);
    await rig.crash();
    bob = await rig.bind('bob', 'c');
    assert.match(
      (await ask(bob, 'alice@example.org'))!,
      /^ seconds="90[345]">Heading &lt;Home&gt;<\/query>$/,
    );
  });

  it('the words survive a change of owner before the end, and a new presence ends them', async () => {
    const alice = await rig.login('alice', 'one');
    await alice.says('<presence type="unavailable"><status>bye</status></presence>');
    await rig.restart();
    const session = (await rig.account('alice')).session('one')!;
    bob = await rig.bind('bob', 'c');
    const again = rig.attach(session);
    await rig.end(again);
    assert.match((await ask(bob, 'alice@example.org'))!, /^ seconds="\d">bye<\/query>$/);
    const late = await rig.login('alice', 'two');
    await late.says(
      `<presence type="unavailable"><status>${'x'.repeat(fixed.farewell.value + 1)}</status></presence>`,
    );
    await rig.end(late);
    assert.match((await ask(bob, 'alice@example.org'))!, /^ seconds="\d"\/>$/);
  });

  it('is for who sees their presence (§3, §4, §8)', async () => {
    const carol = await rig.bind('carol', 'c');
    assert.equal(await ask(carol, 'alice@example.org'), 'auth"><forbidden');
    // Whether the resource is there: an answer that differs would tell.
    assert.equal(await ask(carol, 'alice@example.org/one'), 'auth"><forbidden');
    const alice = await rig.login('alice', 'one');
    assert.equal(await ask(carol, 'alice@example.org'), 'auth"><forbidden');
    assert.equal(await ask(carol, 'alice@example.org/one'), 'auth"><forbidden');
    assert.deepEqual(alice.take(), []);
    assert.equal(await ask(carol, 'nobody@example.org'), 'cancel"><service-unavailable');
  });

  it('of a resource: it goes there and comes back (§4)', async () => {
    const alice = await rig.login('alice', 'one');
    await bob.says(`<iq type="get" id="l" to="alice@example.org/one">${query}</iq>`);
    assert.match(
      alice.take().join(),
      /^<iq type="get" id="l" to="alice@example.org\/one" from="bob@example.org\/b">/,
    );
    await alice.says(
      '<iq type="result" id="l" to="bob@example.org/b"><query xmlns="jabber:iq:last" seconds="7"/></iq>',
    );
    assert.match(bob.take().at(-1)!, /seconds="7"/);
    assert.equal(await ask(bob, 'alice@example.org/two'), 'cancel"><service-unavailable');
  });

  it('of the server: its time; of oneself: here; of who never came: nothing is known', async () => {
    assert.match((await ask(bob, 'example.org'))!, /^ seconds="\d+"\/>$/);
    assert.equal(told(await bob.asks('get', query)), ' seconds="0"/>');
    assert.equal(await ask(bob, 'alice@example.org'), 'cancel"><item-not-found');
  });
});
