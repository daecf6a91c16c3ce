import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { carriedOf, sessionOf } from '../../src/account/carry.ts';
import { endSession } from '../../src/account/end.ts';
import { refresh } from '../../src/account/presence.ts';
import { Item } from '../../src/account/item.ts';
import { change, loaded } from '../../src/account/roster.ts';
import { Work } from '../../src/account/work.ts';
import { Rig, type Client } from './rig.ts';

const to = (name: string) => `${name}@example.org`;
const from = (texts: string[]) =>
  texts
    .filter((text) => text.startsWith('<presence'))
    .map((text) => {
      const sender = / from="([^"]+)"/.exec(text)![1];
      const type = / type="([^"]+)"/.exec(text)?.[1];
      return type === undefined ? sender! : `${type} ${sender}`;
    })
    .sort();

describe('presence (RFC 6121 §4)', () => {
  let rig: Rig;
  beforeEach(async () => {
    rig = await Rig.open();
  });
  afterEach(() => rig.close());

  /** Rosters as they are after everybody agreed. */
  async function set(local: string, contact: string, subscription: 'none' | 'to' | 'from' | 'both') {
    const account = await rig.account(local);
    await loaded(account);
    const work = new Work(account);
    change(work, account, Item.unknown(contact).with({ subscription }));
    work.commit();
    await rig.still();
  }
  async function friends(one: string, other: string) {
    await set(one, to(other), 'both');
    await set(other, to(one), 'both');
  }

  /** A session of the new owner that a mux attaches. */
  async function attach(local: string, resource: string): Promise<Client> {
    const account = await rig.account(local);
    const session = account.session(resource)!;
    const client = rig.attach(session);
    refresh(session);
    await rig.still();
    return client;
  }

  it('who went while a session waited for its mux: it hears so from the next owner, too, which was handed that', async () => {
    await rig.login('alice', 'one');
    await rig.restart();
    await rig.account('alice');
    await rig.passes(
      'alice',
      `<presence type="unavailable" from="friend@far.example/x" to="${to('alice')}"/>`,
    );
    const carried = carriedOf(rig.partition);
    await rig.crash();
    // The release before takes what has a session for a record.
    assert.deepEqual(
      carried.map(({ session, record }) => [session, record]),
      [[undefined, undefined]],
    );
    for (const one of carried) rig.partition.carried.set(sessionOf(one), one);
    const alice = await attach('alice', 'one');
    assert.deepEqual(from(alice.take()), ['unavailable friend@far.example/x']);
  });

  it('a session that ended: the next owner says so where the last one may not have lived to', async () => {
    await rig.close();
    rig = await Rig.open({ lazy: 20 });
    await set('alice', 'friend@far.example', 'from');
    const alice = await rig.login('alice', 'one');
    const other = await rig.login('alice', 'two');
    endSession(alice.session);
    await rig.still();
    endSession(other.session);
    await rig.still();
    await rig.login('alice', 'two');
    await rig.crash();
    rig.passed.splice(0);
    await rig.account('alice');
    await rig.still();
    assert.deepEqual(
      from(rig.passed),
      ['unavailable alice@example.org/one'],
      'not of the resource that is back',
    );
    while (rig.model.rows('select id from session').length > 1) await sleep(5);
    await rig.restart();
    rig.passed.splice(0);
    await rig.account('alice');
    await rig.still();
    assert.deepEqual(rig.passed, [], 'once it is told for long enough, that was all');
  });

  it('initial presence: to subscribers and oneself, and theirs comes back', async () => {
    await friends('alice', 'bob');
    await set('alice', to('carol'), 'to');
    await set('carol', to('alice'), 'from');
    const bob = await rig.login('bob', 'b', '<presence><priority>3</priority></presence>');
    const carol = await rig.login('carol', 'c');
    const first = await rig.login('alice', 'one');
    const alice = await rig.bind('alice', 'two');
    bob.take();
    const got = await alice.says('<presence xml:lang="de"><status>hi</status></presence>');
    assert.deepEqual(from(got), [
      'alice@example.org/one',
      'alice@example.org/two',
      'bob@example.org/b',
      'carol@example.org/c',
    ]);
    assert.ok(
      got.includes(
        '<presence to="alice@example.org/two" from="bob@example.org/b"><priority>3</priority></presence>',
      ),
    );
    assert.deepEqual(bob.take(), [
      '<presence to="bob@example.org" xml:lang="de" from="alice@example.org/two"><status>hi</status></presence>',
    ]);
    assert.deepEqual(carol.take(), [], 'carol does not see alice');
    assert.deepEqual(from(first.take()), ['alice@example.org/two']);

    // §4.4: a change asks nobody again.
    assert.deepEqual(from(await alice.says('<presence><show>xa</show></presence>')), [
      'alice@example.org/two',
    ]);
    assert.deepEqual(from(bob.take()), ['alice@example.org/two']);
  });

  it('unavailable, said or not: to subscribers, oneself and whom presence was sent directly', async () => {
    await friends('alice', 'bob');
    const bob = await rig.login('bob', 'b');
    const carol = await rig.login('carol', 'c');
    const stays = await rig.login('alice', 'stays');
    for (const way of ['said', 'not said']) {
      const alice = await rig.login('alice', 'a');
      await alice.says(`<presence to="carol@example.org/c"/>`);
      await alice.says('<presence to="far@far.example/room"/>');
      assert.deepEqual(from(carol.take()), ['alice@example.org/a']);
      for (const client of [bob, stays]) client.take();
      rig.passed.length = 0;
      if (way === 'said') await alice.says('<presence type="unavailable"><status>bye</status></presence>');
      else await rig.end(alice);
      for (const client of [bob, stays, carol])
        assert.deepEqual(from(client.take()), ['unavailable alice@example.org/a'], way);
      assert.deepEqual(from(rig.passed), ['unavailable alice@example.org/a'], way);
      if (way === 'said') await rig.end(alice);
      assert.deepEqual(
        [bob, carol, stays].map((client) => client.take()),
        [[], [], []],
        'only once',
      );
    }
  });

  it('directed presence ends with directed unavailable, is bounded, and reaches one resource', async () => {
    await rig.close();
    rig = await Rig.open({ directed: 2 });
    const carol = await rig.login('carol', 'c');
    const other = await rig.login('carol', 'other');
    carol.take();
    const alice = await rig.bind('alice', 'a');
    await alice.says('<presence to="carol@example.org/c"/>');
    await alice.says('<presence to="carol@example.org/c" type="unavailable"/>');
    assert.deepEqual(from(carol.take()), ['alice@example.org/a', 'unavailable alice@example.org/a']);
    assert.deepEqual(other.take(), []);
    await alice.says('<presence to="x@far.example"/>');
    await alice.says('<presence to="y@far.example"/>');
    assert.match((await alice.says('<presence to="z@far.example"/>'))[0]!, /resource-constraint/);
    assert.deepEqual(await alice.says('<presence to="x@far.example"/>'), [], 'the same once more is no more');
    await rig.end(alice);
    assert.deepEqual(carol.take(), []);
    assert.equal(from(rig.passed).filter((text) => text.startsWith('unavailable')).length, 2);
  });

  it('refuses a priority out of range, and a type that does not exist', async () => {
    const alice = await rig.bind('alice', 'a');
    for (const priority of ['128', '-129', 'high'])
      assert.match(
        (await alice.says(`<presence><priority>${priority}</priority></presence>`))[0]!,
        /type="error".*bad-request/,
      );
    assert.equal(alice.session.available, false);
    assert.match((await alice.says('<presence type="sleepy"/>'))[0]!, /bad-request/);
    assert.match((await alice.says('<presence to="x@unknown.example"/>'))[0]!, /remote-server-not-found/);
    await alice.says('<presence><priority>-1</priority></presence>');
    assert.equal(alice.session.available && !alice.session.ready, true);
  });

  it('a probe is answered by what the subscription says (§4.3.2)', async () => {
    await set('bob', 'friend@far.example', 'from');
    const bob = await rig.login('bob', 'b');
    await rig.login('bob', 'b2');
    const probe = (who: string, target = 'bob@example.org') =>
      rig.passes('bob', `<presence type="probe" from="${who}" to="${target}"/>`);
    rig.passed.length = 0;
    await probe('friend@far.example/x');
    assert.deepEqual(from(rig.passed), ['bob@example.org/b', 'bob@example.org/b2']);
    assert.ok(rig.passed.every((text) => text.includes('to="friend@far.example/x"')));
    rig.passed.length = 0;
    await probe('stranger@far.example');
    assert.deepEqual(rig.passed, []);
    await probe('stranger@far.example/x');
    assert.deepEqual(rig.passed, [
      '<presence type="unsubscribed" from="bob@example.org" to="stranger@far.example/x"/>',
    ]);
    assert.deepEqual(rig.letters, [], 'nothing that would undo a later request');
    for (const resource of ['b', 'b2']) {
      const session = bob.session.account.session(resource)!;
      session.account.mailbox.run(() => undefined);
      await rig.end({ session } as Client);
    }
    rig.passed.length = 0;
    await probe('friend@far.example');
    assert.deepEqual(from(rig.passed), ['unavailable bob@example.org']);
  });

  it('elsewhere: presence and probes go as frames, what comes is shown to whom it is for', async () => {
    await set('alice', 'friend@far.example', 'both');
    const alice = await rig.bind('alice', 'a');
    await alice.says('<presence/>');
    assert.deepEqual(rig.passed, [
      '<presence from="alice@example.org/a" to="friend@far.example"/>',
      '<presence type="probe" from="alice@example.org/a" to="friend@far.example"/>',
    ]);
    const silent = await rig.bind('alice', 'silent');
    alice.take();
    await rig.passes('alice', '<presence from="friend@far.example/f" to="alice@example.org"/>');
    assert.deepEqual(from(alice.take()), ['friend@far.example/f']);
    assert.deepEqual(silent.take(), []);
    await rig.passes('alice', '<presence from="friend@far.example/f" to="alice@example.org/silent"/>');
    assert.deepEqual(from(silent.take()), ['friend@far.example/f']);
    assert.deepEqual(alice.take(), []);
  });

  it('nobody is read from the store to be told of presence', async () => {
    await friends('alice', 'bob');
    await rig.restart();
    await rig.login('alice', 'a');
    assert.equal(rig.partition.accounts.peek(to('bob')), undefined);
  });

  it('a new owner: no flap, and everybody ends with the truth', async () => {
    await friends('alice', 'bob');
    await friends('alice', 'carol');
    await set('alice', 'friend@far.example', 'both');
    await rig.login('alice', 'a', '<presence><show>away</show></presence>');
    await rig.login('bob', 'b');
    await rig.login('bob', 'b2');
    const before = await rig.login('carol', 'c');
    await rig.end(before);
    await rig.restart();
    rig.passed.length = 0;

    const bob = await attach('bob', 'b');
    // Alice’s session waits for its mux and counts as there.
    assert.deepEqual(from(bob.take()), ['alice@example.org/a', 'bob@example.org/b2']);
    const b2 = (await rig.account('bob')).session('b2')!;
    const alice = await attach('alice', 'a');
    assert.deepEqual(from(alice.take()), [
      'bob@example.org/b',
      'bob@example.org/b2',
      'unavailable carol@example.org',
    ]);
    assert.deepEqual(bob.take(), [], 'nothing new about alice');
    assert.deepEqual(rig.passed, [
      '<presence xmlns="jabber:client" from="alice@example.org/a"/>'.replace(/.*/, rig.passed[0]!),
      '<presence type="probe" from="alice@example.org/a" to="friend@far.example"/>',
    ]);
    assert.match(rig.passed[0]!, /to="friend@far.example".*away/);
    // The other resource of bob never comes back.
    await rig.end({ session: b2 } as Client);
    assert.deepEqual(from(alice.take()), ['unavailable bob@example.org/b2']);
    assert.deepEqual(from(bob.take()), ['unavailable bob@example.org/b2']);
  });

  it('a new owner: who went while a session waited for its mux is reported by that name', async () => {
    await friends('alice', 'bob');
    await rig.login('alice', 'a');
    await rig.login('bob', 'b');
    await rig.restart();
    await rig.account('alice');
    const gone = (await rig.account('bob')).session('b')!;
    await rig.end({ session: gone } as Client);
    const alice = await attach('alice', 'a');
    assert.deepEqual(from(alice.take()), ['unavailable bob@example.org', 'unavailable bob@example.org/b']);
  });

  it('a new owner: a mux that knows newer presence than the row corrects what others were given', async () => {
    await friends('alice', 'bob');
    await rig.login('alice', 'a');
    await rig.login('bob', 'b');
    await rig.restart();
    const bob = await attach('bob', 'b');
    assert.deepEqual(from(bob.take()), ['alice@example.org/a']);
    const session = (await rig.account('alice')).session('a')!;
    const { presence } = session;
    session.presence = presence!.with({ id: 'newer' });
    await attach('alice', 'a');
    assert.match(bob.take()[0]!, /id="newer"/);
  });
});
