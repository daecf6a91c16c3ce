import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { removeAccount } from '../../src/account/remove.ts';
import { Work } from '../../src/account/work.ts';
import { NS } from '../../src/xmpp/namespaces.ts';
import { befriend } from './friends.ts';
import { png } from './images.ts';
import { Rig, type Client } from './rig.ts';

const ask = '<vCard xmlns="vcard-temp"/>';
const card = (inner: string) => `<vCard xmlns="vcard-temp">${inner}</vCard>`;
const condition = (texts: string[]) =>
  /<error type="(\w+)"><([\w-]+)/.exec(texts.join(''))?.slice(1).join(' ');

describe('vCards (XEP-0054)', () => {
  let rig: Rig;
  let alice: Client;
  let ids = 0;
  beforeEach(async () => {
    rig = await Rig.open({ vcard: 10_000 });
    alice = await rig.bind('alice', 'one');
  });
  afterEach(() => rig.close());

  const told = (texts: string[]) => {
    assert.equal(texts.length, 1);
    return /<vCard.*<\/vCard>|<vCard[^>]*\/>/s.exec(texts[0]!)?.[0] ?? condition(texts);
  };
  const get = async (who: Client, to?: string) =>
    told(await who.says(`<iq type="get" id="v${++ids}"${to === undefined ? '' : ` to="${to}"`}>${ask}</iq>`));

  it('are empty at first for oneself (§3.1), and missing like their owner for others (§3.3)', async () => {
    assert.equal(await get(alice), ask);
    assert.equal(await get(alice, 'alice@example.org'), ask);
    const bob = await rig.bind('bob', 'one');
    assert.equal(await get(bob, 'alice@example.org'), 'cancel service-unavailable');
    assert.equal(await get(bob, 'nobody@example.org'), 'cancel service-unavailable');
    await alice.asks('set', card('<FN>Alice</FN>'));
    await alice.asks('set', ask);
    assert.equal(await get(bob, 'alice@example.org'), 'cancel service-unavailable', 'emptied again');
  });

  it('are read by the world, whoever asks and whatever died', async () => {
    const text = card("<FN>Al'ice &lt;&amp;</FN><N><GIVEN>A</GIVEN></N><DESC>a\nb</DESC>");
    assert.match((await alice.asks('set', text))[0]!, /^<iq type="result" id="q1" to="[^"]+"\/>$/);
    await rig.crash();
    const bob = await rig.bind('bob', 'one');
    assert.equal(await get(bob, 'alice@example.org'), text);
    alice = await rig.bind('alice', 'two');
    assert.equal(await get(alice), text);
  });

  it('are written by their owner alone (§3.2)', async () => {
    await befriend(rig, 'alice', 'bob');
    const bob = await rig.bind('bob', 'one');
    for (const to of ['alice@example.org', 'nobody@example.org', 'example.org'])
      assert.equal(
        condition(await bob.says(`<iq type="set" id="s${++ids}" to="${to}">${card('<FN>x</FN>')}</iq>`)),
        'auth forbidden',
        to,
      );
    assert.equal(await get(alice), ask);
  });

  it('are bounded', async () => {
    await alice.asks('set', card('<FN>Alice</FN>'));
    const long = card(`<DESC>${'&lt;'.repeat(2_500)}</DESC>`);
    assert.equal(condition(await alice.asks('set', long)), 'modify policy-violation');
    assert.equal(await get(alice), card('<FN>Alice</FN>'));
  });

  it('that of XEP-0292 is an item that clients publish, and another thing', async () => {
    const four = '<vcard xmlns="urn:ietf:params:xml:ns:vcard-4.0"><fn><text>A</text></fn></vcard>';
    const pubsub = (inner: string) => `<pubsub xmlns="${NS.pubsub}">${inner}</pubsub>`;
    await alice.asks('set', pubsub(`<publish node="urn:xmpp:vcard4"><item id="x">${four}</item></publish>`));
    const [items] = await alice.asks('get', pubsub('<items node="urn:xmpp:vcard4"/>'));
    assert.ok(items!.includes(`<item id="x">${four}</item>`));
    assert.equal(await get(alice), ask);
  });

  it('go with their account, as all that it said of itself', async () => {
    const image = png(2, 2);
    await alice.asks('set', card(`<FN>A</FN><PHOTO><BINVAL>${image.toString('base64')}</BINVAL></PHOTO>`));
    const storage = '<storage xmlns="storage:bookmarks"><conference jid="a@b"/></storage>';
    await alice.asks('set', `<query xmlns="jabber:iq:private"><a xmlns="n">1</a>${storage}</query>`);
    const left = () =>
      ['vcard', 'private_xml', 'pubsub_item'].map(
        (table) => rig.model.rows<{ rows: number }>(`select count(*) as rows from ${table}`)[0]!.rows,
      );
    assert.deepEqual(left(), [1, 1, 4]);
    const account = await rig.account('alice');
    Object.assign(rig.partition.env, { directory: { remove: () => Promise.resolve() } });
    const work = new Work(account);
    await removeAccount(account, work);
    work.commit();
    await rig.still();
    assert.deepEqual(left(), [0, 0, 0]);
  });

  it('the server has one (§3.3)', async () => {
    assert.match((await get(alice, 'example.org'))!, /<FN>example.org<\/FN>/);
  });
});
