import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { openOffice } from '../../src/rooms/office.ts';
import { Work } from '../../src/rooms/work.ts';
import { NS } from '../../src/xmpp/namespaces.ts';
import { parseStored } from '../../src/xmpp/parser.ts';
import { configure, open } from './forms.ts';
import { cave, refusal, type Client } from './rig.ts';

const user = (inner: string, attrs = ''): string =>
  `<message id="i1" ${attrs}><x xmlns="${NS.mucUser}">${inner}</x></message>`;
const invite = (to: string): string => user(`<invite to="${to}"><reason>come</reason></invite>`);

void describe('invitations through the room (XEP-0045 §7.8.2)', () => {
  void it('reach everybody who is named, with the reason, the thread and the password', async () => {
    await using rig = await open();
    const [alice, bob] = (await rig.gather('alice', 'bob')) as [Client, Client];
    await configure(alice, {
      'muc#roomconfig_passwordprotectedroom': '1',
      'muc#roomconfig_roomsecret': 'cauldronburn',
    });
    const [carol, dave] = [rig.client('carol@example.org/home'), rig.client('dave@far.example/phone')];
    bob.take();
    await bob.says(
      user(
        `<invite to="carol@example.org"><reason>Hey</reason><continue thread="t1"/></invite><invite to="dave@far.example/phone"/>`,
      ),
    );
    assert.deepEqual(bob.take(), []);
    assert.deepEqual(carol.take(), [
      `<message from="${cave}" id="i1" to="carol@example.org"><x xmlns="${NS.mucUser}"><invite from="bob@example.org"><reason>Hey</reason><continue thread="t1"/></invite><password>cauldronburn</password></x></message>`,
    ]);
    assert.match(dave.take()[0]!, /<invite from="bob@example.org"\/><password>cauldronburn</);
    // They wait in the archives of whom they are for, and may be copied to all their resources (XEP-0280 §6.1).
    assert.deepEqual(
      rig.letters.map(({ recipient, kind, k }) => [recipient, kind, k]),
      [
        ['carol@example.org', 0, 0],
        ['dave@far.example', 0, 1],
      ],
    );
  });

  void it('are for occupants to send, and not for those who are banned, or to them', async () => {
    await using rig = await open();
    const [alice, bob] = (await rig.gather('alice', 'bob')) as [Client, Client];
    const carol = rig.client('carol@example.org/home');
    assert.equal(refusal((await carol.says(invite('dave@example.org')))[0]!), 'forbidden');
    await ban(rig, 'carol@example.org');
    assert.equal(refusal((await carol.says(invite('dave@example.org')))[0]!), 'forbidden');
    assert.equal(refusal((await alice.says(invite('carol@example.org')))[0]!), 'not-allowed');
    assert.deepEqual(rig.letters, []);
    assert.equal(bob.take().length, 0);
  });

  void it('into a room for members are for admins, who make members with them; for members where they may', async () => {
    await using rig = await open();
    const [alice, bob] = (await rig.gather('alice', 'bob')) as [Client, Client];
    await configure(alice, { 'muc#roomconfig_roomadmins': 'bob@example.org' });
    await configure(alice, { 'muc#roomconfig_roomadmins': [], 'muc#roomconfig_membersonly': '1' });
    assert.equal(rig.known()['bob@example.org'], 'member');
    bob.take();
    assert.equal(refusal((await bob.says(invite('carol@example.org')))[0]!), 'forbidden');
    assert.equal(rig.known()['carol@example.org'], undefined);
    await alice.says(invite('carol@example.org'));
    assert.equal(rig.known()['carol@example.org'], 'member');
    const carol = rig.client('carol@example.org/home');
    assert.match((await carol.enters('carol')).at(-1)!, /<subject\/>/);
    await configure(alice, { 'muc#roomconfig_allowinvites': '1' });
    await bob.says(invite('dave@example.org'));
    assert.equal(rig.known()['dave@example.org'], 'member');
    assert.equal(rig.letters.length, 2);
  });

  void it('that are malformed, or for nobody whom we could reach, are refused whole', async () => {
    await using rig = await open();
    const [alice] = (await rig.gather('alice')) as [Client];
    await configure(alice, { 'muc#roomconfig_membersonly': '1' });
    alice.take();
    const good = '<invite to="carol@example.org"/>';
    const wrong: [string, string][] = [
      [user(`${good}<invite to="@"/>`), 'jid-malformed'],
      [user(`${good}<invite/>`), 'jid-malformed'],
      [user(`${good}<invite to="dave@nowhere.example"/>`), 'remote-server-not-found'],
      [user(`${good}<invite to="example.org"/>`), 'item-not-found'],
      [user(`${good}<invite to="other@conference.example.org"/>`), 'item-not-found'],
      [user(`${good}<decline to="alice@example.org"/>`), 'bad-request'],
      [user(good, 'type="chat"'), 'bad-request'],
      [user(good.repeat(51)), 'not-acceptable'],
      [
        user(`<invite to="carol@example.org"><reason>${'r'.repeat(5000)}</reason></invite>`),
        'not-acceptable',
      ],
      ['<message><body>to nobody</body></message>', 'not-acceptable'],
    ];
    for (const [xml, condition] of wrong) assert.equal(refusal((await alice.says(xml))[0]!), condition, xml);
    assert.deepEqual(rig.letters, []);
    assert.deepEqual(rig.known(), { 'alice@example.org': 'owner' });
  });

  void it('a refusal goes back to who invited, and a room passes on nothing else', async () => {
    await using rig = await open();
    const [alice] = (await rig.gather('alice')) as [Client];
    const carol = rig.client('carol@example.org/home');
    await alice.says(invite('carol@example.org'));
    alice.take();
    await carol.says(user('<decline to="alice@example.org"><reason>too busy</reason></decline>'));
    assert.deepEqual(alice.take(), [
      `<message from="${cave}" id="i1" to="alice@example.org"><x xmlns="${NS.mucUser}"><decline from="carol@example.org"><reason>too busy</reason></decline></x></message>`,
    ]);
    // By the address in the room, too, where somebody knows the inviter by no other.
    await carol.says(user(`<decline to="${cave}/alice"/>`));
    assert.match(alice.take()[0]!, /<decline from="carol@example.org"\/>/);
    const dave = rig.client('dave@example.org/home');
    carol.take();
    // What comes back tells nobody who is in, or known.
    for (const to of ['dave@example.org', `${cave}/dave`, 'alice@example.org', `${cave}/alice`])
      assert.deepEqual(await carol.says(user(`<decline to="${to}"/>`)), [], to);
    assert.equal(refusal((await carol.says(user('<decline/>')))[0]!), 'jid-malformed');
    assert.deepEqual(dave.take(), []);
  });

  void it('of an admin who makes a member tell no address where those are not shown', async () => {
    await using rig = await open();
    const [alice] = (await rig.gather('alice')) as [Client];
    const item = (local: string): string =>
      `<query xmlns="${NS.mucAdmin}"><item affiliation="member" jid="${local}@example.org"/></query>`;
    await configure(alice, { 'muc#roomconfig_membersonly': '1', 'muc#roomconfig_persistentroom': '1' });
    await alice.asks('set', item('carol'));
    await alice.leaves('alice');
    await alice.asks('set', item('dave'));
    await configure(alice, { 'muc#roomconfig_whois': 'anyone' });
    await alice.asks('set', item('erin'));
    assert.deepEqual(
      rig.letters.map(({ xml }) => /<invite from="([^"]*)"/.exec(xml)?.[1]),
      [`${cave}/alice`, cave, 'alice@example.org'],
    );
  });

  void it('that come twice are the same letter, so that nobody reads them twice', async () => {
    await using rig = await open();
    const [alice] = (await rig.gather('alice')) as [Client];
    await configure(alice, { 'muc#roomconfig_membersonly': '1' });
    const stanza = parseStored(invite('carol@example.org')).with({ from: alice.jid.full, to: cave });
    for (let times = 0; times < 2; times++) {
      rig.carry(alice, stanza, 77, 5);
      await rig.still();
    }
    const [first, second] = rig.letters;
    assert.equal(rig.letters.length, 2);
    for (const name of ['source', 'n', 'k', 'to', 'xml'] as const) assert.equal(first![name], second![name]);
  });

  void it('for somebody who does not exist come back to the inviter as item-not-found', async () => {
    await using rig = await open();
    const [alice, bob] = (await rig.gather('alice', 'bob')) as [Client, Client];
    await bob.says(invite('nobody@example.org'));
    const office = openOffice(rig.partition.env, () => rig.partition);
    office.settle(rig.letters[0]!, 'service-unavailable', () => undefined);
    await rig.still();
    const [error] = bob.take();
    assert.equal(refusal(error!), 'item-not-found');
    assert.match(error!, new RegExp(`from="${cave}".*<invite to="nobody@example.org">`));
    assert.deepEqual(alice.take(), []);
  });
});

async function ban(rig: Awaited<ReturnType<typeof open>>, jid: string): Promise<void> {
  const room = await rig.room();
  const work = new Work(rig.partition);
  work.involve(room);
  work.step(() => room.setMember(work, jid, { affiliation: 'outcast', nick: '', reason: '' }));
  work.commit();
  await rig.still();
}
