import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { NS } from '../../src/xmpp/namespaces.ts';
import { befriend } from './friends.ts';
import { Rig, type Client } from './rig.ts';

const one = 'theplay@rooms.example';
const two = 'orchard@rooms.example';
const native = (inner = '', attrs = '') =>
  `<conference xmlns="${NS.bookmarks}"${attrs}${inner === '' ? '/>' : `>${inner}</conference>`}`;
const legacy = (room: string, inner = '', attrs = '') =>
  `<conference jid="${room}"${attrs}${inner === '' ? '/>' : `>${inner}</conference>`}`;
const storage = (...inner: string[]) =>
  `<storage xmlns="storage:bookmarks"${inner.length === 0 ? '/>' : `>${inner.join('')}</storage>`}`;
const form = (fields: Record<string, string>) =>
  `<publish-options><x xmlns="jabber:x:data" type="submit"><field var="FORM_TYPE" type="hidden"><value>${NS.pubsubPublishOptions}</value></field>${Object.entries(
    fields,
  )
    .map(([name, value]) => `<field var="pubsub#${name}"><value>${value}</value></field>`)
    .join('')}</x></publish-options>`;
/** XEP-0402 §3.3. */
const options = form({
  persist_items: 'true',
  max_items: 'max',
  send_last_published_item: 'never',
  access_model: 'whitelist',
});
/** XEP-0048 §3.1. */
const oldOptions = form({ persist_items: 'true', access_model: 'whitelist' });

describe('bookmarks (XEP-0402, XEP-0048, XEP-0049, XEP-0411)', () => {
  let rig: Rig;
  let alice: Client;
  beforeEach(async () => {
    rig = await Rig.open({ nodeItems: 10 });
    alice = await rig.login('alice', 'one');
    alice.session.interests = new Set([NS.bookmarks, NS.legacyBookmarks]);
  });
  afterEach(() => rig.close());

  const pubsub = (inner: string) => `<pubsub xmlns="${NS.pubsub}">${inner}</pubsub>`;
  const publish = (node: string, id: string, payload: string, more = options) =>
    alice.asks('set', pubsub(`<publish node="${node}"><item id="${id}">${payload}</item></publish>${more}`));
  const add = (room: string, payload: string) => publish(NS.bookmarks, room, payload);
  const remove = (room: string) =>
    alice.asks('set', pubsub(`<retract node="${NS.bookmarks}" notify="true"><item id="${room}"/></retract>`));
  const inner = (texts: string[], tag: string) =>
    new RegExp(`<${tag}[^>]*?(?:/>|>(.*)</${tag}>)`, 's').exec(texts.join(''))?.[1] ?? '';
  const items = async (node: string) =>
    [
      ...inner(await alice.asks('get', pubsub(`<items node="${node}"/>`)), 'items').matchAll(
        /<item id="([^"]*)">(.*?)<\/item>/gs,
      ),
    ]
      .map(([, id, payload]) => `${id} ${payload}`)
      .sort();
  const list = async () =>
    inner(await alice.asks('get', `<query xmlns="jabber:iq:private">${storage()}</query>`), 'query');
  const write = (xml: string) => alice.asks('set', `<query xmlns="jabber:iq:private">${xml}</query>`);
  /** What the notifications told, `node: +room` or `node: -room`. */
  const told = (texts: string[]) =>
    texts
      .filter((text) => text.startsWith('<message'))
      .flatMap((text) => {
        const node = /node="([^"]+)"/.exec(text)![1] === NS.bookmarks ? 'new' : 'old';
        return [...text.matchAll(/<(item|retract) id="([^"]+)"/g)].map(
          ([, what, id]) => `${node} ${what === 'item' ? '+' : '-'}${id}`,
        );
      })
      .sort();
  const failed = (texts: string[]) => /<error type="\w+"><([\w-]+)/.exec(texts.join(''))?.[1];

  it('there are none at first', async () => {
    assert.equal(await list(), storage());
  });

  it('one that is published the new way is seen in both old ones, and told there (XEP-0402 §5.3.1)', async () => {
    const texts = await add(
      one,
      native('<nick>JC</nick><password>p&lt;</password>', ' name="It\'s" autojoin="1"'),
    );
    assert.deepEqual(told(texts), [`new +${one}`, 'old +current']);
    const seen = legacy(
      one,
      '<nick>JC</nick><password>p&lt;</password>',
      ' name="It\'s" autojoin="1"',
    ).replace(/ jid="[^"]+"(.*?)>/, `$1 jid="${one}">`);
    assert.equal(await list(), storage(seen));
    assert.deepEqual(await items(NS.legacyBookmarks), [`current ${storage(seen)}`]);
    await add(two, native());
    assert.equal(await list(), storage(seen, legacy(two)));
    await add(one, native());
    assert.equal(await list(), storage(legacy(two), legacy(one)));
    assert.deepEqual(told(await remove(one)), [`new -${one}`, 'old +current']);
    assert.equal(await list(), storage(legacy(two)));
    await rig.crash();
    alice = await rig.login('alice', 'two');
    assert.equal(await list(), storage(legacy(two)));
  });

  for (const way of ['private storage', 'the old node'] as const)
    it(`a list that is written to ${way} changes items, and tells what changed alone (§5.3.2)`, async () => {
      const put = (xml: string) =>
        way === 'private storage' ? write(xml) : publish(NS.legacyBookmarks, 'current', xml, oldOptions);
      const full = legacy(two, '<nick>JC</nick>', ' name="Orchard" autojoin="true"');
      assert.deepEqual(told(await put(storage(legacy(one), full))), [
        `new +${two}`,
        `new +${one}`,
        'old +current',
      ]);
      assert.deepEqual(await items(NS.bookmarks), [
        `${two} ${native('<nick>JC</nick>', ' name="Orchard" autojoin="true"')}`,
        `${one} ${native()}`,
      ]);
      assert.equal(await list(), storage(legacy(one), full));
      // Written otherwise, and the same.
      const again = `<conference autojoin="1" name="Orchard" jid="Orchard@Rooms.example">\n  <nick>JC</nick>\n</conference>`;
      assert.deepEqual(told(await put(storage(legacy(one, '', ' autojoin="false"'), again))), [
        'old +current',
      ]);
      assert.deepEqual(told(await put(storage(again))), [`new -${one}`, 'old +current']);
      assert.deepEqual(told(await put(storage(legacy(one), again, legacy('three@rooms.example')))), [
        'new +theplay@rooms.example',
        'new +three@rooms.example',
        'old +current',
      ]);
      // Several at once, the newest among them.
      assert.deepEqual(
        told(await put(storage(again))),
        [`new -${one}`, 'new -three@rooms.example', 'old +current'].sort(),
      );
      assert.equal((await items(NS.bookmarks)).length, 1);
      const [newest] = await alice.asks('get', pubsub(`<items node="${NS.bookmarks}" max_items="1"/>`));
      assert.ok(newest!.includes(`<item id="${two}">`), 'what is left is the newest');
      await put(storage());
      assert.deepEqual(await items(NS.bookmarks), []);
      assert.equal(await list(), storage());
    });

  it('extensions survive clients that do not know of them, and go both ways', async () => {
    const state =
      '<state xmlns="http://myclient.example/bookmark/state" minimized="true"><deep xmlns="storage:bookmarks"/></state>';
    const kept = `<extensions>${state}</extensions>`;
    await add(one, native(`<nick>A</nick>${kept}`));
    assert.ok((await list()).includes(kept));
    await write(storage(legacy(one, '<nick>B</nick>')));
    assert.deepEqual(await items(NS.bookmarks), [`${one} ${native(`<nick>B</nick>${kept}`)}`]);
    await write(storage(legacy(one, '<nick>B</nick><extensions><x xmlns="y"/></extensions>')));
    assert.deepEqual(await items(NS.bookmarks), [
      `${one} ${native('<nick>B</nick><extensions><x xmlns="y"/></extensions>')}`,
    ]);
  });

  it('what is no room stays in the list', async () => {
    const others = `<url name="Works" url="http://shakespeare.example/"/><conference jid="@"/><conference/><x xmlns="y"/>`;
    await write(storage(others, legacy(one)));
    assert.deepEqual(await items(NS.bookmarks), [`${one} ${native()}`]);
    await add(two, native());
    await remove(one);
    assert.equal(await list(), storage(others, legacy(two)));
    // And what is no address is no bookmark for old clients.
    await add("x' or 1=1 --/", native());
    await add(one, '<tune xmlns="http://jabber.org/protocol/tune"/>');
    assert.equal(await list(), storage(others, legacy(two)));
    await write(storage(legacy(two)));
    assert.equal((await items(NS.bookmarks)).length, 3, 'nor is it missing from their list');
  });

  it('the items go all at once: so do those of the list; the list goes: it is made again', async () => {
    const url = '<url url="http://shakespeare.example/"/>';
    const owner = (verb: string, node: string) =>
      alice.asks('set', `<pubsub xmlns="${NS.pubsubOwner}"><${verb} node="${node}"/></pubsub>`);
    for (const verb of ['purge', 'delete']) {
      await write(storage(url, legacy(one), legacy(two)));
      await owner(verb, NS.bookmarks);
      assert.equal(await list(), storage(url), verb);
      assert.deepEqual(await items(NS.bookmarks), []);
      await write(storage(url, legacy(one)));
      await owner(verb, NS.legacyBookmarks);
      assert.equal(await list(), storage(legacy(one)), verb);
      assert.equal((await items(NS.bookmarks)).length, 1);
    }
  });

  it('doubled rooms are one, and lists are bounded', async () => {
    await write(storage(legacy(one, '<nick>A</nick>'), legacy(one, '<nick>B</nick>')));
    assert.deepEqual(await items(NS.bookmarks), [`${one} ${native('<nick>B</nick>')}`]);
    const many = Array.from({ length: 11 }, (_, i) => legacy(`r${i}@rooms.example`));
    assert.equal(failed(await write(storage(...many))), 'resource-constraint');
    assert.equal(
      failed(await publish(NS.legacyBookmarks, 'current', storage(...many), oldOptions)),
      'resource-constraint',
    );
    assert.equal(failed(await write(storage() + storage())), 'bad-request');
    assert.equal((await items(NS.bookmarks)).length, 1);
    await write(storage(...many.slice(1)));
    assert.equal((await items(NS.bookmarks)).length, 10);
  });

  it('of a client that says nothing of the node are kept, and seen by nobody else (XEP-0402 §5.2)', async () => {
    await befriend(rig, 'alice', 'bob');
    const bob = await rig.login('bob', 'b');
    bob.session.interests = alice.session.interests;
    assert.deepEqual(told(await publish(NS.bookmarks, one, native(), '')), [`new +${one}`, 'old +current']);
    await publish(NS.bookmarks, two, native(), '');
    const carol = await rig.login('carol', 'c');
    await befriend(rig, 'carol', 'bob');
    bob.take();
    await carol.asks(
      'set',
      pubsub(`<publish node="storage:bookmarks"><item id="x">${storage(legacy(one))}</item></publish>`),
    );
    assert.deepEqual(bob.take(), []);
    assert.equal((await items(NS.bookmarks)).length, 2);
    // And a client that does say it finds what it wants.
    assert.equal(failed(await add(one, native('<nick>JC</nick>'))), undefined);
    await rig.restart();
    alice = await rig.login('alice', 'two');
    assert.equal((await items(NS.bookmarks)).length, 2);
    const late = await rig.login('bob', 'c');
    assert.equal(
      failed(
        await late.says(
          `<iq type="get" id="l" to="alice@example.org">${pubsub(`<items node="${NS.bookmarks}"/>`)}</iq>`,
        ),
      ),
      'item-not-found',
    );
  });

  it('are seen by nobody else, however the nodes were made (XEP-0411 §5)', async () => {
    await befriend(rig, 'alice', 'bob');
    const bob = await rig.login('bob', 'b');
    bob.session.interests = alice.session.interests;
    const open = form({ access_model: 'open', max_items: '5' });
    await publish(NS.bookmarks, two, native(), open);
    await publish(NS.legacyBookmarks, 'current', '<x xmlns="y"/>', open);
    bob.take();
    await write(storage(legacy(one, '<password>secret</password>')));
    assert.deepEqual(bob.take(), []);
    for (const node of [NS.bookmarks, NS.legacyBookmarks])
      assert.equal(
        failed(
          await bob.says(
            `<iq type="get" id="b${node}" to="alice@example.org">${pubsub(`<items node="${node}"/>`)}</iq>`,
          ),
        ),
        'item-not-found',
      );
    await rig.restart();
    alice = await rig.login('alice', 'two');
    assert.equal(await list(), storage(legacy(one, '<password>secret</password>')));
    const late = await rig.login('bob', 'c');
    assert.equal(
      failed(
        await late.says(
          `<iq type="get" id="l" to="alice@example.org">${pubsub(`<items node="${NS.bookmarks}"/>`)}</iq>`,
        ),
      ),
      'item-not-found',
    );
  });
});
