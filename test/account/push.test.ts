import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { indicate } from '../../src/account/csi.ts';
import { detachSession } from '../../src/account/end.ts';
import { untold } from '../../src/account/pushes.ts';
import { isNotable } from '../../src/account/storing.ts';
import { systemClock, type Clock } from '../../src/base/clock.ts';
import { fixed } from '../../src/base/fixed.ts';
import type { Element } from '../../src/xmpp/element.ts';
import { NS } from '../../src/xmpp/namespaces.ts';
import { parseStored } from '../../src/xmpp/parser.ts';
import { Rig, type Client } from './rig.ts';

const alice = 'alice@example.org';
const app = 'carol@example.org/app';
const secret =
  `<x xmlns="jabber:x:data" type="submit"><field var="FORM_TYPE"><value>${NS.pubsubPublishOptions}</value></field>` +
  '<field var="secret"><value>s3&lt;cret</value></field></x>';
const enable = (jid: string, node?: string, form = '') =>
  `<enable xmlns="${NS.push}" jid="${jid}"${node === undefined ? '' : ` node="${node}"`}>${form}</enable>`;
const disable = (jid: string, node?: string) =>
  `<disable xmlns="${NS.push}" jid="${jid}"${node === undefined ? '' : ` node="${node}"`}/>`;

/** A hundred times as fast. */
const fast: Clock = {
  ...systemClock,
  mono: () => systemClock.mono() * 100,
  after: (ms, run) => systemClock.after(ms / 100, run),
};

void describe('who is worth waking up for', () => {
  for (const [inner, notable] of [
    ['<body>x</body>', true],
    ['<encrypted xmlns="eu.siacs.conversations.axolotl"/>', true],
    [`<propose xmlns="urn:xmpp:jingle-message:0" id="c"/><store xmlns="${NS.hints}"/>`, true],
    [`<received xmlns="${NS.receipts}" id="1"/>`, false],
    [`<displayed xmlns="${NS.markers}" id="1"/><store xmlns="${NS.hints}"/>`, false],
    [`<composing xmlns="${NS.chatstates}"/><store xmlns="${NS.hints}"/>`, false],
  ] as const)
    void it(inner, () => assert.equal(isNotable(parseStored(`<message>${inner}</message>`)), notable));
});

void describe('push notifications (XEP-0357)', () => {
  let rig: Rig;
  let phone: Client;
  let service: Client;
  let b: Client;
  beforeEach(async () => {
    rig = await Rig.open({ pushes: 3, lazy: 2000 }, undefined, fast);
    phone = await rig.login('alice', 'phone');
    phone.session.token = new Uint8Array(32);
    service = await rig.login('carol', 'app');
    b = await rig.login('bob', 'desk');
    await phone.asks('set', enable(app, 'n1', secret));
    phone.take();
  });
  afterEach(() => rig.close());

  const write = (body: string, to = alice) =>
    b.says(`<message to="${to}" type="chat"><body>${body}</body></message>`);
  const detach = async (client: Client) => {
    client.session.account.mailbox.run(() => detachSession(client.session));
    await rig.still();
  };
  const pushed = (): Element[] =>
    service
      .take()
      .filter((text) => text.includes('<pubsub'))
      .map((text) => parseStored(text));
  const answer = (iq: Element, error = '') =>
    service.says(
      `<iq type="${error === '' ? 'result' : 'error'}" to="${iq.attrs['from']}" id="${iq.attrs['id']}">${error}</iq>`,
    );
  const failure = (condition: string, type = 'cancel') =>
    `<error type="${type}"><${condition} xmlns="${NS.stanzas}"/></error>`;
  const stored = () =>
    rig.model.rows<{ pushes: string | null; pushed: number }>(
      'select pushes, pushed from account where address = ?1',
      alice,
    )[0]!;
  const passTime = async () => {
    await new Promise<void>((resolve) => void fast.after(fixed.pushPause.value + 1000, resolve));
    await rig.still();
  };

  void it('tells the service of a message that waits, in the account’s name, with its options (§7)', async () => {
    await write('seen');
    assert.deepEqual(pushed(), [], 'the client is there');
    phone.session.acknowledge(phone.session.unacked.m);
    await detach(phone);
    assert.deepEqual(pushed(), []);
    await write('waits');
    const [iq, more] = pushed();
    assert.equal(more, undefined);
    assert.equal(iq!.attrs['from'], alice);
    assert.equal(iq!.attrs['to'], app);
    const pubsub = iq!.child('pubsub', NS.pubsub)!;
    assert.equal(pubsub.child('publish')!.attrs['node'], 'n1');
    const form = pubsub
      .child('publish')!
      .child('item')!
      .child('notification', NS.push)!
      .child('x', NS.dataForms)!;
    const values = Object.fromEntries(
      form.elements('field').map((field) => [field.attrs['var'], field.child('value')!.text()]),
    );
    assert.deepEqual(values, {
      FORM_TYPE: NS.pushSummary,
      'message-count': '1',
      'pending-subscription-count': '0',
    });
    const options = pubsub.child('publish-options')!.child('x', NS.dataForms)!;
    assert.equal(options.elements('field')[1]!.child('value')!.text(), 's3<cret');
  });

  void it('not for states, receipts, errors, carbons and what the account says itself', async () => {
    const laptop = await rig.login('alice', 'laptop');
    await phone.asks('set', `<enable xmlns="${NS.carbons}"/>`);
    phone.session.acknowledge(phone.session.unacked.m);
    await detach(phone);
    await b.says(`<message to="${alice}" type="chat"><composing xmlns="${NS.chatstates}"/></message>`);
    await b.says(`<message to="${alice}" type="chat"><received xmlns="${NS.receipts}" id="1"/></message>`);
    await b.says(`<message to="${alice}" type="error"><body>x</body></message>`);
    await laptop.says('<message to="bob@example.org" type="chat"><body>own</body></message>');
    await laptop.says(`<message to="${alice}" type="chat"><body>to oneself</body></message>`);
    await write('for the laptop alone', `${alice}/laptop`);
    assert.deepEqual(pushed(), []);
    await write('for everybody');
    assert.equal(pushed().length, 1);
  });

  void it('when the connection is lost with a message that was not acknowledged', async () => {
    await write('on its way');
    assert.deepEqual(pushed(), []);
    await detach(phone);
    assert.equal(pushed().length, 1);
  });

  void it('when nobody is there, and not while another client takes it', async () => {
    await rig.end(phone);
    const laptop = await rig.login('alice', 'laptop');
    await write('taken');
    laptop.session.acknowledge(laptop.session.unacked.m);
    assert.deepEqual(pushed(), []);
    await rig.end(laptop);
    await write('waits');
    assert.equal(pushed().length, 1);
  });

  void it('an inactive client that acknowledges is told nothing, one that does not is', async () => {
    phone.session.enabled = { n: 0, m: 0 };
    const say = async (inactive: boolean) => {
      phone.session.account.mailbox.run(() => indicate(phone.session, inactive));
      await rig.still();
    };
    await say(true);
    await write('one');
    phone.session.acknowledge(phone.session.unacked.m);
    await passTime();
    assert.deepEqual(pushed(), []);
    await write('two');
    await passTime();
    assert.equal(pushed().length, 1);
  });

  void it('many messages are told together', async () => {
    await detach(phone);
    await write('1');
    await write('2');
    await write('3');
    assert.equal(pushed().length, 1);
    await passTime();
    const [iq, more] = pushed();
    assert.equal(more, undefined);
    assert.match(JSON.stringify(iq), /"3"/);
    await passTime();
    assert.deepEqual(pushed(), []);
  });

  void it('an error ends the registration, a passing one does not (§7.1)', async () => {
    await detach(phone);
    await write('1');
    const [first] = pushed();
    // Nobody but the service may say so.
    await b.says(
      `<iq type="error" to="${alice}" id="${first!.attrs['id']}">${failure('item-not-found')}</iq>`,
    );
    assert.ok(stored().pushes !== null);
    await answer(first!, failure('resource-constraint', 'wait'));
    assert.ok(stored().pushes !== null);
    await write('2');
    await passTime();
    const [second] = pushed();
    await answer(second!, failure('item-not-found'));
    assert.equal(stored().pushes, null);
    await write('3');
    await passTime();
    assert.deepEqual(pushed(), []);
  });

  void it('a service that is not there ends it, too', async () => {
    await rig.end(service);
    await detach(phone);
    await write('1');
    assert.equal(stored().pushes, null);
  });

  void it('is enabled once for each node, bounded, and disabled by node or service (§5, §6)', async () => {
    const nodes = () =>
      stored().pushes === null
        ? []
        : (JSON.parse(stored().pushes!) as { n?: string; f?: string }[]).map(
            ({ n, f }) => `${n}${f === undefined ? '' : '+'}`,
          );
    assert.deepEqual(nodes(), ['n1+']);
    await phone.asks('set', enable('CAROL@example.org/app', 'n1'));
    assert.deepEqual(nodes(), ['n1'], 'the last request counts');
    for (const node of ['n2', "n3'; drop table account; --", 'n&lt;4'])
      // oxlint-disable-next-line no-await-in-loop -- in order
      await phone.asks('set', enable(app, node));
    assert.deepEqual(nodes(), ['n2', "n3'; drop table account; --", 'n<4'], 'the oldest makes room');
    await phone.asks('set', disable(app, 'n2'));
    assert.equal(nodes().length, 2);
    await phone.asks('set', disable('other.example'));
    assert.equal(nodes().length, 2);
    await phone.asks('set', disable(app));
    assert.deepEqual(nodes(), []);
    assert.match((await phone.asks('set', disable(app))).join(), /type="result"/);
  });

  void it('refuses what is none', async () => {
    for (const [payload, condition] of [
      [`<enable xmlns="${NS.push}"/>`, 'bad-request'],
      [`<disable xmlns="${NS.push}" node="n"/>`, 'bad-request'],
      [enable('@', 'n'), 'jid-malformed'],
      [enable(app, 'n'.repeat(fixed.pushNode.value + 1)), 'not-acceptable'],
      [enable(app, 'n', secret + secret), 'bad-request'],
      [enable(app, 'n', secret.replace(NS.pubsubPublishOptions, 'urn:other')), 'bad-request'],
      [enable(app, 'n', secret.replace('s3', 's'.repeat(fixed.pushForm.value))), 'not-acceptable'],
    ] as const) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      const answers = await phone.asks('set', payload);
      assert.match(answers.at(-1)!, new RegExp(`<${condition} `), payload.slice(0, 200));
    }
  });

  void it('a service elsewhere, one that is a host, and none that we cannot reach', async () => {
    await phone.asks('set', disable(app));
    await phone.asks('set', enable('push.far.example', 'f'));
    await phone.asks('set', enable('bot@far.example', 'g'));
    await phone.asks('set', enable('bot@far.example/x', 'h'));
    await detach(phone);
    rig.passed.splice(0);
    await write('1');
    const to = rig.passed.map((text) => parseStored(text).attrs['to']);
    assert.deepEqual(to, ['bot@far.example', 'bot@far.example/x']);
    await rig.passes(
      'alice',
      `<iq type="error" from="bot@far.example" to="${alice}" id="${parseStored(rig.passed[0]!).attrs['id']}">${failure('forbidden', 'auth')}</iq>`,
    );
    assert.ok(!stored().pushes!.includes('"g"'));
    assert.ok(stored().pushes!.includes('push.far.example'), 'what cannot be asked is kept');
  });

  void it('a message whose owner died before it told anybody is told of by the next one', async () => {
    await rig.end(phone);
    // As if it had died before the word was out.
    const account = await rig.account('alice');
    account.push!.close();
    account.push = undefined;
    await write('committed');
    assert.deepEqual(pushed(), []);
    await rig.restart();
    const found: string[] = [];
    for await (const address of untold(rig.volume, rig.partition.id)) found.push(address);
    assert.deepEqual(found, [alice]);
    service = rig.attach((await rig.account('carol')).sessions[0]!);
    await rig.account('alice');
    await rig.still();
    assert.equal(pushed().length, 1);
    await rig.restart();
    await rig.still();
    const again: string[] = [];
    for await (const address of untold(rig.volume, rig.partition.id)) again.push(address);
    assert.deepEqual(again, [], 'and not again');
  });

  void it('nothing is told to whom the account blocks', async () => {
    await phone.asks('set', `<block xmlns="${NS.blocking}"><item jid="carol@example.org"/></block>`);
    await detach(phone);
    await write('1');
    assert.deepEqual(pushed(), []);
  });

  void it('an account without registrations has nothing of it', async () => {
    assert.equal((await rig.account('bob')).push, undefined);
  });
});
