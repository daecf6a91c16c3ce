import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { NS } from '../../src/xmpp/namespaces.ts';
import { Rig, type Client } from './rig.ts';

const service = 'pubsub.example.org';
const evil = `x'"<&>; drop table pubsub_item;--%_`;
const escaped = evil
  .replaceAll('&', '&amp;')
  .replaceAll('<', '&lt;')
  .replaceAll('>', '&gt;')
  .replaceAll('"', '&quot;');

const pubsub = (inner: string, ns: string = NS.pubsub): string => `<pubsub xmlns="${ns}">${inner}</pubsub>`;
const owner = (inner: string): string => pubsub(inner, NS.pubsubOwner);
const form = (of: string, fields: Record<string, string>): string =>
  `<x xmlns="${NS.dataForms}" type="submit"><field var="FORM_TYPE"><value>${of}</value></field>${Object.entries(
    fields,
  )
    .map(([name, value]) => `<field var="pubsub#${name}"><value>${value}</value></field>`)
    .join('')}</x>`;
const config = (fields: Record<string, string>): string => form(NS.pubsubNodeConfig, fields);
const publish = (node: string, id: string, options = ''): string =>
  pubsub(`<publish node="${node}"><item id="${id}"><x xmlns="urn:x">${id}</x></item></publish>${options}`);

/** Asks the service, or somebody; the answer to the request. */
async function ask(client: Client, type: 'get' | 'set', payload: string, to = service): Promise<string> {
  const id = `a${++asked}`;
  const got = await client.says(`<iq type="${type}" id="${id}" to="${to}">${payload}</iq>`);
  const answer = got.find((text) => text.startsWith('<iq') && text.includes(`id="${id}"`));
  assert.ok(answer !== undefined, `no answer to ${payload}`);
  return answer;
}
let asked = 0;

function refused(answer: string, condition: string, detail?: string): void {
  assert.match(answer, / type="error"/, answer);
  assert.ok(answer.includes(`<${condition} xmlns="${NS.stanzas}"`), answer);
  if (detail !== undefined) assert.ok(answer.includes(`<${detail} xmlns="${NS.pubsubErrors}"`), answer);
}

function ids(answer: string): string[] {
  assert.match(answer, / type="result"/, answer);
  return [...answer.matchAll(/<item id="([^"]*)"/g)].map(([, id]) => id!);
}

void describe('the service of the domain (XEP-0060)', () => {
  let rig: Rig;
  let alice: Client;
  let bob: Client;
  beforeEach(async () => {
    rig = await Rig.open();
    alice = await rig.login('alice', 'a');
    bob = await rig.login('bob', 'b');
  });
  afterEach(() => rig.close());

  void it('creates nodes, also with a name of its own, and not twice (§8.1)', async () => {
    assert.match(await ask(alice, 'set', pubsub('<create node="n"/>')), / type="result"/);
    refused(await ask(bob, 'set', pubsub('<create node="n"/>')), 'conflict');
    assert.match(await ask(alice, 'set', pubsub('<create/>')), /<create node="[^"]+"\/>/);
    refused(
      await ask(
        alice,
        'set',
        pubsub(`<create node="m"/><configure>${config({ access_model: 'presence' })}</configure>`),
      ),
      'not-acceptable',
      'unsupported-access-model',
    );
    refused(
      await ask(alice, 'set', pubsub(`<create node="m"/><configure node="m">${config({})}</configure>`)),
      'bad-request',
    );
  });

  void it('keeps what was published when its owner dies', async () => {
    await ask(alice, 'set', pubsub('<create node="n"/>'));
    await ask(alice, 'set', publish('n', 'one'));
    await ask(alice, 'set', publish('n', 'two'));
    await rig.crash();
    bob = await rig.login('bob', 'b2');
    assert.deepEqual(ids(await ask(bob, 'get', pubsub('<items node="n"/>'))), ['two', 'one']);
    assert.deepEqual(ids(await ask(bob, 'get', pubsub('<items node="n" max_items="1"/>'))), ['two']);
    assert.deepEqual(
      ids(await ask(bob, 'get', pubsub('<items node="n"><item id="one"/><item id="no"/></items>'))),
      ['one'],
    );
  });

  void it('tells subscribers, and nobody else (§7.1.2)', async () => {
    await ask(alice, 'set', pubsub('<create node="n"/>'));
    assert.match(
      await ask(bob, 'set', pubsub('<subscribe node="n" jid="bob@example.org"/>')),
      /<subscription node="n" jid="bob@example.org" subscription="subscribed">/,
    );
    bob.take();
    await ask(alice, 'set', publish('n', 'one'));
    const [event, more] = bob.take();
    assert.equal(more, undefined);
    assert.match(
      event!,
      /^<message from="pubsub.example.org" type="headline" id="[^"]+" to="bob@example.org">/,
    );
    assert.match(
      event!,
      /<event .*><items node="n"><item id="one"><x xmlns="urn:x">one<\/x><\/item><\/items>/,
    );
    await ask(alice, 'set', pubsub('<retract node="n"><item id="one"/></retract>'));
    assert.match(bob.take()[0]!, /<items node="n"><retract id="one"\/><\/items>/);
    await ask(bob, 'set', pubsub('<unsubscribe node="n" jid="bob@example.org"/>'));
    bob.take();
    await ask(alice, 'set', publish('n', 'two'));
    assert.deepEqual(bob.take(), []);
    refused(
      await ask(bob, 'set', pubsub('<unsubscribe node="n" jid="bob@example.org"/>')),
      'unexpected-request',
      'not-subscribed',
    );
  });

  void it('sends the last item to who subscribes, if it is so configured (§6.1.7)', async () => {
    await ask(alice, 'set', publish('n', 'one'));
    await ask(bob, 'set', pubsub('<subscribe node="n" jid="bob@example.org/b"/>'));
    const event = bob.take().find((text) => text.startsWith('<message'));
    assert.match(event!, /to="bob@example.org\/b".*<item id="one">.*<delay xmlns="urn:xmpp:delay" stamp="/);
  });

  void it('refuses as the tables say (§6.1.3, §6.2.3, §7.1.3)', async () => {
    await ask(alice, 'set', pubsub('<create node="n"/>'));
    for (const [type, request, condition, detail] of [
      ['set', '<subscribe node="n" jid="alice@example.org"/>', 'bad-request', 'invalid-jid'],
      ['set', '<subscribe node="none" jid="bob@example.org"/>', 'item-not-found'],
      ['set', '<subscribe jid="bob@example.org"/>', 'bad-request', 'nodeid-required'],
      ['set', '<unsubscribe node="n" jid="alice@example.org"/>', 'forbidden'],
      ['set', '<publish node="n"><item/></publish>', 'forbidden'],
      ['set', '<retract node="n"><item id="x"/></retract>', 'forbidden'],
      ['set', '<retract node="n"/>', 'bad-request', 'item-required'],
      ['get', '<items node="none"/>', 'item-not-found'],
      ['get', '<items/>', 'bad-request', 'nodeid-required'],
      ['get', '<options node="n" jid="bob@example.org"/>', 'unexpected-request', 'not-subscribed'],
      ['get', '<options node="n"/>', 'bad-request', 'jid-required'],
      ['get', '<constructor node="n"/>', 'feature-not-implemented'],
      ['get', '', 'bad-request'],
    ] as const)
      refused(await ask(bob, type, pubsub(request)), condition, detail);
    for (const [request, condition, detail] of [
      ['<publish node="n"/>', 'bad-request', 'item-required'],
      ['<publish node="n"><item/></publish>', 'bad-request', 'payload-required'],
      [
        '<publish node="n"><item><a xmlns="a"/><b xmlns="b"/></item></publish>',
        'bad-request',
        'invalid-payload',
      ],
      ['<publish node="n"><item/><item/></publish>', 'bad-request', 'invalid-payload'],
      ['<publish><item/></publish>', 'bad-request', 'nodeid-required'],
      [`<publish node="n"><item id="${'i'.repeat(1100)}"><a xmlns="a"/></item></publish>`, 'not-acceptable'],
      [
        `<publish node="n"><item><a xmlns="a">${'x'.repeat(140_000)}</a></item></publish>`,
        'not-acceptable',
        'payload-too-big',
      ],
    ] as const)
      refused(await ask(alice, 'set', pubsub(request)), condition, detail);
    for (const request of ['<delete node="n"/>', '<purge node="n"/>', '<configure node="n"/>'])
      refused(await ask(bob, 'set', owner(request)), 'forbidden');
    for (const request of ['<delete node="no"/>', '<purge node="no"/>'])
      refused(await ask(bob, 'set', owner(request)), 'item-not-found');
  });

  void it('keeps a closed node closed (§6.1.3.4, §6.5.9.8)', async () => {
    await ask(
      alice,
      'set',
      pubsub(`<create node="n"/><configure>${config({ access_model: 'whitelist' })}</configure>`),
    );
    await ask(alice, 'set', publish('n', 'one'));
    const disco = (name: string) => `<query xmlns="${name}" node="n"/>`;
    refused(await ask(bob, 'get', pubsub('<items node="n"/>')), 'not-allowed', 'closed-node');
    refused(
      await ask(bob, 'set', pubsub('<subscribe node="n" jid="bob@example.org"/>')),
      'not-allowed',
      'closed-node',
    );
    refused(await ask(bob, 'get', disco(NS.discoInfo)), 'item-not-found');
    refused(await ask(bob, 'get', disco(NS.discoItems)), 'item-not-found');
    assert.doesNotMatch(await ask(bob, 'get', `<query xmlns="${NS.discoItems}"/>`), /node="n"/);
    assert.match(await ask(alice, 'get', `<query xmlns="${NS.discoItems}"/>`), /node="n"/);
    await ask(
      alice,
      'set',
      owner(
        '<affiliations node="n"><affiliation jid="bob@example.org" affiliation="member"/></affiliations>',
      ),
    );
    assert.deepEqual(ids(await ask(bob, 'get', pubsub('<items node="n"/>'))), ['one']);
    await ask(bob, 'set', pubsub('<subscribe node="n" jid="bob@example.org"/>'));
    bob.take();
    // Whoever lost access is not subscribed any more, and hears of it.
    await ask(
      alice,
      'set',
      owner('<affiliations node="n"><affiliation jid="bob@example.org" affiliation="none"/></affiliations>'),
    );
    assert.match(bob.take()[0]!, /<subscription node="n" jid="bob@example.org" subscription="none"\/>/);
    await ask(alice, 'set', publish('n', 'two'));
    assert.deepEqual(bob.take(), []);
  });

  void it('asks owners where they want to be asked (§8.6)', async () => {
    await ask(
      alice,
      'set',
      pubsub(`<create node="n"/><configure>${config({ access_model: 'authorize' })}</configure>`),
    );
    const subscribe = pubsub('<subscribe node="n" jid="bob@example.org"/>');
    assert.match(await ask(bob, 'set', subscribe), /subscription="pending"/);
    refused(await ask(bob, 'set', subscribe), 'not-authorized', 'pending-subscription');
    refused(await ask(bob, 'get', pubsub('<items node="n"/>')), 'not-authorized', 'not-subscribed');
    const question = alice.take().find((text) => text.includes('subscribe_authorization'))!;
    assert.match(question, /^<message from="pubsub.example.org" to="alice@example.org"/);
    assert.match(question, /<value>bob@example.org<\/value>/);
    const answer = (allow: string) =>
      `<message to="${service}">${form('http://jabber.org/protocol/pubsub#subscribe_authorization', {
        node: 'n',
        subscriber_jid: 'bob@example.org',
        allow,
      })}</message>`;
    bob.take();
    // Nobody but an owner can answer.
    await bob.says(answer('true'));
    refused(await ask(bob, 'get', pubsub('<items node="n"/>')), 'not-authorized', 'not-subscribed');
    bob.take();
    await alice.says(answer('true'));
    assert.match(bob.take()[0]!, /<subscription node="n" jid="bob@example.org" subscription="subscribed"\/>/);
    await ask(alice, 'set', publish('n', 'one'));
    assert.match(bob.take()[0]!, /<item id="one">/);
    await rig.crash();
    bob = await rig.login('bob', 'b2');
    assert.match(
      await ask(bob, 'get', pubsub('<subscriptions/>')),
      /<subscription node="n" jid="bob@example.org" subscription="subscribed"\/>/,
    );
  });

  void it('is configured by its owners alone, and tells of it (§8.2)', async () => {
    await ask(alice, 'set', pubsub('<create node="n"/>'));
    await ask(bob, 'set', pubsub('<subscribe node="n" jid="bob@example.org"/>'));
    for (const id of ['one', 'two', 'three']) await ask(alice, 'set', publish('n', id));
    bob.take();
    const shown = await ask(alice, 'get', owner('<configure node="n"/>'));
    assert.match(shown, /<field var="pubsub#max_items" type="text-single"[^>]*><value>max<\/value>/);
    await ask(
      alice,
      'set',
      owner(
        `<configure node="n">${config({ max_items: '2', title: evil.replaceAll(/[<&]/g, '') })}</configure>`,
      ),
    );
    assert.match(bob.take()[0]!, /<configuration node="n"><x .*pubsub#max_items/);
    assert.deepEqual(ids(await ask(bob, 'get', pubsub('<items node="n"/>'))), ['three', 'two']);
    for (const [fields, condition, detail] of [
      [{ max_items: '100000' }, 'not-acceptable', 'max-items-exceeded'],
      [{ max_items: 'many' }, 'not-acceptable'],
      [{ access_model: 'friends' }, 'not-acceptable', 'unsupported-access-model'],
      [{ persist_items: 'perhaps' }, 'bad-request'],
      [{ node_type: 'collection' }, 'feature-not-implemented', 'unsupported'],
    ] as const)
      refused(
        await ask(alice, 'set', owner(`<configure node="n">${config(fields)}</configure>`)),
        condition,
        detail,
      );
    assert.match(await ask(alice, 'get', owner('<default/>')), /<default><x [^>]*type="form"/);
    assert.match(
      await ask(
        alice,
        'set',
        owner(`<configure node="n"><x xmlns="${NS.dataForms}" type="cancel"/></configure>`),
      ),
      / type="result"/,
    );
  });

  void it('purges and deletes, and says so (§8.4, §8.5)', async () => {
    await ask(alice, 'set', publish('n', 'one'));
    await ask(bob, 'set', pubsub('<subscribe node="n" jid="bob@example.org"/>'));
    bob.take();
    await ask(alice, 'set', owner('<purge node="n"/>'));
    assert.match(bob.take()[0]!, /<event [^>]*><purge node="n"\/><\/event>/);
    assert.deepEqual(ids(await ask(bob, 'get', pubsub('<items node="n"/>'))), []);
    await ask(alice, 'set', owner('<delete node="n"><redirect uri="xmpp:elsewhere"/></delete>'));
    assert.match(bob.take().at(-1)!, /<delete node="n"><redirect uri="xmpp:elsewhere"\/><\/delete>/);
    refused(await ask(bob, 'get', pubsub('<items node="n"/>')), 'item-not-found');
  });

  void it('affiliations and subscriptions are managed by owners; a node keeps one (§8.8, §8.9)', async () => {
    await ask(alice, 'set', pubsub('<create node="n"/>'));
    const affiliate = (jid: string, what: string) =>
      owner(`<affiliations node="n"><affiliation jid="${jid}" affiliation="${what}"/></affiliations>`);
    refused(await ask(alice, 'set', affiliate('alice@example.org', 'none')), 'not-acceptable');
    refused(await ask(alice, 'set', affiliate('bob@example.org', 'king')), 'not-acceptable');
    refused(await ask(alice, 'set', affiliate('@', 'member')), 'not-acceptable');
    await ask(alice, 'set', affiliate('bob@example.org', 'publisher'));
    assert.deepEqual(ids(await ask(bob, 'set', publish('n', 'his'))), ['his']);
    assert.match(
      await ask(bob, 'get', pubsub('<affiliations/>')),
      /<affiliation node="n" affiliation="publisher"\/>/,
    );
    await ask(alice, 'set', affiliate('bob@example.org', 'outcast'));
    refused(await ask(bob, 'get', pubsub('<items node="n"/>')), 'forbidden');
    refused(await ask(bob, 'set', pubsub('<subscribe node="n" jid="bob@example.org"/>')), 'forbidden');
    refused(await ask(bob, 'set', pubsub('<retract node="n"><item id="his"/></retract>')), 'forbidden');
    await ask(alice, 'set', affiliate('bob@example.org', 'none'));
    await ask(
      alice,
      'set',
      owner(
        '<subscriptions node="n"><subscription jid="bob@example.org" subscription="subscribed"/></subscriptions>',
      ),
    );
    assert.match(
      await ask(alice, 'get', owner('<subscriptions node="n"/>')),
      /<subscription jid="bob@example.org" subscription="subscribed"\/>/,
    );
    assert.match(
      await ask(alice, 'get', owner('<affiliations node="n"/>')),
      /<affiliation jid="alice@example.org" affiliation="owner"\/>/,
    );
  });

  void it('what a subscriber sets is kept (§6.3)', async () => {
    await ask(alice, 'set', pubsub('<create node="n"/>'));
    const options = (deliver: string) => form(NS.pubsubSubscribeOptions, { deliver });
    assert.match(
      await ask(
        bob,
        'set',
        pubsub(`<subscribe node="n" jid="bob@example.org"/><options>${options('0')}</options>`),
      ),
      /<options><x [^>]*type="result"/,
    );
    bob.take();
    await ask(alice, 'set', publish('n', 'one'));
    assert.deepEqual(bob.take(), []);
    refused(
      await ask(bob, 'set', pubsub(`<options node="n" jid="bob@example.org">${options('maybe')}</options>`)),
      'bad-request',
      'invalid-options',
    );
    await ask(bob, 'set', pubsub(`<options node="n" jid="bob@example.org">${options('1')}</options>`));
    bob.take();
    await ask(alice, 'set', publish('n', 'two'));
    assert.match(bob.take()[0]!, /<item id="two">/);
  });

  void it('pages by RSM, with ids that are anything (XEP-0059)', async () => {
    for (const id of ['1', '2', escaped, '4', '5']) await ask(alice, 'set', publish(escaped, id));
    const page = (set: string) =>
      ask(bob, 'get', pubsub(`<items node="${escaped}"/><set xmlns="${NS.rsm}">${set}</set>`));
    const first = await page('<max>2</max>');
    assert.deepEqual(ids(first), ['5', '4']);
    assert.match(first, /<first index="0">5<\/first><last>4<\/last><count>5<\/count>/);
    assert.deepEqual(ids(await page(`<max>2</max><after>4</after>`)), [escaped.replaceAll("'", "'"), '2']);
    const rest = await page(`<max>9</max><after>${escaped}</after>`);
    assert.match(rest, /<first index="3">2<\/first>/);
    assert.deepEqual(ids(rest), ['2', '1']);
    assert.deepEqual(ids(await page('<max>2</max><before/>')), ['2', '1']);
    assert.deepEqual(ids(await page(`<max>2</max><before>2</before>`)), ['4', escaped]);
    assert.deepEqual(ids(await page('<max>2</max><index>3</index>')), ['2', '1']);
    assert.match(await page('<max>0</max>'), /<items node="[^>]*\/><set [^>]*><count>5<\/count>/);
    refused(await page(`<max>2</max><after>' or 1=1 --</after>`), 'item-not-found');
    refused(await page('<max>-1</max>'), 'bad-request');
    refused(await page('<max>1</max><max>1</max>'), 'bad-request');
  });

  void it('is bounded', async () => {
    await rig.close();
    rig = await Rig.open({ nodes: 1, nodeItems: 2, nodePeople: 1 });
    alice = await rig.login('alice', 'a');
    bob = await rig.login('bob', 'b');
    for (const id of ['1', '2', '3']) await ask(alice, 'set', publish('n', id));
    assert.deepEqual(ids(await ask(bob, 'get', pubsub('<items node="n"/>'))), ['3', '2']);
    await ask(bob, 'set', pubsub('<subscribe node="n" jid="bob@example.org"/>'));
    refused(
      await ask(alice, 'set', pubsub('<subscribe node="n" jid="alice@example.org"/>')),
      'policy-violation',
      'too-many-subscriptions',
    );
    // At an account there is room for one.
    assert.match(await ask(alice, 'set', publish('n', '1'), 'alice@example.org'), / type="result"/);
    refused(await ask(alice, 'set', publish('m', '1'), 'alice@example.org'), 'resource-constraint');
    refused(
      await ask(alice, 'set', pubsub('<create node="o"/>'), 'alice@example.org'),
      'resource-constraint',
    );
  });
});

void describe('publish-options and configurations (XEP-0060 §7.1.5, XEP-0223)', () => {
  let rig: Rig;
  let alice: Client;
  before(async () => {
    rig = await Rig.open();
    alice = await rig.login('alice', 'a');
  });
  after(() => rig.close());
  const options = (fields: Record<string, string>) =>
    `<publish-options>${form(NS.pubsubPublishOptions, fields)}</publish-options>`;

  void it('make a node so, and then have to be met', async () => {
    const secret = { persist_items: 'true', access_model: 'whitelist', max_items: 'max' };
    assert.deepEqual(ids(await ask(alice, 'set', publish('b', '1', options(secret)), 'alice@example.org')), [
      '1',
    ]);
    assert.deepEqual(ids(await ask(alice, 'set', publish('b', '2', options(secret)), 'alice@example.org')), [
      '2',
    ]);
    refused(
      await ask(alice, 'set', publish('b', '3', options({ access_model: 'open' })), 'alice@example.org'),
      'conflict',
      'precondition-not-met',
    );
    refused(
      await ask(alice, 'set', publish('b', '3', options({ nonsense: 'x' })), 'alice@example.org'),
      'conflict',
      'precondition-not-met',
    );
    refused(
      await ask(alice, 'set', publish('c', '3', options({ nonsense: 'x' })), 'alice@example.org'),
      'conflict',
      'precondition-not-met',
    );
    refused(
      await ask(alice, 'set', publish('b', '3', '<publish-options/>'), 'alice@example.org'),
      'bad-request',
    );
    assert.deepEqual(ids(await ask(alice, 'get', pubsub('<items node="b"/>'), 'alice@example.org')), [
      '2',
      '1',
    ]);
  });

  void it('an item expires', async () => {
    await ask(alice, 'set', publish('e', '1', options({ item_expire: '1' })), 'alice@example.org');
    const rows = rig.model.rows<{ at: number }>(`select at from pubsub_item where node = 'e'`);
    assert.equal(rows.length, 1);
    rig.model.rows(`update pubsub_item set at = at - 5000 where node = 'e'`);
    await rig.restart();
    alice = await rig.login('alice', 'a2');
    assert.deepEqual(ids(await ask(alice, 'get', pubsub('<items node="e"/>'), 'alice@example.org')), []);
  });

  void it('all of it goes with the account', async () => {
    const { removeAccount } = await import('../../src/account/remove.ts');
    const { Work } = await import('../../src/account/work.ts');
    const account = await rig.account('alice');
    Object.assign(rig.partition.env, { directory: { remove: () => Promise.resolve() } });
    await new Promise<void>((resolve) =>
      account.mailbox.run(async () => {
        const work = new Work(account);
        await removeAccount(account, work);
        work.after(() => resolve());
        work.commit();
      }),
    );
    for (const table of ['node', 'item', 'affiliation', 'subscription'])
      assert.deepEqual(rig.model.rows(`select 1 from pubsub_${table} where account = 1`), []);
  });
});
