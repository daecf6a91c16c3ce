import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { NS } from '../../src/xmpp/namespaces.ts';
import { open } from './forms.ts';
import { cave, refusal, type Client } from './rig.ts';

void describe('what somebody says', () => {
  const forged = `<x xmlns="${NS.mucUser}"><status code="301"/></x>
    <occupant-id xmlns="${NS.occupantId}" id="another"/>
    <delay xmlns="${NS.delay}" from="${cave}" stamp="2001-01-01T00:00:00Z"/>
    <addresses xmlns="${NS.addresses}"><address type="ofrom" jid="alice@example.org"/></addresses>
    <moderate xmlns="${NS.moderate}" id="1"/><retracted xmlns="${NS.retract}" stamp="2001-01-01T00:00:00Z"/>`;
  const claims = /301|another|2001|ofrom|<moderate|<retracted/;

  for (const [how, attrs] of [
    ['to all', 'type="groupchat"'],
    ['to all, though nobody stores it', `type="groupchat" id="typing"`],
    ['in private', `type="chat" to="${cave}/alice"`],
  ] as const)
    void it(`bears nothing that only a room may say, ${how}`, async () => {
      await using rig = await open();
      const [alice, bob] = (await rig.gather('alice', 'bob')) as [Client, Client];
      const words = attrs.includes('typing')
        ? '<composing xmlns="http://jabber.org/protocol/chatstates"/>'
        : '<body>hello</body>';
      await bob.says(`<message ${attrs}>${words}${forged}</message>`);
      const [heard] = alice.take();
      assert.ok(heard?.includes(words.slice(0, 9)), heard);
      // Ids of ours may have any digits in them.
      assert.doesNotMatch(heard!.replaceAll(/ id="[^"]*"/g, ''), claims);
    });

  void it('as a subject is short, in whatever language and with whatever is in it', async () => {
    await using rig = await open();
    const [alice] = (await rig.gather('alice')) as [Client];
    const subjects = [
      `<subject>${'x'.repeat(5000)}</subject>`,
      Array.from({ length: 1000 }, (_, n) => `<subject xml:lang="x-${n}"/>`).join(''),
      `<subject><a xmlns="a">${'<b/>'.repeat(5000)}</a></subject>`,
    ];
    for (const subject of subjects) {
      const [answer] = await alice.says(`<message type="groupchat">${subject}</message>`);
      assert.equal(refusal(answer!), 'not-acceptable');
    }
    await alice.says(`<message type="groupchat"><subject>${'x'.repeat(4096)}</subject></message>`);
    assert.ok((await rig.room()).subject!.xml.length < 10_000);
  });

  void it('as a reason for moderation is short', async () => {
    await using rig = await open();
    const [alice, bob] = (await rig.gather('alice', 'bob')) as [Client, Client];
    await bob.says('<message type="groupchat"><body>x</body></message>');
    const { pos } = await rig.room();
    const moderate = (reason: string): string =>
      `<moderate xmlns="${NS.moderate}" id="${pos}"><retract xmlns="${NS.retract}"/><reason>${reason}</reason></moderate>`;
    assert.equal(refusal(await alice.asks('set', moderate('x'.repeat(1001)))), 'not-acceptable');
    assert.match(await alice.asks('set', moderate('x'.repeat(1000))), /type="result"/);
  });
});
