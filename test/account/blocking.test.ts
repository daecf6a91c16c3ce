import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { Blocks } from '../../src/account/blocks.ts';
import { Jid } from '../../src/xmpp/jid.ts';
import { NS } from '../../src/xmpp/namespaces.ts';
import { Work } from '../../src/account/work.ts';
import { faulty, Rig, type Client } from './rig.ts';

const items = (...jids: string[]) => jids.map((jid) => `<item jid="${jid}"/>`).join('');
const block = (...jids: string[]) => `<block xmlns="${NS.blocking}">${items(...jids)}</block>`;
const unblock = (...jids: string[]) => `<unblock xmlns="${NS.blocking}">${items(...jids)}</unblock>`;
const list = `<blocklist xmlns="${NS.blocking}"/>`;
const chat = (to: string, id: string, more = '') =>
  `<message to="${to}" type="chat" id="${id}"><body>${id}</body>${more}</message>`;
const bob = 'bob@example.org';
const alice = 'alice@example.org';
/** What comes of it to who says it. */
async function heard(client: Client, xml: string): Promise<string[]> {
  await client.says(xml);
  return client.take();
}

const blockedError = /type="error".*<not-acceptable [^>]*\/><blocked xmlns="urn:xmpp:blocking:errors"\/>/;
const unavailable = /type="error".*<service-unavailable /;

void describe('which addresses match (XEP-0191 §5)', () => {
  for (const [entry, address, matches] of [
    ['bob@x.example', 'bob@x.example', true],
    ['bob@x.example', 'bob@x.example/a', true],
    ['bob@x.example/a', 'bob@x.example/a', true],
    ['bob@x.example/a', 'bob@x.example/b', false],
    ['bob@x.example/a', 'bob@x.example', false],
    ['x.example', 'bob@x.example/a', true],
    ['x.example', 'x.example', true],
    ['x.example', 'x.example/a', true],
    ['x.example', 'bob@sub.x.example', false],
    ['x.example/a', 'x.example/a', true],
    ['x.example/a', 'x.example', false],
    ['x.example/a', 'bob@x.example/a', false],
  ] as const)
    void it(`${entry} ${matches ? 'is' : 'is not'} ${address}`, () =>
      assert.equal(new Blocks(1, [entry]).has(Jid.parse(address)!), matches));
});

void describe('the blocklist (XEP-0191 §3)', () => {
  let rig: Rig;
  let phone: Client;
  let laptop: Client;
  beforeEach(async () => {
    rig = await Rig.open({ blocked: 5 });
    phone = await rig.login('alice', 'phone');
    laptop = await rig.login('alice', 'laptop');
    phone.take();
  });
  afterEach(() => rig.close());

  void it('is empty, then has what was blocked, over a change of owner', async () => {
    assert.match((await phone.asks('get', list))[0]!, /<blocklist xmlns="urn:xmpp:blocking"\/>/);
    await phone.asks('set', block('Bob@Example.ORG', 'evil.example'));
    await rig.restart();
    phone = await rig.bind('alice', 'phone2');
    const [told] = await phone.asks('get', list);
    assert.match(told!, /<item jid="bob@example.org"\/><item jid="evil.example"\/>/);
    await phone.asks('set', unblock());
    assert.match((await phone.asks('get', list))[0]!, /<blocklist xmlns="urn:xmpp:blocking"\/>/);
  });

  void it('tells changes to the resources that asked for it, and to no other', async () => {
    await laptop.asks('get', list);
    laptop.take();
    const own = await phone.asks('set', block(bob));
    assert.equal(own.length, 1, 'the phone did not ask for the list');
    assert.match(own[0]!, /type="result"/);
    const [push] = laptop.take();
    assert.match(push!, /<iq type="set" id="[^"]+" to="alice@example.org\/laptop">/);
    assert.ok(push!.includes(block(bob)), push);
    await phone.asks('set', unblock(bob));
    assert.ok(laptop.take()[0]!.includes(unblock(bob)));
    await phone.asks('set', unblock());
    assert.match(laptop.take()[0]!, /<unblock xmlns="urn:xmpp:blocking"\/>/);
  });

  void it('refuses what is none', async () => {
    for (const [payload, condition] of [
      [`<block xmlns="${NS.blocking}"/>`, 'bad-request'],
      [`<block xmlns="${NS.blocking}"><item/></block>`, 'bad-request'],
      [block('@'), 'jid-malformed'],
      [block("a@b/&lt;'; drop table account; --", 'c@d/x&amp;y'), undefined],
      [block('1@x', '2@x', '3@x', '4@x', '5@x', '6@x'), 'policy-violation'],
    ] as const) {
      const [answer] = await phone.asks('set', payload);
      if (condition === undefined) assert.match(answer!, /type="result"/);
      else assert.match(answer!, new RegExp(`<${condition} `));
    }
    const [told] = await phone.asks('get', list);
    assert.ok(told!.includes(`jid="a@b/&lt;'; drop table account; --"`), told);
    assert.ok(!told!.includes('1@x'), 'a block that was refused changes nothing');
  });

  void it('is what it was where the change could not be stored', async () => {
    const account = await rig.account('alice');
    await phone.asks('set', block(bob));
    const failing = new Work(account);
    failing.write(faulty, [rig.partition.id]);
    failing.commit();
    // Behind it in the lane: not to be forgotten when the account is read again.
    phone.send(`<iq type="set" id="l">${block('carol@example.org')}</iq>`);
    await rig.still();
    assert.deepEqual([...account.blocks!.jids], [bob, 'carol@example.org']);
    const undone = new Work(account);
    account.blocks = new Blocks(9, ['eve@x.example']);
    undone.write(faulty, [rig.partition.id]);
    undone.commit();
    await rig.still();
    phone.take();
    await phone.asks('get', list);
    const told = phone.take().join();
    assert.match(told, /bob@example.org.*carol@example.org/);
    assert.ok(!told.includes('eve@'), told);
  });
});

void describe('blocked', () => {
  let rig: Rig;
  let a: Client;
  let b: Client;
  beforeEach(async () => {
    rig = await Rig.open();
    a = await rig.login('alice', 'phone');
    b = await rig.login('bob', 'desk');
    await heard(a, `<presence type="subscribe" to="${bob}"/>`);
    await heard(b, `<presence type="subscribed" to="${alice}"/>`);
    await heard(b, `<presence type="subscribe" to="${alice}"/>`);
    await heard(a, `<presence type="subscribed" to="${bob}"/>`);
    a.take();
    b.take();
  });
  afterEach(() => rig.close());
  const both = (): string[] => [...a.take(), ...b.take()];

  void it('messages end in errors on both sides, and leave nothing behind', async () => {
    await a.asks('set', block(bob));
    both();
    assert.match((await heard(a, chat(bob, 'out')))[0]!, blockedError);
    assert.match((await heard(b, chat(alice, 'in')))[0]!, unavailable);
    assert.match((await heard(b, chat(`${alice}/phone`, 'in2')))[0]!, unavailable);
    assert.match(
      (
        await heard(b, `<message to="${alice}" type="chat"><composing xmlns="${NS.chatstates}"/></message>`)
      )[0]!,
      unavailable,
    );
    for (const type of ['groupchat', 'headline', 'error'])
      assert.deepEqual(
        await heard(b, `<message to="${alice}/phone" type="${type}"><body>x</body></message>`),
        [],
        type,
      );
    // Errors are never answered.
    assert.deepEqual(await heard(a, `<message to="${bob}" type="error"><body>x</body></message>`), []);
    assert.deepEqual(both(), []);
    const rows = rig.model.rows(
      `select m.id from message m join account a on a.id = m.account and a.partition = m.partition
       where a.address = ?1 and m.peer = ?2 and m.kind <> 2`,
      alice,
      bob,
    );
    assert.equal(rows.length, 0, 'neither the archive nor the spool has any of it');
  });

  void it('requests are refused, answers are dropped', async () => {
    await a.asks('set', block(bob));
    both();
    const ping = (to: string) => `<iq type="get" id="p" to="${to}"><ping xmlns="${NS.ping}"/></iq>`;
    assert.match((await heard(a, ping(`${bob}/desk`)))[0]!, blockedError);
    assert.match((await heard(a, ping(bob)))[0]!, blockedError);
    assert.match((await heard(b, ping(`${alice}/phone`)))[0]!, unavailable);
    for (const payload of [
      `<query xmlns="${NS.discoInfo}"/>`,
      // Everybody else is answered without a look at the account.
      `<query xmlns="${NS.discoItems}"/>`,
      `<query xmlns="${NS.mam}"/>`,
      `<vCard xmlns="${NS.vcard}"/>`,
      `<pubsub xmlns="${NS.pubsub}"><items node="x"/></pubsub>`,
    ])
      assert.match(
        (await heard(b, `<iq type="get" id="v" to="${alice}">${payload}</iq>`))[0]!,
        unavailable,
        payload,
      );
    assert.deepEqual(await heard(b, `<iq type="result" id="p" to="${alice}/phone"/>`), []);
    assert.deepEqual(await heard(a, `<iq type="result" id="p" to="${bob}/desk"/>`), []);
    assert.deepEqual(both(), []);
    // Oneself and the server stay within reach.
    assert.match((await heard(a, ping('example.org')))[0]!, /type="result"/);
  });

  void it('whoever is blocked sees the account go, and come back', async () => {
    await a.asks('set', block(bob));
    assert.match(
      b.take().join(),
      /^<presence type="unavailable" from="alice@example.org\/phone" to="bob@example.org"\/>$/,
    );
    await heard(a, '<presence><show>away</show></presence>');
    await heard(b, '<presence><show>dnd</show></presence>');
    assert.ok(!a.take().join().includes('from="bob'), 'no presence of whom she blocked');
    assert.ok(!b.take().join().includes('from="alice'), 'no presence of who blocked him');
    assert.deepEqual(await heard(b, `<presence type="probe" to="${alice}"/>`), []);
    const again = await rig.login('bob', 'again');
    assert.ok(!again.inbox.join().includes('from="alice'));
    both();
    await a.asks('set', unblock(bob));
    assert.match(b.take().join(), /from="alice@example.org\/phone"[^>]*><show>away<\/show>/);
    assert.match(a.take().join(), /from="bob@example.org\/desk"[^>]*><show>dnd<\/show>/, 'what she missed');
  });

  void it('a resource can be blocked alone, and a domain', async () => {
    await a.asks('set', block(`${bob}/desk`));
    assert.match(b.take().join(), /type="unavailable" from="alice@example.org\/phone"/);
    assert.match((await heard(b, chat(alice, 'in')))[0]!, unavailable);
    const phone = await rig.login('bob', 'phone');
    assert.deepEqual(await heard(phone, chat(alice, 'through')), []);
    assert.match(a.take().join(), /through/);
    await a.asks('set', block('example.org'));
    assert.match((await heard(phone, chat(alice, 'not'))).join(), unavailable);
    // Never between one's own resources (XEP-0191 §4), though they are of that domain.
    const other = await rig.login('alice', 'other');
    a.take();
    await heard(other, chat(`${alice}/phone`, 'mine'));
    assert.match(a.take().join(), /mine/);
    assert.match((await a.asks('get', list))[0]!, /example.org/);
  });

  void it('directed presence goes neither way, and ends with the block', async () => {
    const carol = await rig.login('carol', 'c');
    await heard(a, '<presence to="carol@example.org"/>');
    assert.match(carol.take().join(), /from="alice@example.org\/phone"/);
    await a.asks('set', block('carol@example.org'));
    assert.match(carol.take().join(), /type="unavailable"/);
    a.take();
    assert.match((await heard(a, '<presence to="carol@example.org"/>')).join(), blockedError);
    assert.deepEqual(await heard(carol, `<presence to="${alice}/phone"/>`), []);
    assert.deepEqual([...a.take(), ...carol.take()], []);
    await heard(a, '<presence type="unavailable"/>');
    assert.deepEqual(carol.take(), []);
  });

  void it('subscriptions are neither asked nor granted, but may end', async () => {
    const carol = await rig.login('carol', 'c');
    await a.asks('set', block(bob, 'carol@example.org'));
    both();
    assert.match(
      (await heard(a, '<presence type="subscribe" to="carol@example.org"/>')).join(),
      blockedError,
    );
    assert.deepEqual(
      (await heard(carol, `<presence type="subscribe" to="${alice}"/>`)).filter(
        (text) => !text.startsWith('<iq'),
      ),
      [],
    );
    assert.deepEqual(a.take(), []);
    await rig.end(a);
    a = await rig.login('alice', 'phone');
    assert.ok(!a.inbox.join().includes('carol'), 'the request does not wait either');
    a.take();
    await heard(b, `<presence type="unsubscribe" to="${alice}"/>`);
    const told = a.take();
    assert.ok(
      told.every((text) => text.startsWith('<iq')),
      told.join(),
    );
    assert.equal(await rig.state('alice', bob), 'to');
    assert.equal(await rig.state('bob', alice), 'from');
  });

  void it('holds for what comes from elsewhere', async () => {
    const far = 'eve@far.example';
    await a.asks('set', block('far.example'));
    a.take();
    rig.passed.splice(0);
    for (const xml of [
      `<presence from="${far}/x" to="${alice}"/>`,
      `<presence type="probe" from="${far}" to="${alice}"/>`,
      `<message type="headline" from="${far}" to="${alice}"><event xmlns="${NS.pubsubEvent}"/></message>`,
      `<iq type="result" id="r" from="${far}/x" to="${alice}/phone"/>`,
    ])
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      await rig.passes('alice', xml);
    assert.deepEqual([a.take(), rig.passed], [[], []]);
    await rig.passes(
      'alice',
      `<iq type="get" id="r" from="${far}/x" to="${alice}/phone"><ping xmlns="${NS.ping}"/></iq>`,
    );
    assert.match(rig.passed.join(), unavailable);
    await rig.arrives('alice', `<presence type="subscribe" from="${far}" to="${alice}"/>`, {
      source: 9,
      n: 1,
      k: 0,
    });
    assert.deepEqual(a.take(), []);
    assert.equal(await rig.state('alice', far), 'none');
    assert.match((await heard(a, chat(far, 'out')))[0]!, blockedError);
    assert.equal(rig.letters.length, 0);
  });

  void it('holds between two partitions of one lane', async () => {
    await rig.add(rig.near, 77, 'nan', 'nan@near.example');
    await a.asks('set', block('nan@near.example'));
    a.take();
    assert.match((await heard(a, chat('nan@near.example', 'x'))).join(), blockedError);
    const nan = (await rig.near.account('nan@near.example'))!;
    nan.blocks = new Blocks(1, [bob]);
    b.take();
    assert.match((await heard(b, chat('nan@near.example', 'y'))).join(), unavailable);
    assert.equal(nan.spooled, 0);
  });

  void it('a new owner keeps it, tells again who is to see it go, and what clients missed', async () => {
    await a.asks('get', list);
    const told = a.session.record();
    await rig.add(rig.near, 77, 'nan', 'nan@near.example');
    await a.asks('set', block(bob));
    await rig.restart();
    const account = await rig.account('alice');
    const session = account.sessions[0]!;
    assert.equal(session.blocksSeen, 1);
    assert.notEqual(session.record(), told);
    const back = rig.attach(session);
    // As if the owner had died before it told the session.
    session.blocksSeen = 0;
    rig.partition.refresher.refresh(session);
    await rig.still();
    const texts = back.take().filter((text) => text.includes(NS.blocking));
    assert.equal(texts.length, 2);
    assert.match(texts[0]!, /<unblock xmlns="urn:xmpp:blocking"\/>/);
    assert.ok(texts[1]!.includes(block(bob)));
    b = await rig.bind('bob', 'fresh');
    assert.match((await heard(b, chat(alice, 'in')))[0]!, unavailable);
  });
});
