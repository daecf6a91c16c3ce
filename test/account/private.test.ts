import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { fixed } from '../../src/base/fixed.ts';
import { Rig, type Client } from './rig.ts';

const query = (inner: string) => `<query xmlns="jabber:iq:private">${inner}</query>`;
const condition = (texts: string[]) =>
  /<error type="(\w+)"><([\w-]+)/.exec(texts.join(''))?.slice(1).join(' ');

describe('private storage (XEP-0049)', () => {
  let rig: Rig;
  let alice: Client;
  beforeEach(async () => {
    rig = await Rig.open({ private: 10, privateBytes: 65_536 });
    alice = await rig.bind('alice', 'one');
  });
  afterEach(() => rig.close());

  const get = async (inner: string, who = alice) => {
    const [answer, ...more] = await who.asks('get', query(inner));
    assert.equal(more.length, 0);
    return /<query[^>]*>(.*)<\/query>/s.exec(answer!)?.[1] ?? answer!;
  };
  const set = (inner: string) => alice.asks('set', query(inner));
  const stored = () => rig.model.rows<{ rows: number }>('select count(*) as rows from private_xml')[0]!.rows;

  it('keeps any XML, also over the death of its owner, and for nobody else', async () => {
    const prefs =
      '<exodus xmlns="exodus:prefs" one="&quot;\'"><nick xml:lang="da">Hamlet &lt;\'); drop table vcard;--</nick><x xmlns="other"/></exodus>';
    assert.match((await set(prefs))[0]!, /^<iq type="result" id="q1" to="alice@example.org\/one"\/>$/);
    await rig.crash();
    alice = await rig.bind('alice', 'two');
    assert.equal(await get('<exodus xmlns="exodus:prefs"/>'), prefs);
    const bob = await rig.bind('bob', 'one');
    assert.equal(await get('<exodus xmlns="exodus:prefs"/>', bob), '<exodus xmlns="exodus:prefs"/>');
  });

  it('tells what was set a moment before', async () => {
    alice.send(`<iq type="set" id="a">${query('<a xmlns="n">1</a>')}</iq>`);
    alice.send(`<iq type="get" id="b">${query('<a xmlns="n"/>')}</iq>`);
    await rig.still();
    assert.match(alice.take().at(-1)!, /id="b".*<a xmlns="n">1<\/a>/);
  });

  it('replaces what has the name and the namespace, and asks for a namespace (§2.3)', async () => {
    await set('<a xmlns="n">1</a><a xmlns="n">2</a><b xmlns="n">3</b><a xmlns="m">4</a>');
    assert.equal(await get('<a xmlns="n"/>'), '<a xmlns="n">1</a><a xmlns="n">2</a><b xmlns="n">3</b>');
    assert.equal(await get('<b xmlns="n"/>'), '<b xmlns="n">3</b><a xmlns="n">1</a><a xmlns="n">2</a>');
    await set('<a xmlns="n">5</a>');
    assert.equal(await get('<a xmlns="n"/>'), '<a xmlns="n">5</a><b xmlns="n">3</b>');
    assert.equal(await get('<a xmlns="m"/>'), '<a xmlns="m">4</a>');
    await set('<a xmlns="n"/><b xmlns="n"/><a xmlns="m"/>');
    assert.equal(await get('<a xmlns="n"/>'), '<a xmlns="n"/>');
    assert.equal(stored(), 0, 'what is empty takes no room');
  });

  it('keeps annotations (XEP-0145)', async () => {
    const notes =
      '<storage xmlns="storage:rosternotes"><note jid="hamlet@shakespeare.lit" cdate="2004-09-24T15:23:21Z">Seems to be a good writer</note></storage>';
    await set(notes);
    assert.equal(await get('<storage xmlns="storage:rosternotes"/>'), notes);
  });

  it('refuses as the text says (§3)', async () => {
    for (const ask of [get, async (inner: string) => (await set(inner)).join('')]) {
      for (const inner of [
        '',
        '<a xmlns=""/>',
        '<a xmlns="jabber:iq:private"/>',
        '<vCard xmlns="vcard-temp"/>',
        '<x xmlns="http://jabber.org/protocol/muc"/>',
        `<a xmlns="${'n'.repeat(fixed.privateName.value + 1)}"/>`,
      ])
        assert.equal(condition([await ask(inner)]), 'modify not-acceptable', inner.slice(0, 50));
    }
    assert.equal(condition([await get('<a xmlns="n"/><a xmlns="m"/>')]), 'modify bad-request');
    assert.equal(stored(), 0);
  });

  it('of others nobody learns whether they exist (§2.3)', async () => {
    for (const name of ['bob', 'nobody'])
      for (const type of ['get', 'set'])
        assert.equal(
          condition(
            await alice.says(
              `<iq type="${type}" id="x${name}" to="${name}@example.org">${query('<a xmlns="n"/>')}</iq>`,
            ),
          ),
          'auth forbidden',
        );
  });

  it('is bounded in entries and bytes, and stays as it was', async () => {
    for (let i = 0; i < 10; i++) await set(`<a${i} xmlns="n">x</a${i}>`);
    assert.equal(condition(await set('<b xmlns="n">x</b>')), 'wait resource-constraint');
    assert.equal(
      condition(await set(`<a1 xmlns="n">${'x'.repeat(66_000)}</a1>`)),
      'wait resource-constraint',
    );
    assert.equal(stored(), 10);
    assert.match(await get('<a1 xmlns="n"/>'), /^<a1 xmlns="n">x<\/a1>/);
    await set('<a1 xmlns="n"/>');
    assert.match((await set('<b xmlns="n">x</b>'))[0]!, /type="result"/);
  });
});
