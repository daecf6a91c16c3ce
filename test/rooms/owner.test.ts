import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fixed } from '../../src/base/fixed.ts';
import { NS } from '../../src/xmpp/namespaces.ts';
import { configure, fieldsIn, open, submitted, type Values } from './forms.ts';
import { cave, codes, refusal, type Client } from './rig.ts';

const get = `<query xmlns="${NS.mucOwner}"/>`;
const kept = { 'muc#roomconfig_persistentroom': '1' };

const cancelled = `<query xmlns="${NS.mucOwner}"><x xmlns="${NS.dataForms}" type="cancel"/></query>`;

const notices = (texts: readonly string[]): number[] =>
  texts.filter((text) => text.startsWith('<message') && text.includes('<status')).flatMap(codes);

void describe('owners and their rooms (XEP-0045 §10)', () => {
  void it('a room is for nobody else until it is configured (§10.1.2)', async () => {
    await using rig = await open();
    const [alice, bob] = [rig.client('alice@example.org/home'), rig.client('bob@example.org/home')];
    assert.deepEqual(codes((await alice.enters('alice'))[0]!), [110, 201, 170]);
    assert.equal(refusal((await bob.enters('bob'))[0]!), 'item-not-found');
    assert.equal(refusal(await bob.asks('get', get)), 'item-not-found');
    for (const said of [
      '<message type="groupchat"><body>?</body></message>',
      '<message><body>?</body></message>',
    ])
      assert.equal(refusal((await bob.says(said))[0]!), 'item-not-found');
    await configure(alice, {});
    assert.match((await bob.enters('bob')).at(-1)!, /<subject\/>/);
  });

  void it('the form has every field of §15.5.3 with what is so now', async () => {
    await using rig = await open();
    const [alice] = (await rig.gather('alice')) as [Client];
    const form = await alice.asks('get', get);
    const standard =
      `muc#maxhistoryfetch muc#roomconfig_allowpm muc#roomconfig_allowinvites muc#roomconfig_changesubject
      muc#roomconfig_enablelogging muc#roomconfig_getmemberlist muc#roomconfig_lang muc#roomconfig_pubsub
      muc#roomconfig_maxusers muc#roomconfig_membersonly muc#roomconfig_moderatedroom
      muc#roomconfig_passwordprotectedroom muc#roomconfig_persistentroom muc#roomconfig_presencebroadcast
      muc#roomconfig_publicroom muc#roomconfig_roomadmins muc#roomconfig_roomdesc muc#roomconfig_roomname
      muc#roomconfig_roomowners muc#roomconfig_roomsecret muc#roomconfig_whois`.split(/\s+/);
    const fields = fieldsIn(form);
    for (const name of standard) assert.ok(Object.hasOwn(fields, name), name);
    assert.deepEqual(fields['muc#roomconfig_roomowners'], ['alice@example.org']);
    assert.doesNotMatch(form, /<field (?![^>]*(label=|type="hidden"))/);
    for (const [name, value] of [
      ['muc#roomconfig_roomname', 'Cave'],
      ['muc#roomconfig_roomsecret', 'blood'],
      ['muc#maxhistoryfetch', '7'],
    ] as const) {
      await configure(alice, { [name]: value });
      await configure(alice, { [name]: [] });
      const { [name]: now } = fieldsIn(await alice.asks('get', get));
      assert.deepEqual(now, name === 'muc#maxhistoryfetch' ? ['7'] : [], name);
    }
    await configure(alice, { 'muc#maxhistoryfetch': '20' });
    // Sent back as it came, it changes nothing.
    alice.take();
    await configure(alice, fields);
    assert.deepEqual(alice.take().length, 1);
  });

  void it('what an owner submits is so, is shown, and outlives the owner of the room', async () => {
    await using rig = await open();
    const [alice] = (await rig.gather('alice')) as [Client];
    const wanted = {
      'muc#roomconfig_roomname': ['A Dark Cave'],
      'muc#roomconfig_roomdesc': ['The place for all good witches!'],
      'muc#roomconfig_lang': ['en-GB'],
      'muc#roomconfig_enablelogging': ['0'],
      'muc#roomconfig_changesubject': ['1'],
      'muc#roomconfig_allowinvites': ['1'],
      'muc#roomconfig_allowpm': ['moderators'],
      'muc#roomconfig_maxusers': ['10'],
      'muc#roomconfig_presencebroadcast': ['moderator', 'visitor'],
      'muc#roomconfig_getmemberlist': ['moderator', 'owner'],
      'muc#roomconfig_publicroom': ['0'],
      'muc#roomconfig_persistentroom': ['1'],
      'muc#roomconfig_moderatedroom': ['1'],
      'muc#roomconfig_membersonly': ['1'],
      'muc#roomconfig_passwordprotectedroom': ['1'],
      'muc#roomconfig_roomsecret': ['cauldronburn'],
      'muc#roomconfig_whois': ['anyone'],
      'muc#maxhistoryfetch': ['50'],
      'muc#roomconfig_pubsub': ['xmpp:pubsub.example.org?;node=cave'],
      'muc#roominfo_contactjid': ['hecate@example.org'],
      'muc#roomconfig_roomadmins': ['hecate@example.org', 'wiccarocks@example.org'],
      'muc#roomconfig_roomowners': ['alice@example.org', 'crone@example.org'],
    };
    // XEP-0068 §3: what nobody knows is passed over.
    await configure(alice, { ...wanted, 'x#unknown': '7' });
    await rig.restart();
    const shown = fieldsIn(await alice.asks('get', get));
    for (const [name, values] of Object.entries(wanted))
      assert.deepEqual(shown[name]?.toSorted(), values.toSorted(), name);
  });

  void it('a wrong value is not acceptable, the text names the field, and nothing has changed (§10.1.3)', async () => {
    await using rig = await open();
    const [alice] = (await rig.gather('alice')) as [Client];
    const before = fieldsIn(await alice.asks('get', get));
    const wrong: [string, string | readonly string[]][] = [
      ['muc#roomconfig_whois', 'none'],
      ['muc#roomconfig_allowpm', 'everybody'],
      ['muc#roomconfig_maxusers', 'many'],
      ['muc#roomconfig_maxusers', '99999999'],
      ['muc#roomconfig_maxusers', '-1'],
      ['muc#maxhistoryfetch', '100000'],
      ['muc#roomconfig_membersonly', 'yes'],
      ['muc#roomconfig_membersonly', ['0', '1']],
      ['muc#roomconfig_presencebroadcast', ['moderator', 'none']],
      ['muc#roomconfig_getmemberlist', 'friends'],
      ['muc#roomconfig_lang', 'no language'],
      ['muc#roomconfig_roomname', 'n'.repeat(300)],
      ['muc#roomconfig_roomdesc', 'n'.repeat(5000)],
      ['muc#roomconfig_roomadmins', '@'],
      ['muc#roomconfig_roomowners', 'example.org'],
    ];
    for (const [field, value] of wrong) {
      const answer = await alice.asks('set', submitted({ 'muc#roomconfig_roomname': 'new', [field]: value }));
      assert.equal(refusal(answer), 'not-acceptable', `${field}=${String(value)}`);
      assert.ok(answer.includes(field), answer);
    }
    for (const secret of [{}, { 'muc#roomconfig_roomsecret': ' ' }] as readonly Values[]) {
      const fields = { 'muc#roomconfig_passwordprotectedroom': '1', ...secret };
      assert.equal(refusal(await alice.asks('set', submitted(fields))), 'not-acceptable');
    }
    assert.equal(refusal(await alice.asks('set', submitted(kept, 'jabber:x:other'))), 'bad-request');
    assert.equal(refusal(await alice.asks('set', submitted(kept, ''))), 'bad-request');
    const query = `<query xmlns="${NS.mucOwner}"`;
    const form = `<x xmlns="${NS.dataForms}" type="submit"/>`;
    for (const bad of [`${query}/>`, `${query}>${form}<destroy/></query>`, `${query}>${form}${form}</query>`])
      assert.equal(refusal(await alice.asks('set', bad)), 'bad-request');
    assert.deepEqual(fieldsIn(await alice.asks('get', get)), before);
  });

  void it('configuration is for owners alone', async () => {
    await using rig = await open();
    const [alice, bob] = (await rig.gather('alice', 'bob')) as [Client, Client];
    await configure(alice, { ...kept, 'muc#roomconfig_roomadmins': 'bob@example.org' });
    const carol = rig.client('carol@example.org/home');
    for (const client of [bob, carol]) {
      assert.equal(refusal(await client.asks('get', get)), 'forbidden');
      for (const asked of [submitted({}), cancelled, `<query xmlns="${NS.mucOwner}"><destroy/></query>`])
        assert.equal(refusal(await client.asks('set', asked)), 'forbidden');
    }
    assert.equal((await rig.room()).config.persistent, true);
  });

  void it('a first configuration that is cancelled makes no room; a later one changes nothing (§10.1.3, §10.2)', async () => {
    await using rig = await open();
    const alice = rig.client('alice@example.org/home');
    await alice.enters('alice');
    const heard = await alice.says(`<iq type="set" id="c">${cancelled}</iq>`);
    assert.match(heard[0]!, /type="unavailable".*<destroy/);
    assert.match(heard[1]!, /^<iq .*type="result"/);
    assert.equal(refusal(await alice.asks('get', get)), 'item-not-found');
    await alice.enters('alice');
    await configure(alice, kept);
    assert.match(await alice.asks('set', cancelled), /type="result"/);
    assert.equal((await rig.room()).config.persistent, true);
  });

  void it('who goes before it has configured the room made none (§10.1.3)', async () => {
    await using rig = await open();
    const alice = rig.client('alice@example.org/home');
    await alice.enters('alice');
    assert.match((await alice.leaves('alice'))[0]!, /type="unavailable".*<destroy/);
    assert.equal(refusal(await alice.asks('get', get)), 'item-not-found');
  });

  void it('all who are there hear what touches their privacy, or that something else changed (§10.2.1)', async () => {
    await using rig = await open();
    const [alice, bob] = (await rig.gather('alice', 'bob')) as [Client, Client];
    const told = async (fields: Values): Promise<number[]> => {
      bob.take();
      await configure(alice, fields);
      return notices(bob.take());
    };
    assert.deepEqual(await told({ 'muc#roomconfig_enablelogging': '0' }), [171]);
    assert.deepEqual(await told({ 'muc#roomconfig_enablelogging': '1' }), [170]);
    assert.deepEqual(await told({ 'muc#roomconfig_whois': 'anyone' }), [172]);
    assert.deepEqual(await told({ 'muc#roomconfig_whois': 'moderators', ...kept }), [173, 104]);
    assert.deepEqual(await told({ 'muc#roomconfig_roomname': 'Cave' }), [104]);
    assert.deepEqual(await told({ 'muc#roomconfig_roomname': 'Cave' }), []);
    // No archive has it, and who comes in later is not told.
    const carol = rig.client('carol@example.org/home');
    assert.deepEqual(notices(await carol.enters('carol')), []);
  });

  void it('real addresses are shown to all, or to moderators alone, as the room becomes so (§10.2.1)', async () => {
    await using rig = await open();
    const [alice, bob, carol] = (await rig.gather('alice', 'bob', 'carol')) as [Client, Client, Client];
    await configure(alice, { 'muc#roomconfig_whois': 'anyone' });
    assert.ok(
      bob.take().some((text) => text.includes('/carol"') && text.includes('jid="carol@example.org/home"')),
    );
    await configure(alice, { 'muc#roomconfig_whois': 'moderators' });
    const heard = bob.take().filter((text) => text.includes('/carol"'));
    assert.equal(heard.length, 1);
    assert.doesNotMatch(heard[0]!, /jid="carol/);
    assert.ok(alice.take().some((text) => text.includes('/carol"') && text.includes('jid="carol')));
    // Nobody who comes in learns what the room does not show any more.
    const dave = rig.client('dave@example.org/home');
    assert.doesNotMatch(
      (await dave.enters('dave')).join('').replaceAll('dave@example.org', ''),
      /jid="\w+@example/,
    );
    assert.equal(
      carol.take().some((text) => text.includes('jid="bob@') && text.includes('/dave"')),
      false,
    );
  });

  void it('a room that becomes one for members puts out everybody else (§10.2)', async () => {
    await using rig = await open();
    const [alice, bob, carol] = (await rig.gather('alice', 'bob', 'carol')) as [Client, Client, Client];
    await configure(alice, {
      'muc#roomconfig_membersonly': '1',
      'muc#roomconfig_roomadmins': 'carol@example.org',
    });
    const left = bob.take().at(-1)!;
    assert.match(left, /type="unavailable"/);
    assert.deepEqual(codes(left), [110, 322]);
    assert.ok(carol.take().some((text) => text.includes('/bob"') && codes(text).join() === '322'));
    assert.equal(refusal((await bob.enters('bob'))[0]!), 'registration-required');
    assert.deepEqual(rig.there(), {
      'alice@example.org/home': 'alice moderator',
      'carol@example.org/home': 'carol moderator',
    });
  });

  void it('roles whose presence is not told any more go, for the others; and come back (§15.5.3)', async () => {
    await using rig = await open();
    const [alice, bob, carol] = (await rig.gather('alice', 'bob', 'carol')) as [Client, Client, Client];
    await configure(alice, { 'muc#roomconfig_presencebroadcast': 'moderator' });
    const heard = carol.take();
    assert.ok(heard.some((text) => text.includes('/bob"') && text.includes('type="unavailable"')));
    assert.ok(!heard.some((text) => text.includes('/carol"') && text.includes('type="unavailable"')));
    const dave = rig.client('dave@example.org/home');
    const seen = (await dave.enters('dave')).filter((text) => text.startsWith('<presence'));
    assert.deepEqual(
      seen.map((text) => /\/(\w+)"/.exec(text.slice(text.indexOf('from=')))![1]),
      ['alice', 'dave'],
    );
    // It hears and is heard as before.
    await bob.says('<message type="groupchat"><body>still here</body></message>');
    assert.match(carol.take().at(-1)!, /still here/);
    await configure(alice, { 'muc#roomconfig_presencebroadcast': ['moderator', 'participant', 'visitor'] });
    assert.ok(carol.take().some((text) => text.includes('/bob"') && !text.includes('unavailable')));
    assert.ok(dave.take().some((text) => text.includes('/carol"') && !text.includes('unavailable')));
  });

  void it('owners and admins are those whom the form names (§10.2)', async () => {
    await using rig = await open();
    const [alice, bob, carol] = (await rig.gather('alice', 'bob', 'carol')) as [Client, Client, Client];
    await configure(alice, { 'muc#roomconfig_roomadmins': 'bob@example.org' });
    assert.ok(carol.take().some((text) => /\/bob".*affiliation="admin" role="moderator"/.test(text)));
    await configure(alice, {
      'muc#roomconfig_roomadmins': [],
      'muc#roomconfig_roomowners': ['alice@example.org', 'carol@example.org'],
    });
    const heard = carol.take();
    assert.ok(heard.some((text) => /\/bob".*affiliation="member" role="participant"/.test(text)));
    assert.ok(heard.some((text) => /\/carol".*affiliation="owner" role="moderator"/.test(text)));
    // An owner may go where there is another one; the last one may not.
    await configure(carol, { 'muc#roomconfig_roomowners': 'carol@example.org' });
    assert.deepEqual(rig.known(), {
      'alice@example.org': 'admin',
      'bob@example.org': 'member',
      'carol@example.org': 'owner',
    });
    const none = await carol.asks('set', submitted({ 'muc#roomconfig_roomowners': [], ...kept }));
    assert.equal(refusal(none), 'conflict');
    assert.equal((await rig.room()).config.persistent, false);
    assert.equal(bob.take().length > 0, true);
  });

  void it('an empty room that is not to stay any more goes', async () => {
    await using rig = await open();
    const [alice] = (await rig.gather('alice')) as [Client];
    await configure(alice, kept);
    await alice.leaves('alice');
    await rig.restart();
    await configure(alice, { 'muc#roomconfig_persistentroom': '0' });
    assert.equal(refusal(await alice.asks('get', get)), 'item-not-found');
  });

  void it('a room takes no more than it is configured for, but for admins and owners (§7.2.9)', async () => {
    await using rig = await open();
    const [alice] = (await rig.gather('alice', 'bob')) as [Client];
    await configure(alice, {
      'muc#roomconfig_maxusers': '2',
      'muc#roomconfig_roomadmins': 'dave@example.org',
    });
    assert.equal(
      refusal((await rig.client('carol@example.org/home').enters('carol'))[0]!),
      'service-unavailable',
    );
    assert.match((await rig.client('dave@example.org/home').enters('dave')).at(-1)!, /<subject\/>/);
  });

  void it('the service’s own bounds are kept: occupants, rooms of one account, a subject', async () => {
    await using rig = await open({ occupants: 1, roomsEach: 2 });
    const [alice] = (await rig.gather('alice')) as [Client];
    assert.equal(
      refusal((await rig.client('bob@example.org/home').enters('bob'))[0]!),
      'service-unavailable',
    );
    assert.equal(
      refusal(await alice.asks('set', submitted({ 'muc#roomconfig_maxusers': '2' }))),
      'not-acceptable',
    );
    await alice.enters('alice', 'second@conference.example.org');
    const third = await alice.enters('alice', 'third@conference.example.org');
    assert.equal(refusal(third[0]!), 'resource-constraint');
    const long = `<message type="groupchat"><subject>${'s'.repeat(5000)}</subject></message>`;
    assert.equal(refusal((await alice.says(long))[0]!), 'not-acceptable');
    assert.equal((await rig.room(cave)).subject, undefined);
  });

  void it('in a large room nobody is flooded, and who comes in sees what it is to see', async () => {
    await using rig = await open();
    const [alice] = (await rig.gather('alice')) as [Client];
    for (let n = 0; n <= fixed.roomRetold.value; n++)
      rig.client(`p${n}@example.org/home`).send(entering(`p${n}`));
    await rig.still();
    for (const [whois, seen] of [
      ['anyone', true],
      ['moderators', false],
    ] as const) {
      alice.take();
      await configure(alice, { 'muc#roomconfig_whois': whois });
      assert.ok(alice.take().length <= 3, whois);
      const heard = await rig.client(`${whois}@far.example/home`).enters(whois);
      assert.equal(heard.filter((text) => text.includes('jid="p7@example.org/home"')).length, seen ? 1 : 0);
    }
    const bob = rig.client('bob@example.org/home');
    const shown = (await bob.enters('bob')).filter((text) => text.startsWith('<presence'));
    assert.equal(shown.length, fixed.roomRetold.value + 5);
    assert.equal(
      shown.some((text) => text.includes('jid="p')),
      false,
    );
  });
});

const entering = (nick: string): string => `<presence to="${cave}/${nick}"><x xmlns="${NS.muc}"/></presence>`;
