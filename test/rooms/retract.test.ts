import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NS } from '../../src/xmpp/namespaces.ts';
import { configure } from './configured.ts';
import { cave, refusal, Rig, type Client } from './rig.ts';

const archived = async (client: Client): Promise<string[]> =>
  (await client.says(`<iq type="set" id="a" to="${cave}"><query xmlns="${NS.mam}"/></iq>`)).slice(0, -1);
const idOf = (text: string): string => /<stanza-id [^>]*id="(\d+)"/.exec(text)![1]!;
const say = async (client: Client, body: string): Promise<string> =>
  idOf((await client.says(`<message type="groupchat" id="x"><body>${body}</body></message>`)).at(-1)!);
const retraction = (id: string): string =>
  `<message type="groupchat" id="r1"><retract xmlns="${NS.retract}" id="${id}"/><body>gone</body></message>`;
const moderation = (id: string, inside = `<retract xmlns="${NS.retract}"/>`): string =>
  `<moderate xmlns="${NS.moderate}" id="${id}">${inside}<reason>no &amp; no</reason></moderate>`;

test('who retracts what it said leaves a tombstone; nobody retracts what others said (XEP-0424)', async () => {
  const rig = await Rig.open();
  const [alice, bob] = await rig.gather('alice', 'bob');
  const id = await say(bob!, 'secret');
  await alice!.says(retraction(id));
  assert.match((await archived(alice!))[0]!, /secret/);
  const heard = await bob!.says(retraction(id));
  assert.match(heard.at(-1)!, /<retract [^>]*id="\d+"/);
  const [grave, ...rest] = await archived(alice!);
  assert.doesNotMatch(grave!, /secret/);
  assert.match(
    grave!,
    /from="cave@conference.example.org\/bob"><occupant-id [^>]*\/><retracted [^>]*id="r1" stamp="[^"]*"/,
  );
  assert.equal(rest.length, 2);
  // Neither who comes in nor who comes after a new owner reads it.
  const carol = rig.client('carol@example.org/home');
  const shown = (await carol.enters('carol')).join('');
  assert.doesNotMatch(shown, /secret/);
  assert.match(shown, /<retracted/);
  // From another session, of what has long left the memory.
  const other = rig.client('bob@example.org/phone');
  await other.enters('bob');
  const old = await say(other, 'old');
  for (let n = 0; n < 101; n++) alice!.send(`<message type="groupchat"><body>${n}</body></message>`);
  await rig.still();
  await bob!.says(retraction(old));
  assert.doesNotMatch((await archived(alice!)).join(''), /<body>old</);
  await rig.restart();
  const later = (await rig.client('dave@example.org/home').enters('dave')).join('');
  assert.match(later, /<body>100</);
  assert.doesNotMatch(later + (await archived(alice!)).join(''), /secret|<body>old</);
  await rig.close();
});

test('a moderator retracts what somebody said: everybody is told, and a tombstone stays (XEP-0425)', async () => {
  const rig = await Rig.open();
  const [alice, bob, carol] = await rig.gather('alice', 'bob', 'carol');
  const id = await say(bob!, 'spam');
  for (const client of [alice!, bob!, carol!]) client.take();
  assert.equal(refusal(await bob!.asks('set', moderation(id))), 'forbidden');
  assert.equal(refusal(await rig.client('eve@far.example/x').asks('set', moderation(id))), 'forbidden');
  assert.equal(refusal(await alice!.asks('set', moderation(id, ''))), 'feature-not-implemented');
  assert.equal(refusal(await alice!.asks('set', moderation('17'))), 'item-not-found');
  assert.match((await archived(carol!)).join(''), /spam/);
  carol!.take();

  assert.match(await alice!.asks('set', moderation(id)), /type="result"/);
  const [told] = carol!.take();
  assert.match(told!, /^<message [^>]*from="cave@conference.example.org"/);
  assert.match(
    told!,
    /<retract [^>]*id="\d+"[^>]*><moderated [^>]*by="cave@conference.example.org\/alice"><occupant-id [^>]*\/><\/moderated><reason>no &amp; no<\/reason><\/retract>/,
  );
  assert.equal(Number(idOf(told!)), Number(id) + 1);
  const shown = await archived(carol!);
  assert.equal(shown.length, 2);
  assert.doesNotMatch(shown.join(''), /spam|jid=/);
  assert.match(shown[0]!, /from="[^"]*\/bob"><occupant-id [^>]*\/><retracted [^>]*stamp="[^"]*"><moderated /);
  assert.match(shown[0]!, /<\/moderated><reason>no/);
  assert.match(shown[1]!, /<retract /);
  // Once is enough, and what tells of it stays.
  assert.equal(refusal(await alice!.asks('set', moderation(id))), 'not-allowed');
  assert.equal(refusal(await alice!.asks('set', moderation(idOf(told!)))), 'not-allowed');
  await alice!.says('<message type="groupchat"><subject>tea</subject></message>');
  assert.equal(refusal(await alice!.asks('set', moderation(String(Number(id) + 2)))), 'not-allowed');
  await rig.restart();
  await alice!.says('<message type="groupchat"><body>goes on</body></message>');
  assert.equal(Number(idOf(carol!.take().at(-1)!)), Number(id) + 3);
  // Where nothing is kept, it is not kept either.
  await configure(rig, { logging: false });
  const passing = await say(bob!, 'more spam');
  await alice!.asks('set', moderation(passing));
  assert.match(carol!.take().at(-1)!, /<moderated/);
  assert.equal((await archived(carol!)).length, 4);
  const dave = rig.client('dave@example.org/home');
  assert.doesNotMatch((await dave.enters('dave')).join(''), /spam/);
  await rig.close();
});

test('nobody makes itself immune: neither by a tombstone of its own nor by what looks like a retraction', async () => {
  const rig = await Rig.open();
  const [alice, bob, carol] = await rig.gather('alice', 'bob', 'carol');
  const forged = `<moderated xmlns="${NS.moderate}" by="${cave}/alice"/>`;
  const spam = (inside: string) =>
    bob!.says(`<message type="groupchat" id="s">${inside}<body>spam</body></message>`);
  const [first] = await spam(`<retracted xmlns="${NS.retract}" id="x"/>${forged}`);
  const [second] = await spam(`<retract xmlns="${NS.retract}" id="17">${forged}</retract>`);
  assert.doesNotMatch(`${first}${second}`, /retracted|moderated/);
  for (const text of [first!, second!])
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    assert.match(await alice!.asks('set', moderation(idOf(text))), /type="result"/);
  carol!.take();
  const shown = await archived(carol!);
  assert.equal(shown.length, 4);
  assert.doesNotMatch(shown.join(''), /spam/);
  assert.match(shown[1]!, /<retract [^>]*id="17"\/><occupant-id [^>]*\/><retracted /);
  await rig.close();
});
