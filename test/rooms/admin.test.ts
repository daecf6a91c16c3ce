import assert from 'node:assert/strict';
import { test } from 'node:test';
import { refuseAffiliation, refuseRole, type Actor } from '../../src/rooms/privileges.ts';
import type { Affiliation, Role } from '../../src/rooms/standing.ts';
import { cave, codes, refusal, Rig, type Client } from './rig.ts';

const admin = 'http://jabber.org/protocol/muc#admin';
const set = (items: string) => `<query xmlns="${admin}">${items}</query>`;

/** Sets items, and what became of it: `done`, or the condition. */
async function sets(client: Client, items: string): Promise<string> {
  const answer = await client.asks('set', set(items));
  return answer.includes('type="result"') ? 'done' : refusal(answer);
}

async function lists(client: Client, item: string): Promise<string[]> {
  const answer = await client.asks('get', set(item));
  const condition = refusal(answer);
  if (condition !== '') return [condition];
  return [...answer.matchAll(/<item ([^>]*?)\/?>/g)].map(([, attrs]) => attrs!);
}

/** What somebody heard of a nickname: type, affiliation, role and codes of each presence. */
function heard(client: Client, nick: string): string[] {
  return client
    .take()
    .filter((text) => text.startsWith('<presence') && text.includes(`from="${cave}/${nick}"`))
    .map((text) => {
      const item = /<item affiliation="(\w+)" role="(\w+)"/.exec(text)!;
      const gone = text.includes('type="unavailable"') ? ['gone'] : [];
      return [...gone, item[1], item[2], ...codes(text)].join(' ');
    });
}

test('a kick: who goes hears why and by whom, and so do the others', async () => {
  await using rig = await Rig.open();
  const [alice, bob, carol] = await rig.gather('alice', 'bob', 'carol');
  const answer = await alice!.says(
    `<iq type="set" id="k">${set('<item nick="bob" role="none"><reason>Avaunt &amp; away!</reason></item>')}</iq>`,
  );
  // XEP-0045 §8.2: success first, then the others hear.
  assert.match(answer[0]!, /^<iq .*type="result"/);
  assert.match(answer[1]!, /type="unavailable".*<actor nick="alice"\/><reason>Avaunt &amp; away!<\/reason>/);
  assert.deepEqual(codes(answer[1]!), [307]);
  const [told] = bob!.take();
  assert.match(told!, /<actor nick="alice"\/><reason>Avaunt &amp; away!<\/reason>/);
  assert.deepEqual(codes(told!), [110, 307]);
  assert.deepEqual(heard(carol!, 'bob'), ['gone none none 307']);
  assert.equal(rig.there()['bob@example.org/home'], undefined);
  const refused = await bob!.says('<message type="groupchat"><body>I am here</body></message>');
  assert.equal(refusal(refused[0]!), 'not-acceptable');
  // It is no ban.
  assert.equal((await bob!.enters('bob')).length, 4);
});

test('a kick takes all sessions of the nickname', async () => {
  await using rig = await Rig.open();
  const [alice, bob] = await rig.gather('alice', 'bob');
  const phone = rig.client('bob@example.org/phone');
  await phone.enters('bob');
  for (const client of [alice!, bob!, phone]) client.take();
  assert.equal(await sets(alice!, '<item nick="bob" role="none"/>'), 'done');
  assert.deepEqual(heard(alice!, 'bob'), ['gone none none 307']);
  for (const client of [bob!, phone]) assert.deepEqual(codes(client.take().join('')), [110, 307]);
});

test('voice is granted and revoked in a moderated room', async () => {
  await using rig = await Rig.open();
  const [alice] = await rig.gather('alice');
  await rig.configure({ moderated: true });
  const bob = rig.client('bob@far.example/pda');
  await bob.enters('bob');
  const say = '<message type="groupchat"><body>may I</body></message>';
  assert.equal(refusal((await bob.says(say))[0]!), 'forbidden');
  alice!.take();
  assert.equal(
    await sets(alice!, '<item nick="bob" role="participant"><reason>worthy</reason></item>'),
    'done',
  );
  const [, presence] = alice!.take();
  assert.match(
    presence!,
    /role="participant" jid="bob@far.example\/pda"><actor nick="alice"\/><reason>worthy</,
  );
  assert.match((await bob.says(say)).at(-1)!, /may I/);
  assert.equal(await sets(alice!, '<item nick="bob" role="visitor"/>'), 'done');
  assert.equal(refusal((await bob.says(say)).at(-1)!), 'forbidden');
  await rig.restart();
  assert.equal(refusal((await bob.says(say)).at(-1)!), 'forbidden');
  // §5.1.3: a member has voice.
  bob.take();
  assert.equal(await sets(alice!, '<item jid="bob@far.example" affiliation="member"/>'), 'done');
  assert.deepEqual(heard(bob, 'bob'), ['member participant 110']);
});

test('who becomes a moderator sees who everybody is, and kicks', async () => {
  await using rig = await Rig.open();
  const [alice, bob, carol] = await rig.gather('alice', 'bob', 'carol');
  assert.equal(await sets(bob!, '<item nick="carol" role="none"/>'), 'forbidden');
  assert.equal(await sets(alice!, '<item nick="bob" role="moderator"/>'), 'done');
  const presences = bob!.take().filter((text) => text.startsWith('<presence'));
  assert.match(presences[0]!, /from="[^"]*\/bob".*role="moderator"/);
  for (const name of ['alice', 'carol'])
    assert.equal(
      presences.filter((text) => text.includes(` jid="${name}@example.org/home"`)).length,
      1,
      name,
    );
  assert.deepEqual(heard(carol!, 'bob'), ['none moderator']);
  assert.equal(await sets(bob!, '<item nick="alice" role="none"/>'), 'not-allowed');
  assert.equal(await sets(bob!, '<item jid="carol@example.org" affiliation="outcast"/>'), 'forbidden');
  assert.equal(await sets(bob!, '<item nick="bob" role="none"/>'), 'conflict');
  assert.equal(await sets(bob!, '<item nick="carol" role="none"/>'), 'done');
  // §9.7.
  assert.equal(await sets(alice!, '<item nick="bob" role="participant"/>'), 'done');
  assert.deepEqual(heard(bob!, 'bob'), ['none participant 110']);
  const dora = rig.client('dora@example.org/home');
  await dora.enters('dora');
  assert.doesNotMatch(bob!.take().join(''), /jid="dora/);
});

test('a ban by address, by nickname and by domain', async () => {
  await using rig = await Rig.open();
  const [alice, bob] = await rig.gather('alice', 'bob');
  const far = rig.client('carol@far.example/pda');
  const member = rig.client('dora@far.example/pda');
  await far.enters('carol');
  await sets(alice!, '<item jid="dora@far.example" affiliation="member" nick="Dora"/>');
  await member.enters('dora');
  for (const client of [alice!, bob!, far]) client.take();
  assert.equal(
    await sets(alice!, '<item nick="bob" affiliation="outcast"><reason>Treason</reason></item>'),
    'done',
  );
  assert.deepEqual(heard(alice!, 'bob'), ['gone outcast none 301']);
  assert.match(bob!.take()[0]!, /affiliation="outcast" role="none".*<reason>Treason<.*code="301"/);
  assert.equal(refusal((await bob!.enters('bob'))[0]!), 'forbidden');
  assert.equal(await sets(alice!, '<item jid="far.example" affiliation="outcast"/>'), 'done');
  assert.deepEqual(heard(far, 'carol'), ['gone outcast none 110 301']);
  assert.equal(refusal((await far.enters('carol'))[0]!), 'forbidden');
  // §9.2: the address goes before the domain.
  assert.equal(rig.there()['dora@far.example/pda'], 'dora participant');
  assert.deepEqual(await lists(alice!, '<item affiliation="outcast"/>'), [
    'affiliation="outcast" jid="bob@example.org"',
    'affiliation="outcast" jid="far.example"',
  ]);
  assert.deepEqual(rig.known(), {
    'alice@example.org': 'owner',
    'bob@example.org': 'outcast',
    'dora@far.example': 'member Dora',
    'far.example': 'outcast',
  });
  // A ban ends the reservation of a nickname, and its end ends the ban.
  assert.equal(await sets(alice!, '<item jid="dora@far.example/pda" affiliation="outcast"/>'), 'done');
  assert.equal(rig.known()['dora@far.example'], 'outcast');
  assert.equal(await sets(alice!, '<item jid="bob@example.org" affiliation="none"/>'), 'done');
  assert.equal((await bob!.enters('bob')).length, 3);
});

test('a members-only room: who is let in is invited, who is no member any more is out', async () => {
  await using rig = await Rig.open();
  const [alice, bob] = await rig.gather('alice', 'bob');
  await sets(alice!, '<item jid="bob@example.org" affiliation="member"/>');
  await rig.configure({ membersOnly: true, password: 'cauldronburn' });
  const carol = rig.client('carol@far.example/pda');
  assert.equal(
    refusal((await carol.enters('carol', cave, '<password>cauldronburn</password>'))[0]!),
    'registration-required',
  );
  assert.equal(
    await sets(
      alice!,
      '<item jid="carol@far.example" affiliation="member"/><item jid="x.example" affiliation="member"/>',
    ),
    'done',
  );
  assert.match(
    carol.take().at(-1)!,
    /<message from="cave@[^>]*to="carol@far.example"[^>]*><x [^>]*><invite from="cave@[^"]*\/alice"\/><password>cauldronburn</,
  );
  assert.equal(rig.letters.length, 1);
  await carol.enters('carol', cave, '<password>cauldronburn</password>');
  for (const client of [alice!, bob!, carol]) client.take();
  assert.equal(await sets(alice!, '<item jid="bob@example.org" affiliation="none"/>'), 'done');
  // §9.4: one presence, not two.
  assert.deepEqual(heard(bob!, 'bob'), ['gone none none 110 321']);
  assert.deepEqual(heard(carol, 'bob'), ['gone none none 321']);
  assert.deepEqual(rig.there(), {
    'alice@example.org/home': 'alice moderator',
    'carol@far.example/pda': 'carol participant',
  });
});

test('a domain is let into a members-only room, and out again', async () => {
  await using rig = await Rig.open();
  const [alice] = await rig.gather('alice');
  await rig.configure({ membersOnly: true });
  assert.equal(
    await sets(
      alice!,
      '<item jid="far.example" affiliation="member"/><item jid="dora@far.example" affiliation="member"/>',
    ),
    'done',
  );
  const carol = rig.client('carol@far.example/pda');
  const dora = rig.client('dora@far.example/pda');
  assert.equal((await carol.enters('carol')).length, 3);
  await dora.enters('dora');
  for (const client of [alice!, carol, dora]) client.take();
  assert.equal(await sets(alice!, '<item jid="far.example" affiliation="none"/>'), 'done');
  assert.deepEqual(heard(carol, 'carol'), ['gone none none 110 321']);
  assert.deepEqual(heard(dora, 'carol'), ['gone none none 321']);
  assert.equal(refusal((await carol.enters('carol'))[0]!), 'registration-required');
  assert.equal(rig.there()['dora@far.example/pda'], 'dora participant');
});

test('admins and owners come and go; the last owner stays', async () => {
  await using rig = await Rig.open();
  const [alice, bob] = await rig.gather('alice', 'bob');
  const phone = rig.client('bob@example.org/phone');
  await phone.enters('bob2');
  for (const client of [alice!, bob!, phone]) client.take();
  assert.equal(await sets(alice!, '<item jid="alice@example.org" affiliation="admin"/>'), 'conflict');
  assert.equal(await sets(alice!, '<item jid="alice@example.org" affiliation="outcast"/>'), 'conflict');
  assert.equal(await sets(alice!, '<item jid="bob@example.org" affiliation="admin"/>'), 'done');
  // Every session of the account, whatever its nickname.
  assert.deepEqual(heard(bob!, 'bob'), ['admin moderator 110']);
  assert.deepEqual(heard(phone, 'bob2'), ['admin moderator 110']);
  assert.equal(await sets(bob!, '<item jid="alice@example.org" affiliation="outcast"/>'), 'not-allowed');
  assert.equal(await sets(bob!, '<item jid="alice@example.org" affiliation="member"/>'), 'forbidden');
  assert.equal(await sets(bob!, '<item jid="carol@far.example" affiliation="admin"/>'), 'forbidden');
  assert.equal(await sets(bob!, '<item jid="bob@example.org" affiliation="owner"/>'), 'forbidden');
  assert.equal(await sets(alice!, '<item jid="bob@example.org/phone" affiliation="owner"/>'), 'done');
  // One takes the place of the other, in one request; not both at once.
  const both =
    '<item jid="alice@example.org" affiliation="none"/><item jid="bob@example.org" affiliation="none"/>';
  assert.equal(await sets(bob!, both), 'conflict');
  alice!.take();
  assert.equal(await sets(bob!, '<item jid="alice@example.org" affiliation="none"/>'), 'done');
  assert.deepEqual(heard(alice!, 'alice'), ['none participant 110']);
  assert.deepEqual(rig.known(), { 'bob@example.org': 'owner' });
  assert.equal(await sets(bob!, '<item jid="example.org" affiliation="owner"/>'), 'not-acceptable');
});

test('an owner who is away empties a temporary room, and nothing of it is left', async () => {
  await using rig = await Rig.open();
  const [alice, bob] = await rig.gather('alice', 'bob');
  await alice!.leaves('alice');
  assert.equal(
    await sets(alice!, '<item nick="bob" role="none"/><item jid="carol@far.example" affiliation="member"/>'),
    'done',
  );
  assert.deepEqual(heard(bob!, 'bob'), ['gone none none 110 307']);
  assert.deepEqual([rig.known(), rig.there()], [{}, {}]);
  assert.equal(await sets(alice!, '<item jid="bob@example.org" affiliation="none"/>'), 'item-not-found');
});

test('a list is changed as a whole or not at all', async () => {
  await using rig = await Rig.open();
  const [alice, bob, carol] = await rig.gather('alice', 'bob', 'carol');
  const before = [rig.known(), rig.there()];
  const good = '<item nick="bob" role="visitor"/><item jid="new@far.example" affiliation="member"/>';
  for (const [bad, condition] of [
    ['<item nick="nobody" role="none"/>', 'item-not-found'],
    ['<item nick="nobody" affiliation="member"/>', 'item-not-found'],
    ['<item jid="carol@example.org/nowhere" role="none"/>', 'item-not-found'],
    ['<item nick="alice" role="visitor"/>', 'not-allowed'],
    ['<item jid="alice@example.org" affiliation="none"/>', 'conflict'],
    ['<item jid="@" affiliation="none"/>', 'jid-malformed'],
    ['<item jid="" affiliation="none"/>', 'jid-malformed'],
    ['<item jid="x@y.example" affiliation="member" nick=" "/>', 'jid-malformed'],
    ['<item jid="x@y.example" affiliation="member" nick="carol"/>', 'conflict'],
    ['<item nick="" role="none"/>', 'jid-malformed'],
    ['<item nick="carol" role="none" affiliation="none"/>', 'bad-request'],
    ['<item nick="carol" role="king"/>', 'bad-request'],
    ['<item nick="carol" role=""/>', 'bad-request'],
    ['<item nick="carol"/>', 'bad-request'],
    ['<item role="none"/>', 'bad-request'],
    ['<item affiliation="member"/>', 'bad-request'],
    ['<item jid="carol@example.org" affiliation="king"/>', 'bad-request'],
    ['<item jid="carol@example.org" affiliation="toString"/>', 'bad-request'],
    ['<item nick="bob" role="none"/>', 'bad-request'],
    ['<item jid="new@far.example/pda" affiliation="none"/>', 'bad-request'],
    [`<item nick="carol" role="none"><reason>${'x'.repeat(1001)}</reason></item>`, 'not-acceptable'],
  ] as const) {
    assert.equal(await sets(alice!, good + bad), condition, bad);
    assert.equal(await sets(alice!, bad + good), condition, bad);
  }
  assert.equal(await sets(alice!, ''), 'bad-request');
  assert.equal(await sets(alice!, '<other/>'), 'bad-request');
  assert.deepEqual([rig.known(), rig.there()], before);
  for (const client of [bob!, carol!]) assert.deepEqual(client.take(), []);
  assert.equal(await sets(alice!, `${good}<item nick="carol" role="none"/>`), 'done');
  assert.deepEqual(rig.known(), { 'alice@example.org': 'owner', 'new@far.example': 'member' });
  assert.deepEqual(rig.there(), {
    'alice@example.org/home': 'alice moderator',
    'bob@example.org/home': 'bob visitor',
  });
});

test('the room knows as many addresses as it may', async () => {
  await using rig = await Rig.open({ members: 3 });
  const [alice] = await rig.gather('alice');
  const item = (local: string) => `<item jid="${local}@far.example" affiliation="member"/>`;
  assert.equal(await sets(alice!, item('a') + item('b') + item('c')), 'resource-constraint');
  assert.equal(await sets(alice!, item('a') + item('b')), 'done');
  assert.equal(await sets(alice!, item('c')), 'resource-constraint');
  assert.equal(await sets(alice!, item('b').replace('member', 'outcast')), 'done');
});

test('lists are for whom they are', async () => {
  await using rig = await Rig.open();
  const [alice, bob] = await rig.gather('alice', 'bob');
  await sets(
    alice!,
    '<item jid="bob@example.org" affiliation="member"/><item jid="eve@far.example" affiliation="outcast"><reason>why</reason></item>' +
      '<item jid="ann@far.example" affiliation="member" nick="Ann"/>',
  );
  assert.deepEqual(await lists(alice!, '<item role="moderator"/>'), [
    'affiliation="owner" jid="alice@example.org/home" nick="alice" role="moderator"',
  ]);
  assert.deepEqual(await lists(alice!, '<item role="participant"/>'), [
    'affiliation="member" jid="bob@example.org/home" nick="bob" role="participant"',
  ]);
  assert.deepEqual(
    await lists(alice!, '<item affiliation="member"/>'),
    [
      'affiliation="member" jid="ann@far.example" nick="Ann"',
      'affiliation="member" jid="bob@example.org" nick="bob"',
    ].toReversed(),
  );
  assert.match(await alice!.asks('get', set('<item affiliation="outcast"/>')), /<reason>why<\/reason>/);
  for (const item of [
    'role="participant"',
    'role="moderator"',
    'affiliation="member"',
    'affiliation="outcast"',
    'affiliation="owner"',
  ])
    assert.deepEqual(await lists(bob!, `<item ${item}/>`), ['forbidden'], item);
  await rig.configure({ whois: 'anyone' });
  assert.equal((await lists(bob!, '<item affiliation="member"/>')).length, 2);
  assert.deepEqual(await lists(bob!, '<item affiliation="outcast"/>'), ['forbidden']);
  for (const item of [
    '<item/>',
    '',
    '<item role="none"/>',
    '<item affiliation="none"/>',
    '<item role="x"/>',
    '<item affiliation="x"/>',
    '<item role="visitor"/><item role="visitor"/>',
    '<item role="visitor" affiliation="member"/>',
  ])
    assert.deepEqual(await lists(alice!, item), ['bad-request'], item);
});

test('where visitors are not shown, who loses the voice is seen to go', async () => {
  await using rig = await Rig.open();
  const [alice, bob, carol] = await rig.gather('alice', 'bob', 'carol');
  await rig.configure({ broadcast: ['moderator', 'participant'] });
  await sets(alice!, '<item nick="bob" role="moderator"/>');
  for (const client of [bob!, carol!]) client.take();
  assert.equal(await sets(alice!, '<item nick="bob" role="visitor"/>'), 'done');
  assert.deepEqual(heard(carol!, 'bob'), ['gone none none']);
  assert.deepEqual(heard(bob!, 'bob'), ['none visitor 110']);
  const dora = rig.client('dora@far.example/pda');
  assert.deepEqual(
    (await dora.enters('dora')).filter((text) => text.includes('/bob"')),
    [],
  );
  await rig.restart();
  for (const client of [bob!, carol!, dora]) client.take();
  assert.equal(await sets(alice!, '<item nick="bob" role="participant"/>'), 'done');
  assert.deepEqual(heard(carol!, 'bob'), ['none participant']);
  assert.deepEqual(heard(bob!, 'bob'), ['none participant 110']);
  assert.deepEqual(heard(dora, 'bob'), ['none participant']);
});

const people: readonly (readonly [name: string, Affiliation, Role])[] = [
  ['visitor', 'none', 'visitor'],
  ['participant', 'none', 'participant'],
  ['moderator', 'none', 'moderator'],
  ['vmember', 'member', 'visitor'],
  ['member', 'member', 'participant'],
  ['mmember', 'member', 'moderator'],
  ['admin', 'admin', 'moderator'],
  ['owner', 'owner', 'moderator'],
];
const absent: readonly (readonly [name: string, Affiliation])[] = [
  ['stranger', 'none'],
  ['absent', 'member'],
  ['banned', 'outcast'],
];

test('whatever is tried by whom who may not, nothing changes', async () => {
  await using rig = await Rig.open();
  const clients = new Map<string, Client>();
  const [founder] = await rig.gather('founder');
  for (const [name, affiliation, role] of people) {
    const client = rig.client(`${name}@example.org/home`);
    clients.set(name, client);
    await client.enters(name);
    await sets(founder!, `<item jid="${name}@example.org" affiliation="${affiliation}"/>`);
    if (affiliation === 'none' || affiliation === 'member')
      await sets(founder!, `<item nick="${name}" role="${role}"/>`);
  }
  for (const [name, affiliation] of absent) {
    clients.set(name, rig.client(`${name}@example.org/home`));
    await sets(founder!, `<item jid="${name}@example.org" affiliation="${affiliation}"/>`);
  }
  const before = [rig.known(), rig.there()];
  assert.deepEqual(
    people.map(([name]) => before[1]![`${name}@example.org/home`]),
    people.map(([name, , role]) => `${name} ${role}`),
  );
  founder!.take();
  let tried = 0;
  const actors: readonly (readonly [string, Actor])[] = [
    ...people.map(([name, affiliation, role]) => [name, { affiliation, role }] as const),
    ...absent.map(([name, affiliation]) => [name, { affiliation, role: 'none' as const }] as const),
  ];
  for (const [name, actor] of actors)
    for (const [other, affiliation, role] of people) {
      const self = name === other;
      for (const wanted of ['none', 'visitor', 'participant', 'moderator'] as const) {
        const condition = refuseRole(actor, { affiliation, role, self }, wanted);
        if (condition === undefined) continue;
        tried += 1;
        assert.equal(await sets(clients.get(name)!, `<item nick="${other}" role="${wanted}"/>`), condition);
      }
      for (const wanted of ['outcast', 'none', 'member', 'admin', 'owner'] as const) {
        const condition = refuseAffiliation(actor, { affiliation, self }, wanted);
        if (condition === undefined) continue;
        tried += 1;
        const item = `<item jid="${other}@example.org" affiliation="${wanted}"/>`;
        assert.equal(await sets(clients.get(name)!, item), condition);
      }
    }
  assert.ok(tried > 500, String(tried));
  assert.deepEqual([rig.known(), rig.there()], before);
  const { occupants } = await rig.room();
  for (const [name, , role] of people) assert.equal(occupants.get(`${name}@example.org/home`)?.role, role);
  // Nobody heard of any of it.
  assert.deepEqual(founder!.take(), []);
});
