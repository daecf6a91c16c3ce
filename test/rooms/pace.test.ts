import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fixed } from '../../src/base/fixed.ts';
import { NS } from '../../src/xmpp/namespaces.ts';
import { open } from './forms.ts';
import { cave, refusal, type Client, type Rig } from './rig.ts';

const join = (nick: string): string => `<presence to="${cave}/${nick}"><x xmlns="${NS.muc}"/></presence>`;
const leave = (nick: string): string => `<presence to="${cave}/${nick}" type="unavailable"/>`;

void describe('how fast somebody acts in a room (limits.occupantRate)', () => {
  /** Errors that a client got for sending a hundred of these. */
  async function refused(rig: Rig, who: Client, what: (n: number) => string): Promise<string[]> {
    who.take();
    for (let n = 0; n < 100; n++) who.send(what(n));
    await rig.still();
    return who
      .take()
      .filter((text) => text.includes('type="error"'))
      .map(refusal);
  }
  const floods: readonly [string, (n: number) => string][] = [
    ['what is said in private', () => `<message type="chat" to="${cave}/alice"><body>psst</body></message>`],
    ['nicknames', (n) => `<presence to="${cave}/bob${n}"/>`],
    ['what somebody says of itself', (n) => `<presence to="${cave}/bob"><status>${n}</status></presence>`],
    ['coming in again', () => join('bob')],
    ['coming and going', (n) => (n % 2 === 0 ? leave('bob') : join('bob'))],
    ['invitations', () => `<message><x xmlns="${NS.mucUser}"><invite to="carol@example.org"/></x></message>`],
  ];
  for (const [what, xml] of floods)
    void it(`bounds ${what}`, async () => {
      await using rig = await open({ occupantRate: 5 });
      const [alice, bob] = (await rig.gather('alice', 'bob')) as [Client, Client];
      const errors = await refused(rig, bob, xml);
      assert.ok(errors.length >= 30, `${errors.length} were refused`);
      assert.deepEqual([...new Set(errors)], ['policy-violation']);
      assert.ok(alice.take().length <= 65);
    });

  void it('is that of an account: neither another session nor coming in again gives it more', async () => {
    await using rig = await open({ occupantRate: 5 });
    const [alice, bob] = (await rig.gather('alice', 'bob')) as [Client, Client];
    const say = '<message type="groupchat"><body>spam</body></message>';
    const other = rig.client('bob@example.org/phone');
    await other.enters('bob');
    alice.take();
    for (let n = 0; n < 20; n++) for (const one of [bob, other]) one.send(say);
    await bob.leaves('bob');
    bob.send(join('bob'));
    bob.send(say);
    await rig.still();
    const heard = alice.take().filter((text) => text.includes('spam'));
    assert.ok(heard.length <= 16, `${heard.length} were heard`);
  });

  void it('keeps nobody in', async () => {
    await using rig = await open({ occupantRate: 1 });
    const [, bob] = (await rig.gather('alice', 'bob')) as [Client, Client];
    await refused(rig, bob, (n) => `<presence to="${cave}/bob${n}"/>`);
    await bob.says(leave('bob'));
    assert.deepEqual(Object.keys(rig.there()), ['alice@example.org/home']);
  });
});

void describe('what an occupant says of itself (fixed.roomPresence)', () => {
  const long = `<status>${'x'.repeat(fixed.roomPresence.value)}</status>`;

  void it('is refused where it is too long, coming in or changing, and when a room is made', async () => {
    await using rig = await open();
    const [, bob] = (await rig.gather('alice', 'bob')) as [Client, Client];
    const carol = rig.client('carol@example.org/home');
    const wrong: readonly [Client, string][] = [
      [bob, `<presence to="${cave}/bob">${long}</presence>`],
      [bob, `<presence to="${cave}/robert">${long}</presence>`],
      [carol, `<presence to="${cave}/carol"><x xmlns="${NS.muc}"/>${long}</presence>`],
      [carol, `<presence to="new${cave}/carol"><x xmlns="${NS.muc}"/>${long}</presence>`],
    ];
    for (const [who, xml] of wrong) assert.equal(refusal((await who.says(xml))[0]!), 'policy-violation');
    assert.deepEqual(Object.values(rig.there()), ['alice moderator', 'bob participant']);
  });

  void it('is not told where somebody goes with too many words', async () => {
    await using rig = await open();
    const [alice, bob] = (await rig.gather('alice', 'bob')) as [Client, Client];
    await bob.says(`<presence to="${cave}/bob" type="unavailable">${long}</presence>`);
    const [gone] = alice.take();
    assert.match(gone!, /type="unavailable"/);
    assert.ok(gone!.length < 1000);
  });
});
