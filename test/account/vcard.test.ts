import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { befriend } from './friends.ts';
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

  it('the server has one (§3.3)', async () => {
    assert.match((await get(alice, 'example.org'))!, /<FN>example.org<\/FN>/);
  });
});
