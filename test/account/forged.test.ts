import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { parseStored } from '../../src/xmpp/parser.ts';
import { NS } from '../../src/xmpp/namespaces.ts';
import type { Element } from '../../src/xmpp/element.ts';
import { Rig, type Client } from './rig.ts';

const alice = 'alice@example.org';
const bob = 'bob@example.org';
const body = '<body>O</body>';
const stanzaId = (by: string, id = 'forged') => `<stanza-id xmlns="${NS.sid}" by="${by}" id="${id}"/>`;
const occupantId = (id = 'forged') => `<occupant-id xmlns="${NS.occupantId}" id="${id}"/>`;
const delay = (from: string) => `<delay xmlns="${NS.delay}" from="${from}" stamp="2002-09-10T23:08:25Z"/>`;
const forwarded = (inner: string) =>
  `<forwarded xmlns="${NS.forward}"><message xmlns="${NS.client}" from="${bob}/x" to="${alice}">${inner}</message></forwarded>`;

/** Every element of these names, at any depth. */
function found(element: Element, ...names: string[]): Element[] {
  return element
    .elements(undefined)
    .flatMap((child) => [...(names.includes(child.name) ? [child] : []), ...found(child, ...names)]);
}

void describe('what a client says in the name of others (XEP-0359 §4, XEP-0421 §4, XEP-0203 §8)', () => {
  let rig: Rig;
  let a: Client;
  let b: Client;
  beforeEach(async () => {
    rig = await Rig.open();
    a = await rig.login('alice', 'phone');
    b = await rig.login('bob', 'desk');
    a.take();
    b.take();
  });
  afterEach(() => rig.close());

  /** What Bob gets of a message of Alice, and what the archives have of it. */
  async function sent(inner: string, type = 'chat'): Promise<Element> {
    await a.says(`<message to="${bob}/desk" type="${type}" id="m">${inner}</message>`);
    const got = b.take();
    assert.equal(got.length, 1, got.join());
    for (const { xml } of rig.model.rows<{ xml: string }>('select xml from message where xml <> ?1', ''))
      assert.ok(!xml.includes('forged'), xml);
    return parseStored(got[0]!);
  }

  for (const by of [
    alice,
    bob,
    'BOB@Example.org',
    `${bob}/desk`,
    'example.org',
    'conference.example.org',
    'room@conference.example.org',
    'a@deep.below.example.org',
    '',
    '@',
  ])
    void it(`stanza-id by "${by}"`, async () => {
      const got = await sent(body + stanzaId(by) + stanzaId(by));
      const ids = found(got, 'stanza-id');
      assert.deepEqual(
        ids.map(({ attrs }) => attrs['by']),
        [bob],
        'the recipient’s own, once',
      );
      assert.notEqual(ids[0]!.attrs['id'], 'forged');
    });

  void it('in any order, any number, at any depth', async () => {
    const got = await sent(
      stanzaId(bob) +
        occupantId() +
        forwarded(`${body}${stanzaId(bob)}${forwarded(stanzaId(alice) + occupantId())}`) +
        body +
        `<x xmlns="urn:other">${stanzaId('example.org')}${occupantId()}</x>` +
        occupantId() +
        stanzaId(alice),
    );
    assert.equal(found(got, 'stanza-id').length, 1);
    assert.equal(found(got, 'occupant-id').length, 0);
    assert.equal(found(got, 'forwarded').length, 2, 'the rest is as it was');
  });

  void it('those of others stay (XEP-0359 §4, rule 3)', async () => {
    const got = await sent(
      `${body}<stanza-id xmlns="${NS.sid}" by="room@far.example" id="theirs"/><origin-id xmlns="${NS.sid}" id="mine"/>` +
        '<stanza-id xmlns="urn:other" by="bob@example.org" id="other"/>',
    );
    assert.deepEqual(
      found(got, 'stanza-id', 'origin-id')
        .map(({ attrs }) => attrs['id'])
        .slice(0, 3),
      ['theirs', 'mine', 'other'],
    );
  });

  void it('also in what nobody stores, and in presence', async () => {
    const state = `<composing xmlns="${NS.chatstates}"/>`;
    const got = await sent(state + stanzaId(bob) + occupantId());
    assert.equal(found(got, 'stanza-id', 'occupant-id').length, 0);
    await a.says(`<presence to="${bob}/desk">${occupantId()}</presence>`);
    assert.ok(!b.take().join().includes('occupant-id'));
  });

  void it('a delay in the name of the server', async () => {
    const got = await sent(
      body + delay('example.org') + delay(`${bob}`) + delay('room@conference.example.org') + delay(alice),
    );
    assert.deepEqual(
      found(got, 'delay').map(({ attrs }) => attrs['from']),
      [alice],
      'her own is hers to say',
    );
    const wrapped = await sent(body + forwarded(delay('example.org')));
    assert.equal(found(wrapped, 'delay').length, 1, 'what she forwards was delayed once');
  });

  void it('from outside: what is said in the recipient’s name', async () => {
    for (const type of ['chat', 'headline']) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      await rig.passes(
        'alice',
        `<message from="eve@far.example/x" to="${alice}/phone" type="${type}">${stanzaId(alice)}${stanzaId('far.example', 'real')}${delay('example.org')}${body}${forwarded(stanzaId(alice))}</message>`,
      );
      const got = parseStored(a.take()[0]!);
      assert.deepEqual(
        found(got, 'stanza-id').map(({ attrs }) => attrs['id']),
        ['real'],
      );
      assert.equal(found(got, 'delay').length, 0);
    }
  });

  void it('a forged carbon comes as what it is: a message of its sender (XEP-0280 §11)', async () => {
    const laptop = await rig.login('bob', 'laptop');
    for (const one of [b, laptop]) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      await one.asks('set', `<enable xmlns="${NS.carbons}"/>`);
      one.take();
    }
    const wrapper = `<received xmlns="${NS.carbons}">${forwarded(body)}</received>`;
    await a.says(`<message to="${bob}" type="chat" id="m">${body}${wrapper}</message>`);
    await a.says(`<message to="${bob}/desk" type="chat" id="m">${body}${wrapper}</message>`);
    assert.equal(laptop.inbox.length, 1, 'no copy of what looks like one');
    for (const text of [...b.take(), ...laptop.take()])
      assert.match(text, /^<message [^>]*from="alice@example.org\/phone"/);
    // Nor from one's own: only the account itself speaks as its bare address.
    await laptop.says(`<message from="${bob}" to="${bob}/desk" type="chat">${wrapper}</message>`);
    assert.match(b.take().join(), /^<message [^>]*from="bob@example.org\/laptop"/);
  });
});
