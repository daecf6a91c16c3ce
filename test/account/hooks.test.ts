import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Env } from '../../src/account/env.ts';
import { Repeats } from '../../src/account/pubsub/between.ts';
import { items } from '../../src/account/pubsub/pep.ts';
import { pubsub } from '../../src/account/pubsub/pubsub.ts';
import { Work } from '../../src/account/work.ts';
import { fixed } from '../../src/base/fixed.ts';
import type { Element } from '../../src/xmpp/element.ts';
import { StanzaError } from '../../src/xmpp/error.ts';
import { NS } from '../../src/xmpp/namespaces.ts';
import { parseStored } from '../../src/xmpp/parser.ts';
import { Rig } from './rig.ts';

const tune = 'urn:tune';
const mood = 'urn:mood';
const publish = (node: string, id: string): string =>
  `<pubsub xmlns="${NS.pubsub}"><publish node="${node}"><item id="${id}"><x xmlns="${node}"/></item></publish></pubsub>`;

void describe('what PubSub has to do with the rest', () => {
  let rig: Rig;
  before(async () => {
    rig = await Rig.open();
  });
  after(() => rig.close());

  void it('frames for an owner who is away are sent again, for a while', () => {
    const due: (() => void)[] = [];
    const env = {
      clock: { after: (_ms: number, run: () => void) => due.push(run) },
      partitionOf: (address: string) => (address.endsWith('@example.org') ? 1 : 2),
    } as unknown as Env;
    const sent: string[] = [];
    const repeats: Repeats = new Repeats(
      env,
      (id) =>
        (id === 1
          ? {
              post: {
                pass: (_by: unknown, to: string, frame: Element) => {
                  sent.push(to);
                  repeats.add(frame);
                },
              },
            }
          : undefined) as never,
    );
    const frames = [
      `<notify xmlns="${NS.between}" node="n"><message xmlns="jabber:client" from="alice@example.org"/><to jid="eve@far.example"/></notify>`,
      `<last xmlns="${NS.between}" to="alice@example.org/a"><of jid="frank@far.example"/></last>`,
      `<offer xmlns="${NS.between}" of="alice@example.org" to="gus@far.example"/>`,
      `<offer xmlns="${NS.between}" of="hal@far.example" to="alice@example.org"/>`,
    ];
    for (const frame of frames) repeats.add(parseStored(frame));
    for (let n = 0; due.length > 0; n++) {
      assert.ok(n < 100);
      due.shift()!();
    }
    for (const to of ['eve', 'frank', 'gus'])
      assert.equal(sent.filter((one) => one === `${to}@far.example`).length, fixed.betweenTries.value);
    assert.equal(sent.length, 3 * fixed.betweenTries.value);
  });

  void it('features hear of what their account publishes and retracts, in its unit', async () => {
    const heard: string[] = [];
    const feature = pubsub([
      {
        published: {
          [tune]: ({ node, id, payload, work }) => {
            heard.push(`${node} ${id} ${payload?.name}`);
            if (id === 'no') throw new StanzaError('not-acceptable');
            assert.ok(work !== undefined);
          },
        },
      },
    ]);
    const alice = await rig.login('alice', 'a');
    const { account } = alice.session;
    const ask = (payload: string, work: Work) => {
      const element = parseStored(payload);
      const handler = feature.account![`set pubsub ${NS.pubsub}`]!;
      return handler({
        account,
        session: alice.session,
        work,
        iq: element,
        type: 'set',
        payload: element,
        to: account.address,
      });
    };
    const work = new Work(account);
    await ask(publish(tune, '1'), work);
    await ask(publish(mood, '2'), work);
    await assert.rejects(async () => ask(publish(tune, 'no'), new Work(account)), /not-acceptable/);
    work.commit();
    await rig.still();
    await ask(
      `<pubsub xmlns="${NS.pubsub}"><retract node="${tune}"><item id="1"/></retract></pubsub>`,
      new Work(account),
    );
    assert.deepEqual(heard, ['urn:tune 1 x', 'urn:tune no x', 'urn:tune 1 undefined']);
    assert.deepEqual(
      (await items(account, tune, 9)).map(({ id }) => id),
      ['1'],
    );
  });
});
