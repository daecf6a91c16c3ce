import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Item } from '../../src/account/item.ts';
import { change, loaded } from '../../src/account/roster.ts';
import type { State } from '../../src/account/states.ts';
import { Work } from '../../src/account/work.ts';
import { Rig } from './rig.ts';

// RFC 6121 Appendix A, row by row: existing state, handed on (or delivered), new state.
const outbound: Record<string, [State, boolean, State][]> = {
  subscribe: [
    ['none', true, 'none+out'],
    ['none+out', true, 'none+out'],
    ['none+in', true, 'none+out+in'],
    ['none+out+in', true, 'none+out+in'],
    ['to', true, 'to'],
    ['to+in', true, 'to+in'],
    ['from', true, 'from+out'],
    ['from+out', true, 'from+out'],
    ['both', true, 'both'],
  ],
  unsubscribe: [
    ['none', true, 'none'],
    ['none+out', true, 'none'],
    ['none+in', true, 'none+in'],
    ['none+out+in', true, 'none+in'],
    ['to', true, 'none'],
    ['to+in', true, 'none+in'],
    ['from', true, 'from'],
    ['from+out', true, 'from'],
    ['both', true, 'from'],
  ],
  subscribed: [
    ['none', false, 'none'],
    ['none+out', false, 'none+out'],
    ['none+in', true, 'from'],
    ['none+out+in', true, 'from+out'],
    ['to', false, 'to'],
    ['to+in', true, 'both'],
    ['from', false, 'from'],
    ['from+out', false, 'from+out'],
    ['both', false, 'both'],
  ],
  unsubscribed: [
    ['none', false, 'none'],
    ['none+out', false, 'none+out'],
    ['none+in', true, 'none'],
    ['none+out+in', true, 'none+out'],
    ['to', false, 'to'],
    ['to+in', true, 'to'],
    ['from', true, 'none'],
    ['from+out', true, 'none+out'],
    ['both', true, 'to'],
  ],
};

const inbound: Record<string, [State, boolean, State][]> = {
  subscribe: [
    ['none', true, 'none+in'],
    ['none+out', true, 'none+out+in'],
    ['none+in', false, 'none+in'],
    ['none+out+in', false, 'none+out+in'],
    ['to', true, 'to+in'],
    ['to+in', false, 'to+in'],
    ['from', false, 'from'],
    ['from+out', false, 'from+out'],
    ['both', false, 'both'],
  ],
  unsubscribe: [
    ['none', false, 'none'],
    ['none+out', false, 'none+out'],
    ['none+in', true, 'none'],
    ['none+out+in', true, 'none+out'],
    ['to', false, 'to'],
    ['to+in', true, 'to'],
    ['from', true, 'none'],
    ['from+out', true, 'none+out'],
    ['both', true, 'to'],
  ],
  subscribed: [
    ['none', false, 'none'],
    ['none+out', true, 'to'],
    ['none+in', false, 'none+in'],
    ['none+out+in', true, 'to+in'],
    ['to', false, 'to'],
    ['to+in', false, 'to+in'],
    ['from', false, 'from'],
    ['from+out', true, 'both'],
    ['both', false, 'both'],
  ],
  unsubscribed: [
    ['none', false, 'none'],
    ['none+out', true, 'none'],
    ['none+in', false, 'none+in'],
    ['none+out+in', true, 'none+in'],
    ['to', true, 'none'],
    ['to+in', true, 'none+in'],
    ['from', false, 'from'],
    ['from+out', true, 'from'],
    ['both', true, 'from'],
  ],
};

describe('subscription states (RFC 6121 Appendix A)', () => {
  let rig: Rig;
  let n = 0;
  before(async () => {
    rig = await Rig.open();
  });
  after(() => rig.close());

  /** A contact elsewhere in this state, and the client that watches. */
  async function set(state: State, listed: boolean): Promise<string> {
    const contact = `c${++n}@far.example`;
    const account = await rig.account('alice');
    await loaded(account);
    const work = new Work(account);
    const start = Item.unknown(contact).with({ subscription: listed ? 'none' : 'removed' });
    change(work, account, start.moved(state, `<presence type="subscribe" from="${contact}"/>`));
    work.commit();
    await rig.still();
    return contact;
  }

  it('outbound: A.2', async () => {
    const alice = await rig.login('alice', 'out');
    for (const listed of [true, false])
      for (const [type, rows] of Object.entries(outbound))
        for (const [state, routed, next] of rows) {
          const contact = await set(state, listed);
          alice.take();
          rig.letters.length = 0;
          await alice.says(`<presence type="${type}" to="${contact}/any"/>`);
          const where = `${type} in ${state}`;
          assert.equal(await rig.state('alice', contact), next, where);
          assert.deepEqual(
            rig.letters.map(({ xml }) => xml),
            routed ? [`<presence type="${type}" to="${contact}" from="alice@example.org"/>`] : [],
            where,
          );
          assert.equal(rig.stored('alice')[contact], (await rig.remembered('alice'))[contact], where);
          // Nothing more comes of it when it is said twice.
          if (type === 'subscribed' || type === 'unsubscribed') {
            rig.letters.length = 0;
            await alice.says(`<presence type="${type}" to="${contact}"/>`);
            assert.equal(rig.letters.length, 0, where);
          }
          assert.equal(await rig.state('alice', contact), next, where);
        }
    await rig.end(alice);
  });

  it('inbound: A.3, and an immediate repeat changes nothing', async () => {
    const alice = await rig.login('alice', 'in');
    for (const [type, rows] of Object.entries(inbound))
      for (const [state, delivered, next] of rows) {
        const contact = await set(state, false);
        alice.take();
        rig.letters.length = 0;
        const origin = { source: 5000 + n, n: 1, k: 0 };
        const xml = `<presence type="${type}" from="${contact}" to="alice@example.org"/>`;
        await rig.arrives('alice', xml, origin);
        const where = `${type} in ${state}`;
        assert.equal(await rig.state('alice', contact), next, where);
        assert.equal(alice.take().filter((text) => text === xml).length, delivered ? 1 : 0, where);
        const answers = rig.letters.map((letter) => letter.xml);
        // A.3.1, note 2: who is subscribed already is answered in the account's name.
        const approves = type === 'subscribe' && /^(from|both)/.test(state);
        assert.deepEqual(
          answers,
          approves ? [`<presence type="subscribed" from="alice@example.org" to="${contact}"/>`] : [],
          where,
        );
        await rig.arrives('alice', xml, origin);
        assert.equal(await rig.state('alice', contact), next, where);
        assert.deepEqual(
          alice.take().filter((text) => text.startsWith('<presence')),
          [],
          `repeat: ${where}`,
        );
        assert.equal(rig.stored('alice')[contact], (await rig.remembered('alice'))[contact], where);
      }
    await rig.end(alice);
  });
});
