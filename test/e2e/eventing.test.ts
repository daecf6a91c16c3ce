import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { Actor, settle } from './actor.ts';
import { openTarget, type Target } from './server.ts';
import { attr, children, show } from './xml.ts';

const caps = 'http://jabber.org/protocol/caps';
const info = 'http://jabber.org/protocol/disco#info';
const pubsub = 'http://jabber.org/protocol/pubsub';
const node = 'urn:example:tune';

/** A client that wants to hear of a node, and says so when it is asked. */
async function interested(target: Target, user: string): Promise<Actor> {
  const features = [caps, info, `${node}+notify`].sort();
  const ver = createHash('sha1')
    .update(`client/pc//<${features.map((feature) => `${feature}<`).join('')}`)
    .digest('base64');
  const actor = await Actor.login(target, { user, resource: 'r' });
  actor.send(`<presence><c xmlns='${caps}' hash='sha-1' node='urn:c' ver='${ver}'/></presence>`);
  await actor.expect(`<presence from='${actor.full}'/>`);
  await settle([actor]);
  const question = actor.inbox.find((one) => one.localName === 'iq' && attr(one, 'type') === 'get');
  if (question !== undefined)
    actor.send(
      `<iq type='result' id='${attr(question, 'id')}' to='${actor.bare}'><query xmlns='${info}'><identity category='client' type='pc'/>${features.map((feature) => `<feature var='${feature}'/>`).join('')}</query></iq>`,
    );
  return actor;
}

function publish(actor: Actor, id: string, to?: string) {
  return actor.ask(
    'set',
    `<pubsub xmlns='${pubsub}'><publish node='${node}'><item id='${id}'><x xmlns='${node}'/></item></publish></pubsub>`,
    to,
  );
}

const event = (from: string, id: string) =>
  `<message type='headline' from='${from}'><event xmlns='${pubsub}#event'><items node='${node}'><item id='${id}'/></items></event></message>`;

async function items(actor: Actor, to: string): Promise<string[]> {
  const answer = await actor.ask('get', `<pubsub xmlns='${pubsub}'><items node='${node}'/></pubsub>`, to);
  return children(children(children(answer)[0]!)[0]!).map((item) => attr(item, 'id')!);
}

void describe('PubSub over kill -9', { skip: process.env['TARGET'] === 'prosody' }, () => {
  let target: Target;
  before(async () => {
    target = await openTarget();
    await target.users(['alice', 'bob']);
  });
  after(() => target?.[Symbol.asyncDispose]());

  void it(
    'a result means that it is stored, and whoever comes after is told',
    { timeout: 120_000 },
    async () => {
      let alice = await Actor.login(target, { user: 'alice', resource: 'r' });
      let bob = await Actor.login(target, { user: 'bob', resource: 'r' });
      for (const actor of [alice, bob]) {
        await actor.ask('get', "<query xmlns='jabber:iq:roster'/>");
        actor.send('<presence/>');
      }
      bob.send(`<presence type='subscribe' to='${alice.bare}'/>`);
      await alice.expect(`<presence type='subscribe' from='${bob.bare}'/>`);
      alice.send(`<presence type='subscribed' to='${bob.bare}'/>`);
      await bob.expect(`<presence type='subscribed' from='${alice.bare}'/>`);
      const service = `pubsub.${target.domain}`;
      for (let round = 0; round < 3; round++) {
        for (const to of [undefined, service])
          assert.equal(attr(await publish(alice, `at ${round}`, to), 'type'), 'result');
        await target.kill(round % 2 === 0 ? 'worker' : 'all');
        if (round % 2 === 1) await target.start();
        await target.ready();
        alice.wire.cut();
        bob.wire.cut();
        alice = await Actor.login(target, { user: 'alice', resource: 'r' });
        bob = await interested(target, 'bob');
        const got = await bob.expect(event(alice.bare, `at ${round}`));
        assert.ok(
          children(got).some((one) => one.localName === 'delay'),
          show(got),
        );
        assert.deepEqual(await items(bob, alice.bare), [`at ${round}`]);
        assert.equal((await items(bob, service))[0], `at ${round}`);
      }
      await Promise.all([alice.close(), bob.close()]);
    },
  );

  void it('the stream tells what the server can, and the server explains it (XEP-0115 §6.3)', async () => {
    const actor = await Actor.login(target, { user: 'alice', resource: 'caps' });
    const told = children(actor.features).find((one) => one.localName === 'c' && one.namespaceURI === caps)!;
    assert.equal(attr(told, 'hash'), 'sha-1');
    const at = `${attr(told, 'node')}#${attr(told, 'ver')}`;
    const answer = await actor.ask('get', `<query xmlns='${info}' node='${at}'/>`, target.domain);
    const [query] = children(answer);
    assert.equal(attr(query!, 'node'), at);
    const texts = (name: string, keys: readonly string[]) =>
      children(query!)
        .filter((one) => one.localName === name)
        .map((one) => keys.map((key) => attr(one, key) ?? '').join('/'))
        .sort();
    const plain = [
      ...texts('identity', ['category', 'type', 'xml:lang', 'name']),
      ...texts('feature', ['var']),
    ];
    const forms = children(query!).filter((one) => one.localName === 'x');
    if (forms.length === 0) {
      const text = plain.map((part) => `${part}<`).join('');
      assert.equal(attr(told, 'ver'), createHash('sha1').update(text).digest('base64'));
    }
    const other = await actor.ask('get', `<query xmlns='${info}' node='${at}x'/>`, target.domain);
    assert.equal(attr(other, 'type'), 'error');
    await actor.close();
  });
});
