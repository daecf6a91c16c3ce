import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { carriedOf } from '../../src/account/carry.ts';
import { indicate, waitingKey } from '../../src/account/csi.ts';
import { Muxes } from '../../src/account/muxes.ts';
import type { Partition } from '../../src/account/partition.ts';
import { fixed } from '../../src/base/fixed.ts';
import type { Owned } from '../../src/entity/owned.ts';
import { NS } from '../../src/xmpp/namespaces.ts';
import { parseStored } from '../../src/xmpp/parser.ts';
import { Rig, type Client } from './rig.ts';

const alice = 'alice@example.org';
const bob = 'bob@example.org';
const state = (name: string) => `<${name} xmlns="${NS.chatstates}"/>`;
const event = (node: string, id: string) =>
  `<event xmlns="${NS.pubsubEvent}"><items node="${node}"><item id="${id}"/></items></event>`;

void describe('what may wait for an inactive client (XEP-0352 §3.2)', () => {
  const key = (inner: string, attrs = `type="chat" from="${bob}/d"`) =>
    waitingKey(parseStored(`<message to="${alice}/p" ${attrs}>${inner}</message>`), alice);
  for (const [what, inner, attrs, waits] of [
    ['a chat state', state('composing'), undefined, true],
    [
      'with a thread and hints',
      `<thread>t</thread>${state('gone')}<no-store xmlns="${NS.hints}"/>`,
      undefined,
      true,
    ],
    ['an event of a contact', event('urn:x', '1'), `type="headline" from="${bob}"`, true],
    ['an event of oneself', event('urn:x', '1'), `type="headline" from="${alice}"`, false],
    ['a body', `<body>x</body>${state('active')}`, undefined, false],
    ['a call', '<propose xmlns="urn:xmpp:jingle-message:0" id="c"/>', undefined, false],
    ['an error', state('active'), `type="error" from="${bob}/d"`, false],
    ['a marker', `<displayed xmlns="${NS.markers}" id="1"/>`, undefined, false],
    ['what nobody knows', `<x xmlns="urn:other"/>${state('active')}`, undefined, false],
    ['nothing', '', undefined, false],
  ] as const)
    void it(what, () => assert.equal(key(inner, attrs) !== undefined, waits));

  void it('the newest state of a conversation, each item of a node', () => {
    assert.equal(key(state('composing')), key(state('paused')));
    assert.notEqual(key(event('n', '1')), key(event('n', '2')));
    assert.equal(key(event('n', '1')), key(event('n', '1')));
  });
});

void describe('an inactive client (XEP-0352)', () => {
  let rig: Rig;
  let a: Client;
  let b: Client;
  beforeEach(async () => {
    rig = await Rig.open();
    a = await rig.login('alice', 'phone');
    b = await rig.login('bob', 'desk');
    await a.says(`<presence type="subscribe" to="${bob}"/>`);
    await b.says(`<presence type="subscribed" to="${alice}"/>`);
    a.take();
    b.take();
  });
  afterEach(() => rig.close());
  const say = async (client: Client, inactive: boolean) => {
    client.session.account.mailbox.run(() => indicate(client.session, inactive));
    await rig.still();
  };
  const quietly = async (show: string) => {
    await b.says(`<presence><show>${show}</show></presence>`);
    return a.take();
  };

  void it('sees the newest presence of each resource when it is active again', async () => {
    await say(a, true);
    const desk2 = await rig.login('bob', 'desk2');
    assert.deepEqual([await quietly('away'), await quietly('dnd'), await quietly('xa')], [[], [], []]);
    await desk2.says('<presence type="unavailable"/>');
    await say(a, false);
    const got = a.take();
    assert.equal(got.length, 2, got.join());
    assert.match(got[0]!, /from="bob@example.org\/desk"[^>]*><show>xa<\/show>/);
    assert.match(
      got[1]!,
      /type="unavailable" from="bob@example.org\/desk2"|from="bob@example.org\/desk2" type="unavailable"/,
    );
    assert.match((await quietly('chat')).join(), /chat/, 'nothing waits any more');
  });

  void it('gets what is important at once, behind what waited', async () => {
    await say(a, true);
    await quietly('away');
    await b.says(`<message to="${alice}" type="chat">${state('composing')}</message>`);
    await b.says(`<message to="${alice}" type="chat">${state('paused')}</message>`);
    assert.deepEqual(a.take(), []);
    await b.says(`<message to="${alice}" type="chat"><body>now</body></message>`);
    const got = a.take();
    assert.deepEqual(
      got.map((text) => /away|composing|paused|now/.exec(text)?.[0]),
      ['away', 'paused', 'now'],
    );
    await quietly('dnd');
    // §5.1: the answer comes behind what waited.
    assert.match((await a.asks('get', `<ping xmlns="${NS.ping}"/>`)).join(), /dnd.*type="result"/s);
  });

  void it('subscription requests, requests and errors do not wait', async () => {
    await say(a, true);
    const carol = await rig.login('carol', 'c');
    await carol.says(`<presence type="subscribe" to="${alice}"/>`);
    assert.match(a.take().join(), /type="subscribe"/);
    await carol.says(`<iq type="get" id="p" to="${alice}/phone"><ping xmlns="${NS.ping}"/></iq>`);
    assert.match(a.take().join(), /<ping /);
    await rig.passes(
      'alice',
      `<message type="error" from="${bob}/x" to="${alice}/phone">${state('active')}</message>`,
    );
    assert.match(a.take().join(), /type="error"/);
  });

  void it('carbons of states wait, those of messages do not', async () => {
    const laptop = await rig.login('alice', 'laptop');
    await a.asks('set', `<enable xmlns="${NS.carbons}"/>`);
    a.take();
    await say(a, true);
    await laptop.says(`<message to="${bob}/desk" type="chat">${state('composing')}</message>`);
    assert.deepEqual(a.take(), []);
    await laptop.says(`<message to="${bob}/desk" type="chat"><body>x</body></message>`);
    assert.deepEqual(
      a.take().map((text) => /composing|body/.exec(text)?.[0]),
      ['composing', 'body'],
    );
  });

  void it('what waits is bounded: then everything is sent', async () => {
    await say(a, true);
    const { value } = fixed.lull;
    for (let i = 0; i <= value; i++)
      // oxlint-disable-next-line no-await-in-loop -- in order
      await rig.passes('alice', `<presence from="${bob}/r${i}" to="${alice}"/>`);
    const got = a.take();
    assert.equal(got.length, value + 1);
    assert.match(got.at(-1)!, new RegExp(`/r${value}"`));
  });

  void it('big ones, too', async () => {
    await say(a, true);
    const big = `<status>${'x'.repeat(fixed.lullCharacters.value)}</status>`;
    await rig.passes('alice', `<presence from="${bob}/r" to="${alice}">${big}</presence>`);
    assert.equal(a.take().length, 1);
  });

  void it('what a room says once does not wait (XEP-0045)', async () => {
    await say(a, true);
    const room = (status: string) =>
      `<presence from="r@conference.example.org/n" to="${alice}/phone" type="unavailable"><x xmlns="${NS.mucUser}">${status}</x></presence>`;
    await rig.passes('alice', room('<item role="none"/>'));
    assert.deepEqual(a.take(), []);
    await rig.passes('alice', room('<status code="307"/>'));
    assert.equal(a.take().length, 2);
  });

  void it('is so at the next owner, which has what was held back (hand-over)', async () => {
    await say(a, true);
    await quietly('away');
    const [carried] = carriedOf(rig.partition).filter(({ session }) => session === a.session.id);
    assert.match(carried!.record!.unacked.map(({ text }) => text).join(), /away/);
    assert.match(carried!.record!.record, /"i":1/);
  });

  // The stream begins as an active one (§5.2); what its client said on the one before waited longer than it.
  void it('is active once it is resumed, whatever comes of the link before', async () => {
    const { session } = a;
    const { account, partition } = session;
    const muxes = new Muxes(partition.env, { in: () => partition } as unknown as Owned<Partition>);
    const { generation } = session;
    let go = () => {};
    account.mailbox.run(() => new Promise<void>((resolve) => (go = resolve)));
    account.mailbox.run(() => {
      session.mux = 'mux/2';
      session.generation += 1;
    });
    const frame = { partition: partition.id, epoch: partition.epoch, session: session.id, generation };
    muxes.receive('mux/1', { ...frame, t: 'csi', inactive: true });
    go();
    await rig.still();
    assert.equal(session.lull, undefined);
  });

  void it('after a crash the presence comes again (invariant 9)', async () => {
    await say(a, true);
    await quietly('away');
    await rig.restart();
    const session = (await rig.account('alice')).sessions[0]!;
    assert.ok(session.lull !== undefined, 'it is in the record');
    const again = rig.attach(session);
    const other = (await rig.account('bob')).sessions[0]!;
    rig.attach(other);
    rig.partition.refresher.refresh(session);
    await rig.still();
    await say(again, false);
    assert.match(again.take().join(), /from="bob@example.org\/desk"[^>]*><show>away/);
  });
});
