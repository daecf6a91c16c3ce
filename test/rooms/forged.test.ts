import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NS } from '../../src/xmpp/namespaces.ts';
import { cave, refusal, Rig, type Client } from './rig.ts';

const hall = 'hall@conference.example.org';
const idOf = (text: string): string => /<stanza-id [^>]*id="(\d+)"/.exec(text)![1]!;
const say = async (client: Client, room: string, body: string): Promise<string> =>
  idOf(
    (await client.says(`<message type="groupchat" to="${room}" id="x"><body>${body}</body></message>`)).at(
      -1,
    )!,
  );
const archive = async (client: Client, room: string, more = ''): Promise<string> =>
  (
    await client.says(`<iq type="set" id="a" to="${room}"><query xmlns="${NS.mam}">${more}</query></iq>`)
  ).join('');

/** What only a room says (XEP-0045 §17.3, XEP-0421 §3, XEP-0424 §4, XEP-0425 §5); stanza-ids the sender's owner takes out. */
const forged = [
  `<occupant-id xmlns="${NS.occupantId}" id="forged"/>`,
  `<x xmlns="${NS.mucUser}"><item affiliation="owner" role="moderator" nick="forged"/><status code="307"/></x>`,
  `<delay xmlns="${NS.delay}" from="${cave}" stamp="2001-01-01T00:00:00Z">forged</delay>`,
  `<retracted xmlns="${NS.retract}" id="forged" stamp="2001-01-01T00:00:00Z"/>`,
  `<retract xmlns="${NS.retract}" id="1"><moderated xmlns="${NS.moderate}" by="${cave}/forged"/></retract>`,
];

test('what only the room says is not heard of an occupant, said once, twice or in any order', async () => {
  const rig = await Rig.open();
  const [alice, bob] = await rig.gather('alice', 'bob');
  for (const words of [forged, forged.toReversed(), [...forged, ...forged], ...forged.map((one) => [one])]) {
    // oxlint-disable no-await-in-loop -- one after the other
    bob!.send(`<message type="groupchat" id="m"><body>hi</body>${words.join('')}</message>`);
    bob!.send(
      `<presence to="${cave}/bob">${words.filter((one) => !one.includes('retract')).join('')}</presence>`,
    );
    await rig.still();
    const heard = alice!.take();
    assert.ok(heard.some((text) => text.includes('<body>hi</body>')));
    assert.ok(heard.some((text) => text.startsWith('<presence')));
    const text = heard.join('').replaceAll(/<stanza-id [^>]*by="cave@[^"]*" id="\d+"\/>/g, '');
    assert.doesNotMatch(text, /forged|code="307"|<moderated/);
    assert.doesNotMatch(await archive(alice!, cave), /"forged"|<moderated/);
    alice!.take();
    // oxlint-enable no-await-in-loop
  }
  await rig.close();
});

test('a message of another room is neither read, retracted nor moderated, by whoever has power in this one', async () => {
  const rig = await Rig.open();
  const [alice] = await rig.gather('alice');
  const bob = rig.client('bob@example.org/home');
  const accept = `<query xmlns="${NS.mucOwner}"><x xmlns="${NS.dataForms}" type="submit"/></query>`;
  await bob.enters('bob', hall);
  await bob.asks('set', accept, hall);
  // One of the cave's after the first word of the hall, so that numbers of either could be meant in the other.
  await say(bob, hall, 'ours');
  const id = await say(alice!, cave, 'theirs');
  await say(bob, hall, 'ours too');
  await bob.enters('bob', cave);

  const moderate = `<moderate xmlns="${NS.moderate}" id="${id}"><retract xmlns="${NS.retract}"/></moderate>`;
  assert.equal(refusal(await bob.asks('set', moderate, hall)), 'item-not-found');
  assert.equal(refusal(await bob.asks('set', moderate, cave)), 'forbidden');
  for (const room of [hall, cave])
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    await bob.says(
      `<message type="groupchat" to="${room}" id="r"><retract xmlns="${NS.retract}" id="${id}"/></message>`,
    );
  assert.match(await archive(alice!, cave), /<body>theirs</);
  assert.doesNotMatch(await archive(bob, hall), /theirs|<retracted/);

  const after = `<set xmlns="${NS.rsm}"><max>9</max><after>${Number(id) - 1}</after></set>`;
  assert.doesNotMatch(await archive(bob, hall, after), /theirs/);
  await rig.close();
});

test('a word for a search is a word, whatever is in it', async () => {
  const rig = await Rig.open();
  const [alice] = await rig.gather('alice');
  const search = (q: string) => {
    const fields = Object.entries({ FORM_TYPE: NS.searchParams, q }).map(
      ([name, value]) => `<field var="${name}"><value>${value}</value></field>`,
    );
    const form = `<x xmlns="${NS.dataForms}" type="submit">${fields.join('')}</x>`;
    return alice!.asks('get', `<search xmlns="${NS.search}">${form}</search>`, 'conference.example.org');
  };
  assert.match(await search('cav'), /<item address="cave@/);
  for (const word of [
    '%',
    '_',
    '!',
    '!!',
    '!%',
    "'",
    "x'or'1'='1",
    '"',
    '\\',
    '$1',
    '?',
    '*',
    'ca_e',
    'c%e',
    '--',
  ]) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    const found = await search(word);
    assert.match(found, /type="result"/, word);
    assert.doesNotMatch(found, /<item/, word);
  }
  // Each looks at every room: so many at a time.
  for (let n = 0; n < 100; n++)
    alice!.send(
      `<iq type="get" id="s${n}" to="conference.example.org"><search xmlns="${NS.search}"><x xmlns="${NS.dataForms}" type="submit"><field var="FORM_TYPE"><value>${NS.searchParams}</value></field><field var="all"><value>1</value></field></x></search></iq>`,
    );
  await rig.still();
  const answers = alice!.take().filter((text) => /^<iq [^>]*id="s\d/.test(text));
  assert.equal(answers.length, 100);
  const refused = answers.filter((text) => text.includes('type="error"'));
  assert.ok(refused.length > 50 && refused.length < 100, `${refused.length}`);
  for (const text of refused) assert.equal(refusal(text), 'resource-constraint');
  await rig.close();
});
