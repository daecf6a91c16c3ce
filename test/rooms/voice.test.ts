import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { NS } from '../../src/xmpp/namespaces.ts';
import { configure, fieldsIn, open } from './forms.ts';
import { cave, refusal, type Client } from './rig.ts';

function filled(fields: Readonly<Record<string, string>>, type = 'submit'): string {
  const list = Object.entries({ FORM_TYPE: `${NS.muc}#request`, ...fields }).map(
    ([name, value]) => `<field var="${name}"><value>${value}</value></field>`,
  );
  return `<message id="v1"><x xmlns="${NS.dataForms}" type="${type}">${list.join('')}</x></message>`;
}

const request = filled({ 'muc#role': 'participant' });
const said = '<message type="groupchat"><body>may I?</body></message>';

/** Alice owns a moderated room, Bob and Carol are visitors. */
async function gathered(rig: Awaited<ReturnType<typeof open>>): Promise<[Client, Client, Client]> {
  const [alice] = (await rig.gather('alice')) as [Client];
  await configure(alice, { 'muc#roomconfig_moderatedroom': '1' });
  const [bob, carol] = [rig.client('bob@example.org/home'), rig.client('carol@far.example/phone')];
  await bob.enters('bob');
  await carol.enters('carol');
  for (const one of [alice, bob, carol]) one.take();
  return [alice, bob, carol];
}

void describe('requests for voice (XEP-0045 §7.13, §8.6)', () => {
  void it('moderators get a form, and whoever they let speaks', async () => {
    await using rig = await open();
    const [alice, bob, carol] = await gathered(rig);
    assert.equal(refusal((await bob.says(said))[0]!), 'forbidden');
    bob.take();
    await bob.says(request);
    const [form, ...more] = alice.take();
    assert.deepEqual([more.length, bob.take().length, carol.take().length], [0, 0, 0]);
    assert.ok(form!.startsWith(`<message to="alice@example.org/home" from="${cave}"`), form);
    assert.deepEqual(fieldsIn(form!), {
      FORM_TYPE: [`${NS.muc}#request`],
      'muc#role': ['participant'],
      'muc#jid': ['bob@example.org/home'],
      'muc#roomnick': ['bob'],
      'muc#request_allow': ['false'],
    });
    const granted = filled({
      'muc#role': 'participant',
      'muc#jid': 'bob@example.org/home',
      'muc#roomnick': 'bob',
      'muc#request_allow': 'true',
    });
    await alice.says(granted);
    for (const one of [alice, bob, carol])
      assert.match(one.take()[0]!, /\/bob".*affiliation="none" role="participant"/);
    // Once more it changes nothing.
    assert.deepEqual(await alice.says(granted), []);
    await rig.restart();
    await bob.says(said);
    assert.match(carol.take().at(-1)!, /may I\?/);
  });

  void it('who is not let stays silent', async () => {
    await using rig = await open();
    const [alice, bob] = await gathered(rig);
    const answer = { 'muc#jid': 'bob@example.org/home', 'muc#roomnick': 'bob', 'muc#request_allow': 'false' };
    for (const xml of [filled(answer), filled({ ...answer, 'muc#request_allow': 'true' }, 'cancel')])
      assert.deepEqual(await alice.says(xml), []);
    assert.equal(rig.there()['bob@example.org/home'], 'bob visitor');
    assert.equal(refusal((await bob.says(said))[0]!), 'forbidden');
  });

  void it('only moderators give it, to nobody but the one who is meant, and nobody asks in vain', async () => {
    await using rig = await open();
    const [alice, bob, carol] = await gathered(rig);
    const dave = rig.client('dave@example.org/home');
    const allow = { 'muc#request_allow': '1' };
    const wrong: [Client, string, string][] = [
      [bob, filled({ 'muc#roomnick': 'bob', ...allow }), 'forbidden'],
      [dave, request, 'not-acceptable'],
      [dave, filled({ 'muc#roomnick': 'bob', ...allow }), 'not-acceptable'],
      [alice, request, 'not-acceptable'],
      [bob, filled({ 'muc#role': 'moderator' }), 'bad-request'],
      [bob, filled({}), 'bad-request'],
      [bob, filled({ 'muc#role': 'participant' }, 'form'), 'bad-request'],
      [bob, filled({ 'muc#role': 'participant' }, 'nonsense'), 'bad-request'],
      [bob, filled({ FORM_TYPE: 'jabber:x:other', 'muc#role': 'participant' }), 'not-acceptable'],
      [alice, filled({ 'muc#roomnick': 'nobody', ...allow }), 'item-not-found'],
      [
        alice,
        filled({ 'muc#roomnick': 'bob', 'muc#jid': 'carol@far.example/phone', ...allow }),
        'item-not-found',
      ],
      [alice, filled({ 'muc#jid': '@', ...allow }), 'jid-malformed'],
      [alice, filled({ 'muc#roomnick': 'bob', 'muc#request_allow': 'maybe' }), 'bad-request'],
    ];
    for (const [who, xml, condition] of wrong)
      assert.equal(refusal((await who.says(xml))[0]!), condition, xml);
    assert.equal(rig.there()['bob@example.org/home'], 'bob visitor');
    await configure(alice, { 'muc#roomconfig_allowvoicerequests': '0' });
    carol.take();
    assert.equal(refusal((await carol.says(request))[0]!), 'forbidden');
    await configure(alice, {
      'muc#roomconfig_allowvoicerequests': '1',
      'muc#roomconfig_persistentroom': '1',
    });
    await alice.leaves('alice');
    carol.take();
    assert.equal(refusal((await carol.says(request))[0]!), 'recipient-unavailable');
  });
});
