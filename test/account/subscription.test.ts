import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { inboundOp } from '../../src/account/sessionrows.ts';
import { leaveContacts, returnSubscription, sendSubscription } from '../../src/account/subscription.ts';
import { Work } from '../../src/account/work.ts';
import { receivePassing } from '../../src/account/arrive.ts';
import { Jid } from '../../src/xmpp/jid.ts';
import { parseStored } from '../../src/xmpp/parser.ts';
import { faulty, Rig, type Client } from './rig.ts';

const to = (name: string) => `${name}@example.org`;
const presence = (type: string, name: string) => `<presence type="${type}" to="${to(name)}"/>`;
const stanza = (type: string, from: string, target: string) =>
  `<presence type="${type}" to="${to(target)}" from="${to(from)}"/>`;
const item = (text: string) => /<item .*?\/>|<item .*<\/item>/.exec(text)?.[0];

describe('subscriptions in one lane (RFC 6121 §3)', () => {
  let rig: Rig;
  beforeEach(async () => {
    rig = await Rig.open();
  });
  afterEach(() => rig.close());

  async function same(): Promise<void> {
    for (const name of ['alice', 'bob', 'carol'])
      assert.deepEqual(rig.stored(name), await rig.remembered(name), name);
  }

  async function befriend(alice: Client, bob: Client): Promise<void> {
    await alice.says(presence('subscribe', 'bob'));
    await bob.says(presence('subscribed', 'alice'));
    await bob.says(presence('subscribe', 'alice'));
    await alice.says(presence('subscribed', 'bob'));
    alice.take();
    bob.take();
  }

  it('request, approval, presence, then the end of both halves', async () => {
    const alice = await rig.login('alice', 'a');
    const bob = await rig.login('bob', 'b', '<presence><show>away</show></presence>');
    const pushed = await alice.says(presence('subscribe', 'bob'));
    assert.deepEqual(pushed.map(item), ['<item jid="bob@example.org" subscription="none" ask="subscribe"/>']);
    // A request alone is shown, and is not in the roster (§3.1.3).
    assert.deepEqual(bob.take(), [stanza('subscribe', 'alice', 'bob')]);
    alice.take();

    const own = await bob.says(presence('subscribed', 'alice'));
    assert.deepEqual(own.map(item), ['<item jid="alice@example.org" subscription="from"/>']);
    const [approval, push, seen, ...rest] = alice.take();
    assert.equal(approval, stanza('subscribed', 'bob', 'alice'));
    assert.equal(item(push!), '<item jid="bob@example.org" subscription="to"/>');
    assert.equal(
      seen,
      '<presence to="alice@example.org" from="bob@example.org/b"><show>away</show></presence>',
    );
    assert.deepEqual(rest, []);
    await same();

    // §3.2: bob cancels; alice learns first that he is gone.
    await bob.says(presence('unsubscribed', 'alice'));
    const [gone, cancelled, none] = alice.take();
    assert.equal(gone, '<presence to="alice@example.org" type="unavailable" from="bob@example.org/b"/>');
    assert.equal(cancelled, stanza('unsubscribed', 'bob', 'alice'));
    assert.equal(item(none!), '<item jid="bob@example.org" subscription="none"/>');
    assert.equal(await rig.state('bob', to('alice')), 'none');
    await same();
  });

  it('a request waits for the recipient, through an owner’s death, until it is answered', async () => {
    const alice = await rig.login('alice', 'a');
    await alice.says(
      `<presence type="subscribe" to="${to('bob')}"><status>it is me &amp; you</status></presence>`,
    );
    const wanted = `<presence type="subscribe" to="${to('bob')}" from="${to('alice')}"><status>it is me &amp; you</status></presence>`;
    for (const resource of ['one', 'two']) {
      const bob = await rig.bind('bob', resource);
      assert.ok((await bob.says('<presence/>')).includes(wanted), resource);
      // Later presence is no initial presence.
      assert.ok(!(await bob.says('<presence><show>dnd</show></presence>')).includes(wanted));
      await rig.end(bob);
    }
    await rig.restart();
    const bob = await rig.bind('bob', 'three');
    assert.ok((await bob.says('<presence/>')).includes(wanted));
    assert.deepEqual(
      (await bob.asks('get', '<query xmlns="jabber:iq:roster"/>')).map(item),
      [undefined],
      'not in the roster yet',
    );
    await bob.says(presence('unsubscribed', 'alice'));
    await bob.says('<presence type="unavailable"/>');
    assert.ok(!(await bob.says('<presence/>')).includes(wanted));
    assert.equal(await rig.state('alice', to('bob')), 'none');
    assert.deepEqual(rig.stored('bob'), {});
    await same();
  });

  it('a request that comes while its recipient logs in is shown once', async () => {
    const alice = await rig.login('alice', 'a');
    const bob = await rig.bind('bob', 'b');
    await bob.asks('get', '<query xmlns="jabber:iq:roster"/>');
    const shown = (texts: string[]) => texts.filter((text) => text.includes('type="subscribe"')).length;
    alice.send(presence('subscribe', 'bob'));
    bob.send('<presence/>');
    await rig.still();
    assert.equal(shown(bob.take()), 1, 'before');
    await alice.says(presence('unsubscribe', 'bob'));
    await bob.says('<presence type="unavailable"/>');
    bob.take();
    bob.send(presence('subscribe', 'carol'));
    bob.send('<presence/>');
    alice.send(presence('subscribe', 'bob'));
    await rig.still();
    assert.equal(shown(bob.take().filter((text) => text.startsWith('<presence'))), 1, 'behind');
    await bob.says('<presence type="unavailable"/>');
    assert.equal(shown(await bob.says('<presence/>')), 1, 'and again later');
    await same();
  });

  it('a subscriber who asks again is answered in the account’s name, unseen (§3.1.3, case 2)', async () => {
    const alice = await rig.login('alice', 'a');
    const bob = await rig.login('bob', 'b');
    await befriend(alice, bob);
    const before = rig.stored('alice');
    await alice.says(presence('subscribe', 'bob'));
    assert.deepEqual(bob.take(), []);
    assert.deepEqual(rig.stored('alice'), before);
    await same();
  });

  it('approval ahead of the request (§3.4)', async () => {
    const alice = await rig.login('alice', 'a');
    const bob = await rig.login('bob', 'b');
    const pushes = await bob.says(presence('subscribed', 'alice'));
    assert.deepEqual(pushes.map(item), [
      '<item jid="alice@example.org" subscription="none" approved="true"/>',
    ]);
    assert.deepEqual(alice.take(), [], 'the contact does not hear of it');
    assert.deepEqual(
      await bob.says(presence('subscribed', 'alice')),
      [],
      'nor does a second one do anything',
    );
    bob.take();

    const got = await alice.says(presence('subscribe', 'bob'));
    assert.deepEqual(got.slice(0, 1).map(item), [
      '<item jid="bob@example.org" subscription="none" ask="subscribe"/>',
    ]);
    assert.equal(got[1], '<presence type="subscribed" from="bob@example.org" to="alice@example.org"/>');
    assert.equal(item(got[2]!), '<item jid="bob@example.org" subscription="to"/>');
    assert.equal(got[3], '<presence to="alice@example.org" from="bob@example.org/b"/>');
    assert.deepEqual(bob.take().map(item), [
      '<item jid="alice@example.org" subscription="from" approved="true"/>',
    ]);
    await same();

    await bob.says(presence('unsubscribed', 'alice'));
    assert.deepEqual(bob.take().map(item), ['<item jid="alice@example.org" subscription="none"/>']);
  });

  it('a request to nobody is denied at once (§3.1.3, case 1); one to an unknown domain is refused', async () => {
    const alice = await rig.login('alice', 'a');
    const got = await alice.says(presence('subscribe', 'nobody'));
    assert.equal(got.length, 3);
    assert.match(got[0]!, /ask="subscribe"/);
    assert.equal(got[1], '<presence type="unsubscribed" from="nobody@example.org" to="alice@example.org"/>');
    assert.equal(item(got[2]!), '<item jid="nobody@example.org" subscription="none"/>');
    const [refused] = await alice.says('<presence type="subscribe" to="x@unknown.example"/>');
    assert.match(refused!, /type="error".*remote-server-not-found/);
    assert.equal(await rig.state('alice', 'x@unknown.example'), 'none');
    const [self] = await alice.says(presence('subscribe', 'alice'));
    assert.match(self!, /not-allowed/);
    await same();
  });

  it('requests go to available resources, the rest to those that asked for the roster', async () => {
    const alice = await rig.login('alice', 'a');
    const silent = await rig.bind('bob', 'silent');
    const deaf = await rig.bind('bob', 'deaf');
    await silent.asks('get', '<query xmlns="jabber:iq:roster"/>');
    await deaf.says('<presence/>');
    silent.take();
    deaf.take();
    await alice.says(presence('subscribe', 'bob'));
    assert.deepEqual(silent.take(), []);
    assert.deepEqual(deaf.take(), [stanza('subscribe', 'alice', 'bob')]);
    await alice.says(presence('unsubscribe', 'bob'));
    assert.deepEqual(silent.take(), [stanza('unsubscribe', 'alice', 'bob')]);
    assert.deepEqual(deaf.take(), []);
  });

  it('removing a contact ends everything at both sides (§2.5)', async () => {
    const alice = await rig.login('alice', 'a');
    const bob = await rig.login('bob', 'b');
    await befriend(alice, bob);
    const got = await alice.asks(
      'set',
      '<query xmlns="jabber:iq:roster"><item jid="bob@example.org" subscription="remove"/></query>',
    );
    assert.equal(item(got[0]!), '<item jid="bob@example.org" subscription="remove"/>');
    assert.match(got.at(-1)!, /^<iq type="result"/);
    assert.ok(
      got.includes('<presence to="alice@example.org" type="unavailable" from="bob@example.org/b"/>'),
      'she sees bob go',
    );
    const texts = bob.take();
    const order = texts.map((text) => item(text) ?? /type="(\w+)"/.exec(text)![1]);
    assert.deepEqual(order, [
      'unavailable',
      'unsubscribe',
      '<item jid="alice@example.org" subscription="to"/>',
      'unsubscribed',
      '<item jid="alice@example.org" subscription="none"/>',
    ]);
    assert.equal(await rig.state('bob', to('alice')), 'none');
    await same();
  });

  it('what cannot be written has not happened, at neither side', async () => {
    const alice = await rig.login('alice', 'a');
    const bob = await rig.login('bob', 'b');
    await befriend(alice, bob);
    const before = [rig.stored('alice'), rig.stored('bob')];
    const { session } = alice;
    const work = new Work(session.account, session, 0);
    work.ops.push(inboundOp(session, session.handled));
    await sendSubscription(
      work,
      session,
      parseStored(presence('unsubscribed', 'bob')),
      Jid.parse(to('bob'))!,
    );
    work.step(() => void work.write(faulty, [rig.partition.id]));
    work.commit();
    await rig.still();
    assert.deepEqual([...alice.take(), ...bob.take()], [], 'nobody heard of it');
    assert.deepEqual([rig.stored('alice'), rig.stored('bob')], before);
    await same();
    assert.equal(await rig.state('alice', to('bob')), 'both');
    // And it goes on.
    await alice.says(presence('unsubscribed', 'bob'));
    assert.equal(await rig.state('bob', to('alice')), 'from');
    await same();
  });

  it('a letter that comes again after its answer is known by its origin', async () => {
    const bob = await rig.login('bob', 'b');
    const xml = '<presence type="subscribe" from="x@far.example" to="bob@example.org"/>';
    const origin = { source: 7, n: 3, k: 0 };
    await rig.arrives('bob', xml, origin);
    await bob.says('<presence type="unsubscribed" to="x@far.example"/>');
    bob.take();
    await rig.arrives('bob', xml, origin);
    assert.equal(await rig.state('bob', 'x@far.example'), 'none');
    assert.deepEqual(bob.take(), []);
    await rig.arrives('bob', xml, { ...origin, n: 4 });
    assert.deepEqual(bob.take(), [xml], 'a new one is not');
    await same();
  });

  it('an answer from before they heard that it was taken back does not answer the next request', async () => {
    const alice = await rig.login('alice', 'a');
    const request = async (type: string) => alice.says(`<presence type="${type}" to="x@far.example"/>`);
    const answer = (type: string, n: number) => {
      const xml = `<presence type="${type}" from="x@far.example" to="alice@example.org"/>`;
      return rig.arrives('alice', xml, { source: 7, n, k: 2 });
    };
    for (const type of ['subscribe', 'unsubscribe', 'subscribe']) await request(type);
    await answer('subscribed', 1);
    await answer('unsubscribed', 2);
    const asking = async () => item((await alice.asks('get', '<query xmlns="jabber:iq:roster"/>')).join(''));
    assert.equal(await asking(), '<item jid="x@far.example" subscription="none" ask="subscribe"/>');
    // They have the first two by now, and it comes again.
    rig.letters.splice(0, 2);
    await answer('subscribed', 1);
    assert.equal(await rig.state('alice', 'x@far.example'), 'none+out');
    rig.letters.splice(0);
    await answer('subscribed', 3);
    assert.equal(await rig.state('alice', 'x@far.example'), 'to');
    await same();
  });

  it('a probe that came too early does not undo what was granted meanwhile', async () => {
    const alice = await rig.login('alice', 'a');
    const bob = await rig.login('bob', 'b');
    // She asks for his presence without seeing it: he is to say so, but before he does, he grants it.
    const probe = presence('probe', 'bob').replace('<presence', `<presence from="${alice.session.full}"`);
    receivePassing(await rig.account('bob'), parseStored(probe), Jid.parse(to('bob'))!);
    alice.send(presence('subscribe', 'bob'));
    bob.send(presence('subscribed', 'alice'));
    await rig.still();
    assert.equal(await rig.state('bob', to('alice')), 'from');
    assert.equal(await rig.state('alice', to('bob')), 'to');
    await same();
  });

  it('more requests than the limit are denied', async () => {
    await rig.close();
    rig = await Rig.open({ roster: 3 });
    const bob = await rig.login('bob', 'b');
    for (let i = 0; i < 4; i++)
      await rig.arrives('bob', `<presence type="subscribe" from="x${i}@far.example" to="bob@example.org"/>`, {
        source: 7,
        n: i,
        k: 0,
      });
    assert.equal(bob.take().length, 3);
    assert.deepEqual(
      rig.letters.map(({ xml }) => xml),
      ['<presence type="unsubscribed" from="bob@example.org" to="x3@far.example"/>'],
    );
  });

  it('a request that comes back from the post is denied by that', async () => {
    const alice = await rig.login('alice', 'a');
    await alice.says('<presence type="subscribe" to="x@far.example"/>');
    alice.take();
    const { account } = alice.session;
    const work = new Work(account);
    const letter = rig.letters[0]!;
    await returnSubscription(work, account, parseStored(letter.xml), Jid.parse('x@far.example')!, letter);
    work.commit();
    await rig.still();
    const [denied, push] = alice.take();
    assert.equal(denied, '<presence type="unsubscribed" from="x@far.example" to="alice@example.org"/>');
    assert.equal(item(push!), '<item jid="x@far.example" subscription="none"/>');
    await same();
  });

  it('an account that is removed leaves everybody', async () => {
    const alice = await rig.login('alice', 'a');
    const bob = await rig.login('bob', 'b');
    await befriend(alice, bob);
    await alice.says(presence('subscribe', 'carol'));
    await rig.arrives('alice', '<presence type="subscribe" from="x@far.example" to="alice@example.org"/>', {
      source: 7,
      n: 1,
      k: 0,
    });
    bob.take();
    const { account } = alice.session;
    const work = new Work(account);
    await leaveContacts(work, account);
    work.commit();
    await rig.still();
    assert.equal(
      bob.take()[0],
      '<presence to="bob@example.org" type="unavailable" from="alice@example.org/a"/>',
    );
    assert.equal(await rig.state('bob', to('alice')), 'none');
    assert.equal(await rig.state('carol', to('alice')), 'none');
    assert.deepEqual(rig.stored('carol'), {});
    assert.deepEqual(
      rig.letters.map(({ xml }) => xml),
      ['<presence type="unsubscribed" from="alice@example.org" to="x@far.example"/>'],
    );
  });
});
