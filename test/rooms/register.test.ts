import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cave, codes, refusal, Rig, type Client } from './rig.ts';

const register = 'jabber:iq:register';
const form = (nick: string, of = 'http://jabber.org/protocol/muc#register', type = 'submit') =>
  `<query xmlns="${register}"><x xmlns="jabber:x:data" type="${type}"><field var="FORM_TYPE"><value>${of}</value></field>` +
  `<field var="muc#register_roomnick"><value>${nick}</value></field></x></query>`;
const nicks = (client: Client) =>
  client.asks('get', '<query xmlns="http://jabber.org/protocol/disco#info" node="x-roomuser-item"/>');

async function sets(client: Client, payload: string): Promise<string> {
  const answer = await client.asks('set', payload);
  return answer.includes('type="result"') ? 'done' : refusal(answer);
}

test('who registers is a member, and the nickname is nobody else’s', async () => {
  await using rig = await Rig.open();
  const [alice, bob] = await rig.gather('alice', 'bob');
  const asked = await bob!.asks('get', `<query xmlns="${register}"/>`);
  assert.match(
    asked,
    /<x [^>]*type="form">.*muc#register<.*<field var="muc#register_roomnick" type="text-single"/,
  );
  assert.doesNotMatch(asked, /<registered/);
  assert.match(await nicks(bob!), /node="x-roomuser-item"\/>/);
  const heard = await bob!.says(`<iq type="set" id="r">${form('Bobby')}</iq>`);
  assert.match(heard[0]!, /^<iq .*type="result"/);
  assert.match(heard[1]!, /affiliation="member" role="participant"/);
  assert.match(alice!.take().at(-1)!, /from="[^"]*\/bob".*affiliation="member" role="participant"/);
  assert.match(
    await bob!.asks('get', `<query xmlns="${register}"/>`),
    /<registered\/><username>Bobby<\/username>/,
  );
  assert.match(await nicks(bob!), /<identity category="conference" name="Bobby" type="text"\/>/);
  const carol = rig.client('carol@far.example/pda');
  assert.equal(refusal((await carol.enters('Bobby'))[0]!), 'conflict');
  assert.equal(await sets(carol, form('Bobby')), 'conflict');
  // The one who is there has it, too.
  assert.equal(await sets(carol, form('alice')), 'conflict');
  await carol.enters('carol');
  assert.equal(refusal((await carol.says(`<presence to="${cave}/Bobby"/>`))[0]!), 'conflict');
  await rig.restart();
  assert.equal(refusal((await carol.says(`<presence to="${cave}/Bobby"/>`))[0]!), 'conflict');
  // §7.12: it may go by another one, and by its own.
  assert.match((await bob!.says(`<presence to="${cave}/Bobby"/>`)).at(-1)!, /from="[^"]*\/Bobby"/);
  assert.equal(await sets(bob!, form('Bob')), 'done');
  assert.deepEqual(rig.known(), { 'alice@example.org': 'owner', 'bob@example.org': 'member Bob' });
});

test('an owner keeps what it is, registered or not', async () => {
  await using rig = await Rig.open();
  const [alice] = await rig.gather('alice');
  assert.equal(await sets(alice!, form('Al')), 'done');
  assert.deepEqual(rig.known(), { 'alice@example.org': 'owner Al' });
  assert.equal(await sets(alice!, `<query xmlns="${register}"><remove/></query>`), 'done');
  assert.deepEqual(rig.known(), { 'alice@example.org': 'owner' });
  assert.equal(await sets(alice!, `<query xmlns="${register}"><remove/></query>`), 'registration-required');
});

test('who leaves the list is no member, and out where only members are', async () => {
  await using rig = await Rig.open();
  const [alice, bob, carol] = await rig.gather('alice', 'bob', 'carol');
  for (const client of [bob!, carol!]) assert.equal(await sets(client, form(`${client.jid.local}2`)), 'done');
  bob!.take();
  assert.equal(await sets(bob!, `<query xmlns="${register}"><remove/></query>`), 'done');
  assert.match(bob!.take().at(-1)!, /affiliation="none" role="participant"/);
  assert.equal(await sets(bob!, `<query xmlns="${register}"><remove/></query>`), 'registration-required');
  await rig.configure({ membersOnly: true });
  alice!.take();
  assert.equal(await sets(carol!, `<query xmlns="${register}"><remove/></query>`), 'done');
  assert.deepEqual(codes(alice!.take().at(-1)!), [321]);
  assert.deepEqual(rig.known(), { 'alice@example.org': 'owner' });
});

test('who may not register, and in which forms nobody does', async () => {
  await using rig = await Rig.open();
  const [alice, bob] = await rig.gather('alice', 'bob');
  for (const [payload, condition] of [
    [`<query xmlns="${register}"/>`, 'bad-request'],
    [`<query xmlns="${register}"><username>x</username></query>`, 'bad-request'],
    [`<query xmlns="${register}"><remove/><remove/></query>`, 'bad-request'],
    [form(''), 'bad-request'],
    [form('  '), 'bad-request'],
    [form('x'.repeat(1100)), 'bad-request'],
    [form('x').replace('muc#register_roomnick', 'nick'), 'bad-request'],
    [form('x').replace('</value></field></x>', '</value><value>y</value></field></x>'), 'bad-request'],
    [form('x', 'urn:other'), 'bad-request'],
    [form('x', undefined, 'form'), 'bad-request'],
    [form('x', undefined, 'cancel'), 'done'],
  ] as const)
    assert.equal(await sets(bob!, payload), condition, payload);
  await rig.configure({ membersOnly: true });
  assert.equal(await sets(bob!, form('x')), 'not-allowed');
  assert.equal(refusal(await bob!.asks('get', `<query xmlns="${register}"/>`)), 'not-allowed');
  await rig.configure({ membersOnly: false });
  const ban = `<query xmlns="http://jabber.org/protocol/muc#admin"><item jid="example.org" affiliation="outcast"/></query>`;
  assert.equal(await sets(alice!, ban), 'done');
  assert.equal(await sets(bob!, form('x')), 'not-allowed');
  assert.equal(refusal(await bob!.asks('get', `<query xmlns="${register}"/>`)), 'not-allowed');
  assert.deepEqual(rig.known(), { 'alice@example.org': 'owner', 'example.org': 'outcast' });
});
