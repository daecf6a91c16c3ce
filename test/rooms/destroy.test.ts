import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { lettersOf } from '../../src/rooms/outbox.ts';
import { NS } from '../../src/xmpp/namespaces.ts';
import { configure, open } from './forms.ts';
import { cave, codes, refusal, type Client } from './rig.ts';

const ended = (inner: string): string => `<query xmlns="${NS.mucOwner}">${inner}</query>`;
const said = (text: string): string => `<message type="groupchat"><body>${text}</body></message>`;
const idOf = (text: string): number => Number(/<stanza-id [^>]*id="(\d+)"/.exec(text)![1]);

void describe('the end of a room (XEP-0045 §10.9)', () => {
  void it('each occupant is told once, of itself, why and where to go', async () => {
    await using rig = await open();
    const [alice, bob] = (await rig.gather('alice', 'bob')) as [Client, Client];
    const carol = rig.client('carol@far.example/phone');
    await carol.enters('carol');
    await configure(alice, { 'muc#roomconfig_persistentroom': '1' });
    for (const one of [alice, bob, carol]) one.take();
    const venue = 'heath@conference.example.org';
    const destroy = `<destroy jid="${venue}"><reason>Macbeth doth come.</reason><password>blood</password></destroy>`;
    await alice.says(`<iq type="set" id="begone">${ended(destroy)}</iq>`);
    const heard = alice.take();
    assert.equal(heard.length, 2);
    assert.match(heard[1]!, /^<iq .*type="result"/);
    for (const [nick, texts] of [
      ['alice', heard.slice(0, 1)],
      ['bob', bob.take()],
      ['carol', carol.take()],
    ] as const) {
      assert.equal(texts.length, 1);
      assert.match(texts[0]!, new RegExp(`from="${cave}/${nick}"`));
      assert.match(texts[0]!, /type="unavailable"/);
      assert.match(texts[0]!, /<item affiliation="none" role="none"/);
      assert.ok(texts[0]!.includes(`<destroy jid="${venue}">`), texts[0]);
      assert.match(texts[0]!, /<reason>Macbeth doth come.<\/reason>/);
      assert.match(texts[0]!, /<password>blood<\/password>/);
      assert.deepEqual(codes(texts[0]!), [110]);
    }
    assert.deepEqual(rig.there(), {});
    assert.deepEqual(rig.known(), {});
  });

  void it('then the room is as one that never was, also for its next owner', async () => {
    await using rig = await open();
    const [alice, bob] = (await rig.gather('alice', 'bob')) as [Client, Client];
    await configure(alice, { 'muc#roomconfig_persistentroom': '1' });
    await alice.asks('set', ended('<destroy/>'));
    bob.take();
    for (let life = 0; life < 2; life++) {
      assert.equal(refusal((await bob.says(said('hello?')))[0]!), 'item-not-found');
      assert.equal(refusal(await bob.asks('get', ended(''))), 'item-not-found');
      await rig.restart();
    }
  });

  void it('another room under the address goes on with positions and ids of its own', async () => {
    await using rig = await open();
    const [alice, bob] = (await rig.gather('alice', 'bob')) as [Client, Client];
    const before = (await bob.says(said('one')))[0]!;
    await alice.asks('set', ended('<destroy/>'));
    const heard = await bob.enters('bob');
    assert.deepEqual(codes(heard[0]!), [110, 201, 170]);
    assert.equal(heard.length, 2);
    await configure(bob, {});
    const after = (await bob.says(said('two')))[0]!;
    assert.ok(idOf(after) > idOf(before));
    const occupant = /<occupant-id [^>]*id="[^"]*"/;
    assert.notEqual(occupant.exec(before)![0], occupant.exec(after)![0]);
    await rig.restart();
    assert.deepEqual(rig.known(), { 'bob@example.org': 'owner' });
    assert.deepEqual(rig.there(), { 'bob@example.org/home': 'bob moderator' });
    // What was said before belongs to nobody who comes now.
    assert.doesNotMatch((await alice.enters('alice')).join(), />one</);
  });

  void it('what is malformed or too long ends nothing', async () => {
    await using rig = await open();
    const [alice] = (await rig.gather('alice')) as [Client];
    const long = `<destroy><reason>${'r'.repeat(5000)}</reason></destroy>`;
    assert.equal(refusal(await alice.asks('set', ended(long))), 'not-acceptable');
    assert.equal(refusal(await alice.asks('set', ended('<destroy jid="@"/>'))), 'jid-malformed');
    assert.equal(refusal(await alice.asks('set', ended('<destroy/><destroy/>'))), 'bad-request');
  });

  void it('what was said in private before arrives all the same', async () => {
    await using rig = await open();
    const [alice, bob] = (await rig.gather('alice', 'bob')) as [Client, Client];
    await bob.says(`<message to="${cave}/alice" type="chat"><body>psst</body></message>`);
    await alice.asks('set', ended('<destroy/>'));
    await rig.restart();
    const [letter, ...more] = await lettersOf(rig.volume, rig.partition.id);
    assert.equal(more.length, 0);
    assert.deepEqual([letter!.sender, letter!.to], [cave, 'alice@example.org/home']);
  });
});
