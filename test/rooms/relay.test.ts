import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '../../src/base/clock.ts';
import { fixed } from '../../src/base/fixed.ts';
import { NS } from '../../src/xmpp/namespaces.ts';
import { cave, refusal, Rig, type Client } from './rig.ts';

const about = `<query xmlns="${NS.discoInfo}"/>`;
const attr = (text: string, name: string): string => new RegExp(` ${name}="([^"]*)"`).exec(text)?.[1] ?? '';
const ask = (client: Client, to: string, payload = about): Promise<string[]> =>
  client.says(`<iq type="get" id="mine" to="${cave}/${to}">${payload}</iq>`);

test('a request goes on to an occupant, and its answer back; neither learns who the other is (XEP-0045 §17.4)', async () => {
  const rig = await Rig.open();
  const [alice, bob, carol] = await rig.gather('alice', 'bob', 'carol');
  const phone = rig.client('alice@example.org/phone');
  await phone.enters('alice');
  for (const client of [alice!, bob!, carol!, phone]) client.take();
  assert.deepEqual(await ask(phone, 'bob'), []);
  const [asked] = bob!.take();
  assert.equal(attr(asked!, 'from'), `${cave}/alice`);
  assert.equal(attr(asked!, 'to'), 'bob@example.org/home');
  assert.doesNotMatch(asked!, /alice@|phone|mine/);
  const id = attr(asked!, 'id');
  const answer = `<iq type="result" id="${id}" to="${cave}/alice"><query xmlns="${NS.discoInfo}"/></iq>`;
  // Others cannot answer for it.
  await carol!.says(answer);
  assert.deepEqual(phone.take(), []);
  await bob!.says(answer);
  const [got] = phone.take();
  assert.equal(attr(got!, 'from'), `${cave}/bob`);
  assert.equal(attr(got!, 'id'), 'mine');
  assert.equal(attr(got!, 'to'), 'alice@example.org/phone');
  assert.deepEqual(alice!.take(), []);
  // Nor twice.
  await bob!.says(answer);
  assert.deepEqual(phone.take(), []);

  await ask(alice!, 'bob');
  const again = attr(bob!.take()[0]!, 'id');
  const error = `<error type="cancel" by="bob@example.org/home"><service-unavailable xmlns="${NS.stanzas}"/></error>`;
  await bob!.says(`<iq type="error" id="${again}" to="${cave}/alice">${error}</iq>`);
  const [refused] = alice!.take();
  assert.equal(refusal(refused!), 'service-unavailable');
  assert.doesNotMatch(refused!, /bob@/);
  await rig.close();
});

test('what the account has to say is asked of the account; who is not in, or nobody, gets an error', async () => {
  const rig = await Rig.open();
  const [alice] = await rig.gather('alice', 'bob');
  const eve = rig.client('eve@far.example/x');
  await ask(alice!, 'bob', `<vCard xmlns="${NS.vcard}"/>`);
  const asked = rig.passed.at(-1)!;
  assert.equal(attr(asked, 'to'), 'bob@example.org');
  const bare = rig.client('bob@example.org');
  await bare.says(
    `<iq type="result" id="${attr(asked, 'id')}" to="${cave}/alice"><vCard xmlns="${NS.vcard}"/></iq>`,
  );
  assert.match(alice!.take()[0]!, /from="cave@conference.example.org\/bob".*<vCard/);
  assert.equal(refusal((await ask(alice!, 'nobody'))[0]!), 'item-not-found');
  assert.equal(refusal((await ask(eve, 'bob'))[0]!), 'bad-request');
  const ping = `<ping xmlns="${NS.ping}"/>`;
  assert.equal(refusal((await ask(eve, 'bob', ping))[0]!), 'not-acceptable');
  // XEP-0410.
  assert.match((await ask(alice!, 'alice', ping))[0]!, /type="result"/);
  await alice!.leaves('alice');
  assert.equal(refusal((await ask(alice!, 'alice', ping))[0]!), 'not-acceptable');
  await rig.close();
});

test('a request that is not answered ends, and too many are refused', async () => {
  const timers: (() => void)[] = [];
  const after: typeof systemClock.after = (ms, run) => {
    if (ms !== fixed.relayTime.value) return systemClock.after(ms, run);
    timers.push(run);
    return { cancel: () => void timers.splice(timers.indexOf(run), 1) };
  };
  const rig = await Rig.open({}, { ...systemClock, after });
  const [alice, bob] = await rig.gather('alice', 'bob');
  for (let n = 0; n < fixed.relayedEach.value; n++)
    alice!.send(`<iq type="get" id="n${n}" to="${cave}/bob">${about}</iq>`);
  await rig.still();
  assert.equal(bob!.take().length, fixed.relayedEach.value);
  assert.equal(refusal((await ask(alice!, 'bob'))[0]!), 'resource-constraint');
  alice!.take();
  timers[0]!();
  const [late] = alice!.take();
  assert.equal(refusal(late!), 'remote-server-timeout');
  assert.equal(attr(late!, 'id'), 'n0');
  assert.deepEqual(await ask(alice!, 'bob'), []);
  await rig.close();
});

test('what is not answered when the room gets another owner ends with an error', async () => {
  const rig = await Rig.open();
  const [alice, bob] = await rig.gather('alice', 'bob');
  await ask(alice!, 'bob');
  const id = attr(bob!.take()[0]!, 'id');
  assert.equal(await rig.partition.quiesce(), true);
  assert.equal(refusal(alice!.take()[0]!), 'remote-server-timeout');
  await rig.restart();
  await bob!.says(`<iq type="result" id="${id}" to="${cave}/alice"/>`);
  assert.deepEqual(alice!.take(), []);
  await rig.close();
});
