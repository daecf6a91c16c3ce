import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { Item } from '../../src/account/item.ts';
import { refresh } from '../../src/account/presence.ts';
import { receiveBetween } from '../../src/account/pubsub/between.ts';
import { items, publish as keepItem } from '../../src/account/pubsub/pep.ts';
import { change, loaded } from '../../src/account/roster.ts';
import { Work } from '../../src/account/work.ts';
import { NS } from '../../src/xmpp/namespaces.ts';
import { parseStored } from '../../src/xmpp/parser.ts';
import { faulty, Rig, type Client } from './rig.ts';

const tune = 'urn:tune';
const mood = 'urn:mood';

/** A client's disco#info, and the annotation that stands for it. */
function client(...nodes: string[]): { readonly c: string; readonly info: string; readonly ver: string } {
  const features = [NS.caps, NS.discoInfo, ...nodes.map((node) => `${node}+notify`)].sort();
  const text = `client/pc//Test<${features.map((feature) => `${feature}<`).join('')}`;
  const ver = createHash('sha1').update(text).digest('base64');
  return {
    ver,
    c: `<c xmlns="${NS.caps}" hash="sha-1" node="urn:client" ver="${ver}"/>`,
    info:
      '<identity category="client" type="pc" name="Test"/>' +
      features.map((feature) => `<feature var="${feature}"/>`).join(''),
  };
}

const publish = (node: string, id: string, text = id, options: Record<string, string> = {}): string => {
  const fields = Object.entries(options).map(
    ([name, value]) => `<field var="pubsub#${name}"><value>${value}</value></field>`,
  );
  const form =
    fields.length === 0
      ? ''
      : `<publish-options><x xmlns="${NS.dataForms}" type="submit"><field var="FORM_TYPE"><value>${NS.pubsubPublishOptions}</value></field>${fields.join('')}</x></publish-options>`;
  return `<pubsub xmlns="${NS.pubsub}"><publish node="${node}"><item id="${id}"><x xmlns="${node}">${text}</x></item></publish>${form}</pubsub>`;
};
const events = (texts: readonly string[]): string[] =>
  texts
    .filter((text) => text.startsWith('<message') && text.includes(NS.pubsubEvent))
    .map((text) => {
      const [, sender] = / from="([^"]+)"/.exec(text)!;
      const [, node] = / node="([^"]+)"/.exec(text)!;
      const [, what, id] = /<(item|retract) id="([^"]+)"/.exec(text)!;
      return `${sender!} ${node!} ${what === 'retract' ? '-' : ''}${id!}`;
    })
    .sort();

void describe('personal eventing (XEP-0163)', () => {
  let rig: Rig;
  let ids = 0;
  beforeEach(async () => {
    rig = await Rig.open({}, ['alice', 'bob', 'carol', 'dave']);
  });
  afterEach(() => rig.close());

  async function roster(
    local: string,
    contact: string,
    subscription: 'none' | 'to' | 'from' | 'both',
    groups: string[] = [],
  ) {
    const account = await rig.account(local);
    await loaded(account);
    const work = new Work(account);
    change(work, account, Item.unknown(contact).with({ subscription, groups }));
    work.commit();
    await rig.still();
  }
  async function friends(one: string, other: string) {
    await roster(one, `${other}@example.org`, 'both');
    await roster(other, `${one}@example.org`, 'both');
  }
  /** Says what a client of this kind is when it is asked; returns what else came. */
  async function answer(session: Client, info: string): Promise<string[]> {
    const question = session.inbox.findIndex((text) => text.startsWith('<iq') && text.includes(NS.discoInfo));
    if (question < 0) return session.take();
    const [, id] = / id="([^"]+)"/.exec(session.inbox[question]!)!;
    const [, node] = / node="([^"]+)"/.exec(session.inbox[question]!)!;
    session.inbox.splice(question, 1);
    await session.says(
      `<iq type="result" id="${id}" to="${session.session.account.address}"><query xmlns="${NS.discoInfo}" node="${node}">${info}</query></iq>`,
    );
    return session.take();
  }
  /** Online with a client that wants these nodes; what came with it. */
  async function online(local: string, resource: string, ...nodes: string[]): Promise<[Client, string[]]> {
    const one = await rig.bind(local, resource);
    const { c, info } = client(...nodes);
    await one.says(`<presence>${c}</presence>`);
    return [one, await answer(one, info)];
  }
  const set = (session: Client, payload: string, to = '') =>
    session.says(`<iq type="set" id="p${++ids}"${to === '' ? '' : ` to="${to}"`}>${payload}</iq>`);
  const get = async (session: Client, payload: string, to: string) => {
    const id = `g${++ids}`;
    const got = await session.says(`<iq type="get" id="${id}" to="${to}">${payload}</iq>`);
    return got.find((text) => text.includes(`id="${id}"`))!;
  };

  void it('tells contacts that want it, and no others (§4.3)', async () => {
    await friends('alice', 'bob');
    await friends('alice', 'carol');
    await roster('alice', 'dave@example.org', 'to');
    await roster('dave', 'alice@example.org', 'from');
    const [alice] = await online('alice', 'a', tune);
    const [other] = await online('alice', 'b', mood);
    const [bob] = await online('bob', 'b', tune);
    const [carol] = await online('carol', 'c', mood);
    const [dave] = await online('dave', 'd', tune);
    alice.take();
    other.take();
    const got = await set(alice, publish(tune, '1'));
    // §4.3.3: also to the account's own clients, to the one that published, too.
    assert.deepEqual(events(got), ['alice@example.org urn:tune 1']);
    assert.deepEqual(events(bob.inbox), ['alice@example.org urn:tune 1']);
    assert.match(bob.inbox[0]!, /^<message to="bob@example.org\/b" from="alice@example.org" type="headline"/);
    for (const one of [other, carol, dave]) assert.deepEqual(events(one.inbox), []);
    await set(
      alice,
      `<pubsub xmlns="${NS.pubsub}"><retract node="${tune}" notify="1"><item id="1"/></retract></pubsub>`,
    );
    assert.deepEqual(events(bob.inbox), ['alice@example.org urn:tune -1', 'alice@example.org urn:tune 1']);
  });

  void it('tells the last items to who comes online, also of contacts who are away (§4.3.4)', async () => {
    await friends('alice', 'bob');
    const [alice] = await online('alice', 'a');
    await set(alice, publish(tune, '1'));
    await set(alice, publish(mood, 'm'));
    await set(alice, publish('urn:quiet', 'q', 'q', { send_last_published_item: 'never' }));
    await rig.end(alice);
    await rig.crash();
    const [, got] = await online('bob', 'b', tune, 'urn:quiet');
    assert.deepEqual(events(got), ['alice@example.org urn:tune 1']);
    assert.match(
      got.find((text) => text.includes('urn:tune'))!,
      / to="bob@example.org\/b".*<delay xmlns="urn:xmpp:delay"/,
    );
    const [, again] = await online('alice', 'a2', mood);
    assert.deepEqual(events(again), ['alice@example.org urn:mood m']);
  });

  void it('presence that says the same again brings nothing again; another hash brings what is new', async () => {
    const [alice] = await online('alice', 'a', tune);
    await set(alice, publish(tune, '1'));
    await set(alice, publish(mood, 'm'));
    alice.take();
    await alice.says(`<presence>${client(tune).c}<show>away</show></presence>`);
    await alice.says('<presence><show>dnd</show></presence>');
    assert.deepEqual(events(alice.take()), []);
    await alice.says(`<presence>${client(tune, mood).c}</presence>`);
    assert.deepEqual(events(await answer(alice, client(tune, mood).info)), ['alice@example.org urn:mood m']);
  });

  void it('whoever lost access is told nothing, and neither are strangers', async () => {
    await friends('alice', 'bob');
    const [alice] = await online('alice', 'a');
    const [bob] = await online('bob', 'b', tune);
    await set(alice, publish(tune, '1'));
    bob.take();
    await alice.says('<presence type="unsubscribed" to="bob@example.org"/>');
    bob.take();
    await set(alice, publish(tune, '2'));
    assert.deepEqual(events(bob.take()), []);
    const [, again] = await online('bob', 'b2', tune);
    assert.deepEqual(events(again), []);
    const items = `<pubsub xmlns="${NS.pubsub}"><items node="${tune}"/></pubsub>`;
    const refusal = await get(bob, items, 'alice@example.org');
    assert.match(refusal, /<not-authorized .*<presence-subscription-required/);
  });

  void it('a contact that begins to see the presence is told the last items', async () => {
    const [alice] = await online('alice', 'a');
    await set(alice, publish(tune, '1'));
    const [bob] = await online('bob', 'b', tune);
    await bob.says('<presence type="subscribe" to="alice@example.org"/>');
    await alice.says('<presence type="subscribed" to="bob@example.org"/>');
    await rig.still();
    assert.deepEqual(events(bob.take()), ['alice@example.org urn:tune 1']);
  });

  void it('a private node is there for nobody else (XEP-0223)', async () => {
    await friends('alice', 'bob');
    const [alice] = await online('alice', 'a');
    const [bob] = await online('bob', 'b', 'urn:secret');
    await set(alice, publish('urn:secret', '1', 'x', { access_model: 'whitelist', persist_items: 'true' }));
    assert.deepEqual(events(bob.take()), []);
    const [bob2, got] = await online('bob', 'b2', 'urn:secret');
    assert.deepEqual(events(got), []);
    const requests = (node: string) => [
      ['get', `<pubsub xmlns="${NS.pubsub}"><items node="${node}"/></pubsub>`],
      ['get', `<pubsub xmlns="${NS.pubsub}"><options node="${node}" jid="bob@example.org"/></pubsub>`],
      ['get', `<pubsub xmlns="${NS.pubsub}"><options node="${node}" jid="alice@example.org"/></pubsub>`],
      ['get', `<pubsub xmlns="${NS.pubsub}"><default node="${node}"/></pubsub>`],
      ['set', `<pubsub xmlns="${NS.pubsub}"><subscribe node="${node}" jid="bob@example.org"/></pubsub>`],
      ['set', `<pubsub xmlns="${NS.pubsub}"><unsubscribe node="${node}" jid="bob@example.org"/></pubsub>`],
      ['set', `<pubsub xmlns="${NS.pubsub}"><create node="${node}"/></pubsub>`],
      ['set', `<pubsub xmlns="${NS.pubsub}"><retract node="${node}"><item id="1"/></retract></pubsub>`],
      ['set', `<pubsub xmlns="${NS.pubsub}"><retract node="${node}"/></pubsub>`],
      ['set', publish(node, '2')],
      ['set', publish(node, '2', 'x', { access_model: 'open' })],
      ['get', `<pubsub xmlns="${NS.pubsubOwner}"><configure node="${node}"/></pubsub>`],
      ['get', `<pubsub xmlns="${NS.pubsubOwner}"><affiliations node="${node}"/></pubsub>`],
      ['get', `<pubsub xmlns="${NS.pubsubOwner}"><subscriptions node="${node}"/></pubsub>`],
      ['set', `<pubsub xmlns="${NS.pubsubOwner}"><purge node="${node}"/></pubsub>`],
      ['set', `<pubsub xmlns="${NS.pubsubOwner}"><delete node="${node}"/></pubsub>`],
      ['get', `<query xmlns="${NS.discoInfo}" node="${node}"/>`],
      ['get', `<query xmlns="${NS.discoItems}" node="${node}"/>`],
    ];
    const absent = requests('urn:absent');
    for (const [i, [type, payload]] of requests('urn:secret').entries()) {
      const ask = async (text: string) => {
        const [reply] = (
          await bob2.says(`<iq type="${type!}" id="s" to="alice@example.org">${text}</iq>`)
        ).slice(-1);
        return reply;
      };
      assert.equal(await ask(payload!), await ask(absent[i]![1]!), payload);
    }
    const listed = await get(bob2, `<query xmlns="${NS.discoItems}"/>`, 'alice@example.org');
    assert.doesNotMatch(listed, /secret/);
    assert.match(
      await get(alice, `<query xmlns="${NS.discoItems}"/>`, 'alice@example.org'),
      /node="urn:secret"/,
    );
  });

  void it('a roster node is for its groups (XEP-0060 §4.5)', async () => {
    await roster('alice', 'bob@example.org', 'both', ['Friends']);
    await roster('bob', 'alice@example.org', 'both');
    await friends('alice', 'carol');
    const [alice] = await online('alice', 'a');
    const [bob] = await online('bob', 'b', tune);
    const [carol] = await online('carol', 'c', tune);
    await set(alice, publish(tune, '1', 'x', { access_model: 'roster', roster_groups_allowed: 'Friends' }));
    assert.deepEqual(events(bob.take()), ['alice@example.org urn:tune 1']);
    assert.deepEqual(events(carol.take()), []);
    const items = `<pubsub xmlns="${NS.pubsub}"><items node="${tune}"/></pubsub>`;
    assert.match(await get(carol, items, 'alice@example.org'), /<not-authorized .*<not-in-roster-group/);
    assert.match(await get(bob, items, 'alice@example.org'), /<item id="1">/);
    const [, got] = await online('carol', 'c2', tune);
    assert.deepEqual(events(got), []);
  });

  void it('an open node is for everybody, and a stranger who subscribed hears of it', async () => {
    const [alice] = await online('alice', 'a');
    const [dave] = await online('dave', 'd', tune);
    await set(alice, publish(tune, '1', 'x', { access_model: 'open' }));
    assert.deepEqual(events(dave.take()), []);
    await set(
      dave,
      `<pubsub xmlns="${NS.pubsub}"><subscribe node="${tune}" jid="dave@example.org"/></pubsub>`,
      'alice@example.org',
    );
    assert.deepEqual(events(dave.take()), ['alice@example.org urn:tune 1']);
    await set(alice, publish(tune, '2'));
    assert.deepEqual(events(dave.take()), ['alice@example.org urn:tune 2']);
    assert.match(
      await get(dave, `<query xmlns="${NS.discoItems}"/>`, 'alice@example.org'),
      /<item jid="alice@example.org" node="urn:tune"\/>/,
    );
    assert.match(
      await get(dave, `<query xmlns="${NS.discoInfo}" node="${tune}"/>`, 'alice@example.org'),
      /type="leaf"/,
    );
    // Of an account that does not exist nobody learns that.
    assert.match(
      await get(dave, `<query xmlns="${NS.discoItems}"/>`, 'nobody@example.org'),
      /type="result".*<query xmlns="[^"]+"\/>/,
    );
    assert.match(
      await get(dave, `<query xmlns="${NS.discoItems}"/>`, 'bob@example.org'),
      /type="result".*<query xmlns="[^"]+"\/>/,
    );
  });

  void it('an explicit subscriber who loses access is one no more, also when access comes back (§6.3)', async () => {
    await friends('alice', 'bob');
    const [alice] = await online('alice', 'a');
    const [bob] = await online('bob', 'b');
    await set(alice, publish(tune, '1'));
    await set(
      bob,
      `<pubsub xmlns="${NS.pubsub}"><subscribe node="${tune}" jid="bob@example.org"/></pubsub>`,
      'alice@example.org',
    );
    assert.deepEqual(events(bob.take()), ['alice@example.org urn:tune 1']);
    await roster('alice', 'bob@example.org', 'to');
    await set(alice, publish(tune, '2'));
    await roster('alice', 'bob@example.org', 'both');
    await set(alice, publish(tune, '3'));
    assert.deepEqual(events(bob.take()), []);
    assert.deepEqual(rig.model.rows('select 1 from pubsub_subscription'), []);
  });

  void it('what is only for the time that one is there goes with the last session (purge_offline)', async () => {
    await friends('alice', 'bob');
    const [alice] = await online('alice', 'a');
    const [other] = await online('alice', 'b');
    const [bob] = await online('bob', 'b', tune);
    await set(alice, publish(tune, '1', 'x', { purge_offline: '1' }));
    bob.take();
    await rig.end(alice);
    const items = `<pubsub xmlns="${NS.pubsub}"><items node="${tune}"/></pubsub>`;
    assert.match(await get(bob, items, 'alice@example.org'), /<item id="1">/);
    bob.take();
    await other.says('<presence type="unavailable"/>');
    assert.ok(bob.take().some((text) => text.includes('<purge node="urn:tune"/>')));
    assert.doesNotMatch(await get(bob, items, 'alice@example.org'), /<item id/);
  });

  void it('nothing goes to or comes from whom one of both blocks (§4.3.3)', async () => {
    await friends('alice', 'bob');
    const [alice] = await online('alice', 'a');
    const [bob] = await online('bob', 'b', tune);
    const block = (what: 'block' | 'unblock', whom: string) =>
      `<${what} xmlns="${NS.blocking}"><item jid="${whom}"/></${what}>`;
    for (const [who, whom] of [
      [alice, 'bob@example.org'],
      [bob, 'alice@example.org'],
    ] as const) {
      await set(who, block('block', whom));
      bob.take();
      await set(alice, publish(tune, `${++ids}`));
      assert.deepEqual(events(bob.take()), []);
      for (const away of [false, true]) {
        // Also where the publisher has to be read from the store.
        if (away) rig.partition.accounts.forget('alice@example.org');
        const [later, got] = await online('bob', `b${++ids}`, tune);
        assert.deepEqual(events(got), []);
        await rig.end(later);
      }
      const again = await rig.account('alice');
      if (!again.sessions.includes(alice.session)) again.sessions.push(alice.session);
      Object.assign(alice.session, { account: again });
      await set(who, block('unblock', whom));
    }
    bob.take();
    await set(alice, publish(tune, 'last'));
    assert.deepEqual(events(bob.take()), ['alice@example.org urn:tune last']);
  });

  void it('what came while a session waited for its mux is told when that has come', async () => {
    await roster('bob', 'eve@near.example', 'both');
    const [bob] = await online('bob', 'b', tune);
    await set(bob, publish(tune, 'own'));
    await rig.restart();
    const account = await rig.account('bob');
    const event = `<message xmlns="jabber:client" from="eve@near.example" type="headline" id="e1"><event xmlns="${NS.pubsubEvent}"><items node="${tune}"><item id="9"/></items></event></message>`;
    receiveBetween(
      rig.partition,
      parseStored(
        `<notify xmlns="${NS.between}" node="${tune}">${event}<to jid="bob@example.org"/></notify>`,
      ),
    );
    await rig.still();
    const again = rig.attach(account.session('b')!);
    rig.passed.length = 0;
    refresh(again.session);
    await rig.still();
    assert.deepEqual(events(await answer(again, client(tune).info)), ['bob@example.org urn:tune own']);
    assert.ok(rig.passed.some((text) => text.startsWith('<last') && text.includes('eve@near.example')));
  });

  void it('between owners: one frame for each partition, and what comes is shown by what sessions want', async () => {
    for (const name of ['eve', 'frank']) await roster('alice', `${name}@far.example`, 'from');
    await roster('alice', 'gus@near.example', 'both');
    await roster('alice', 'hal@other.example', 'both');
    const [alice] = await online('alice', 'a', tune);
    assert.equal(rig.passed.filter((text) => text.startsWith('<last')).length, 1);
    rig.passed.length = 0;
    await set(alice, publish(tune, '1'));
    const frames = rig.passed.filter((text) => text.startsWith('<notify'));
    assert.equal(frames.length, 2);
    assert.match(
      frames.find((text) => text.includes('eve'))!,
      /<to jid="eve@far.example"\/><to jid="frank@far.example"\/>/,
    );
    // The other way round.
    const [bob] = await online('bob', 'b', tune);
    const event = `<message xmlns="jabber:client" from="eve@far.example" type="headline" id="e1"><event xmlns="${NS.pubsubEvent}"><items node="${tune}"><item id="9"/></items></event></message>`;
    const notify = (node: string) =>
      parseStored(
        `<notify xmlns="${NS.between}" node="${node}">${event}<to jid="bob@example.org"/><to jid="nobody@example.org"/></notify>`,
      );
    receiveBetween(rig.partition, notify(tune));
    receiveBetween(rig.partition, notify(mood));
    await rig.still();
    assert.deepEqual(events(bob.take()), ['eve@far.example urn:tune 9']);
    // Another owner asks for the last items: only for who may see them by our own roster.
    rig.passed.length = 0;
    const last = (who: string) =>
      parseStored(
        `<last xmlns="${NS.between}" to="${who}/x"><node node="${tune}"/><of jid="alice@example.org"/><of jid="zoe@far.example"/></last>`,
      );
    receiveBetween(rig.partition, last('mallory@far.example'));
    await rig.still();
    assert.deepEqual(rig.passed, []);
    receiveBetween(rig.partition, last('eve@far.example'));
    await rig.still();
    assert.deepEqual(events(rig.passed), ['alice@example.org urn:tune 1']);
    assert.match(rig.passed[0]!, / to="eve@far.example\/x"/);
  });

  void it('a client cannot speak as an owner', async () => {
    await friends('alice', 'bob');
    const [alice] = await online('alice', 'a');
    const [bob] = await online('bob', 'b', tune);
    await set(alice, publish(tune, '1'));
    bob.take();
    await alice.says(
      `<iq type="set" id="f" to="bob@example.org"><notify xmlns="${NS.between}" node="${tune}"><message xmlns="jabber:client" from="carol@example.org"/><to jid="bob@example.org"/></notify></iq>`,
    );
    await alice.says(
      `<message to="bob@example.org" from="alice@example.org"><event xmlns="${NS.pubsubEvent}"><items node="${tune}"><item id="forged"/></items></event></message>`,
    );
    for (const text of bob.take()) assert.match(text, / from="alice@example.org\/a"/);
  });

  void it('asks for a hash that nobody knows, once, and believes what it can check (XEP-0115 §5.4)', async () => {
    const { c, info } = client(tune);
    const one = await rig.bind('alice', 'one');
    const two = await rig.bind('bob', 'two');
    await one.says(`<presence>${c}</presence>`);
    await two.says(`<presence>${c}</presence>`);
    const [question] = one.inbox.filter((text) => text.includes(NS.discoInfo));
    assert.match(
      question!,
      /^<iq type="get" id="[^"]+" from="alice@example.org" to="alice@example.org\/one">/,
    );
    assert.match(question!, /node="urn:client#[^"]+"/);
    assert.equal(two.inbox.filter((text) => text.includes(NS.discoInfo)).length, 0);
    // A lie counts for nobody else; the next one is asked.
    await answer(one, `${info}<feature var="urn:lie+notify"/>`);
    assert.ok(one.session.interests?.has('urn:lie'));
    assert.equal(two.inbox.filter((text) => text.includes(NS.discoInfo)).length, 1);
    await answer(two, info);
    assert.deepEqual([...two.session.interests!], [tune]);
    // Known now: a third one is not asked.
    const three = await rig.bind('carol', 'three');
    await three.says(`<presence>${c}</presence>`);
    assert.equal(three.inbox.filter((text) => text.includes(NS.discoInfo)).length, 0);
    assert.equal(three.session.interests, two.session.interests);
  });

  void it('nobody answers for another one', async () => {
    const { c, info } = client(tune);
    const alice = await rig.bind('alice', 'one');
    await alice.says(`<presence>${c}</presence>`);
    const [question] = alice.inbox.filter((text) => text.includes(NS.discoInfo));
    const [, id] = / id="([^"]+)"/.exec(question!)!;
    const forged = `<query xmlns="${NS.discoInfo}">${info}</query>`;
    const bob = await rig.bind('bob', 'b');
    const other = await rig.bind('alice', 'two');
    await bob.says(`<iq type="result" id="${id}" to="alice@example.org">${forged}</iq>`);
    await bob.says(`<iq type="result" id="${id}" to="alice@example.org/one">${forged}</iq>`);
    await other.says(`<iq type="result" id="${id}" to="alice@example.org">${forged}</iq>`);
    assert.equal(alice.session.interests, undefined);
    await answer(alice, info);
    assert.deepEqual([...alice.session.interests!], [tune]);
  });

  void it('ill-formed answers, other hashes and legacy annotations count for one session at most (§5.4, §8)', async () => {
    const { info, ver } = client(tune);
    for (const [c, said] of [
      [`hash="sha-1" ver="${ver}"`, `${info}<feature var="${NS.caps}"/>`],
      [`hash="md5" ver="${ver}"`, info],
      [`ver="1.0"`, info],
      [`hash="sha-1" ver="${ver}" ext="a b"`, info],
    ] as const) {
      const one = await rig.bind('alice', `r${++ids}`);
      const two = await rig.bind('bob', `r${++ids}`);
      for (const session of [one, two])
        await session.says(`<presence><c xmlns="${NS.caps}" node="n" ${c}/></presence>`);
      await answer(one, said);
      assert.equal(two.inbox.filter((text) => text.includes(NS.discoInfo)).length, 1, c);
      await rig.end(one);
      await rig.end(two);
    }
  });

  void it('an annotation that says nothing new is not told again (§8.4, caps#optimize)', async () => {
    await friends('alice', 'bob');
    const { c } = client(tune);
    const [bob] = await online('bob', 'b');
    const [alice] = await online('alice', 'a', tune);
    const shown = () => bob.take().filter((text) => text.startsWith('<presence'));
    assert.match(shown()[0]!, /<c xmlns/);
    await alice.says(`<presence><show>away</show>${c}</presence>`);
    assert.doesNotMatch(shown()[0]!, /<c xmlns/);
    await alice.says('<presence><show>dnd</show></presence>');
    assert.doesNotMatch(shown()[0]!, /<c xmlns/);
    // Who comes later is given all of it, also from a new owner.
    const [later, got] = await online('bob', 'later');
    assert.match(
      got.find((text) => text.includes('alice@example.org/a'))!,
      /<show>dnd<\/show><c xmlns/,
    );
    assert.ok(later.session.available);
    await alice.says(`<presence>${client(mood).c}</presence>`);
    assert.ok(shown().at(-1)!.includes(client(mood).ver));
  });

  void it('a new owner knows what its sessions want', async () => {
    const [alice] = await online('alice', 'a', tune);
    await set(alice, publish(tune, '1'));
    await rig.restart();
    const account = await rig.account('alice');
    const session = account.session('a')!;
    const again = rig.attach(session);
    refresh(session);
    await rig.still();
    // It asks, because it is new; the client has had the last items.
    assert.deepEqual(events(await answer(again, client(tune).info)), []);
    await set(again, publish(tune, '2'));
    assert.deepEqual(events(again.take()), ['alice@example.org urn:tune 2']);
  });

  void it('what could not be stored was not said, and is not remembered', async () => {
    const [alice] = await online('alice', 'a', tune);
    await set(alice, publish(tune, '1'));
    alice.take();
    const account = await rig.account('alice');
    account.mailbox.run(async () => {
      const work = new Work(account);
      await keepItem(work, account, tune, { id: '2', payload: undefined });
      work.write(faulty, [rig.partition.id]);
      work.commit();
    });
    await rig.still();
    assert.deepEqual(events(alice.take()), []);
    assert.deepEqual(
      (await items(account, tune, 9)).map(({ id }) => id),
      ['1'],
    );
  });

  void it('other features keep something in nodes, too', async () => {
    const [alice] = await online('alice', 'a', tune);
    const account = await rig.account('alice');
    const run = (use: (work: Work) => Promise<unknown>) =>
      new Promise<void>((resolve, reject) =>
        account.mailbox.run(async () => {
          const work = new Work(account);
          await use(work);
          work.after(() => resolve());
          work.onFailure(reject);
          work.commit();
        }),
      );
    const payload = parseStored('<x xmlns="urn:x"/>');
    await run((work) =>
      keepItem(work, account, tune, { id: '1', payload }, { items: 0, access: 'whitelist' }),
    );
    await run((work) => keepItem(work, account, tune, { id: '2', payload }));
    assert.deepEqual(
      (await items(account, tune, 9)).map(({ id }) => id),
      ['2', '1'],
    );
    assert.deepEqual(events(alice.take()), ['alice@example.org urn:tune 1', 'alice@example.org urn:tune 2']);
    assert.deepEqual(await items(account, 'urn:none', 9), []);
  });
});
