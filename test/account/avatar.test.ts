import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { NS } from '../../src/xmpp/namespaces.ts';
import { befriend } from './friends.ts';
import { gif, png } from './images.ts';
import { Rig, type Client } from './rig.ts';

const sha1 = (data: Buffer) => createHash('sha1').update(data).digest('hex');
const base64 = (data: Buffer) => data.toString('base64');
const photo = (data: Buffer, type = 'image/png') =>
  `<PHOTO><TYPE>${type}</TYPE><BINVAL>${base64(data)}</BINVAL></PHOTO>`;
const card = (inner: string) => `<vCard xmlns="vcard-temp">${inner}</vCard>`;
const hashIn = (text: string) =>
  /<x xmlns="vcard-temp:x:update"><photo(?:\/>|>(\w+)<\/photo>)<\/x>/.exec(text)?.[1] ??
  (text.includes('<photo/>') ? '' : undefined);
const presences = (client: Client) =>
  client
    .take()
    .filter((text) => text.startsWith('<presence'))
    .map((text) => `${/ from="([^@]+@[^/]+\/)?([^"]+)"/.exec(text)![2]} ${hashIn(text) ?? 'nothing'}`);

const one = png(64, 48);
const two = gif(32, 33);

describe('avatars (XEP-0084, XEP-0153, XEP-0398)', () => {
  let rig: Rig;
  let alice: Client;
  let bob: Client;
  let ids = 0;
  beforeEach(async () => {
    rig = await Rig.open();
    await befriend(rig, 'alice', 'bob');
    alice = await rig.login('alice', 'one');
    bob = await rig.login('bob', 'b');
    alice.take();
  });
  afterEach(() => rig.close());

  const publish = (node: string, id: string, payload: string, access?: string) =>
    alice.asks(
      'set',
      `<pubsub xmlns="${NS.pubsub}"><publish node="${node}"><item id="${id}">${payload}</item></publish>` +
        (access === undefined
          ? ''
          : `<publish-options><x xmlns="jabber:x:data" type="submit"><field var="FORM_TYPE" type="hidden"><value>${NS.pubsubPublishOptions}</value></field><field var="pubsub#access_model"><value>${access}</value></field></x></publish-options>`) +
        '</pubsub>',
    );
  const data = (image: Buffer, access?: string, id = sha1(image)) =>
    publish(NS.avatarData, id, `<data xmlns="${NS.avatarData}">${base64(image)}</data>`, access);
  const metadata = (infos: string, access?: string, id = 'm') =>
    publish(NS.avatarMetadata, id, `<metadata xmlns="${NS.avatarMetadata}">${infos}</metadata>`, access);
  const info = (image: Buffer, more = '') =>
    `<info id="${sha1(image)}" bytes="${image.length}" type="image/png"${more}/>`;
  const items = async (node: string, who = alice) => {
    const [answer] = await who.says(
      `<iq type="get" id="i${++ids}" to="alice@example.org"><pubsub xmlns="${NS.pubsub}"><items node="${node}"/></pubsub></iq>`,
    );
    return /<items[^>]*>(.*)<\/items>/.exec(answer!)?.[1] ?? /<error.*?><([\w-]+)/.exec(answer!)![1]!;
  };
  const vcard = async (who: Client, to = 'alice@example.org') => {
    const texts = await who.says(`<iq type="get" id="v${++ids}" to="${to}"><vCard xmlns="vcard-temp"/></iq>`);
    return (
      /<vCard[^>]*>(.*)<\/vCard>/.exec(texts.join(''))?.[1] ??
      /<error.*?><([\w-]+)/.exec(texts.join(''))?.[1] ??
      ''
    );
  };
  const setCard = (inner: string) => alice.asks('set', card(inner));
  const stored = () =>
    rig.model.rows<{ avatar: string | null }>("select avatar from account where local = 'alice'")[0]!.avatar;

  it('an avatar that is published is the photo of the vCard, and its hash in presence (§3.1, §4)', async () => {
    await setCard('<FN>Alice</FN>');
    await data(one, 'open');
    assert.equal(await vcard(bob), '<FN>Alice</FN>');
    alice.take();
    bob.take();
    await metadata(info(one), 'open');
    assert.deepEqual(presences(bob), [`one ${sha1(one)}`]);
    assert.deepEqual(presences(alice), [`one ${sha1(one)}`], 'to oneself as well');
    assert.equal(await vcard(bob), `<FN>Alice</FN>${photo(one)}`);
    assert.equal(await vcard(await rig.bind('carol', 'c')), `<FN>Alice</FN>${photo(one)}`);
    // Once more the same: nothing to tell.
    await metadata(info(one));
    assert.deepEqual(presences(bob), []);
  });

  it('the hash is there at the next presence, after a crash, for who comes later, and in directed presence', async () => {
    await data(one);
    await metadata(info(one));
    await rig.crash();
    alice = await rig.login('alice', 'two');
    bob = await rig.bind('bob', 'c');
    await bob.says('<presence/>');
    assert.deepEqual(
      presences(bob).filter((line) => line.startsWith('two')),
      [`two ${sha1(one)}`],
    );
    await alice.says('<presence><show>away</show></presence>');
    assert.deepEqual(presences(bob), [`two ${sha1(one)}`]);
    await alice.says(
      '<presence to="room@far.example/nick"><x xmlns="http://jabber.org/protocol/muc"/></presence>',
    );
    assert.equal(hashIn(rig.passed.at(-1)!), sha1(one));
    await alice.says('<presence to="room@far.example/nick" type="unavailable"/>');
    assert.equal(hashIn(rig.passed.at(-1)!), undefined);
    await alice.says(`<presence><x xmlns="vcard-temp:x:update"><photo/></x></presence>`);
    assert.deepEqual(presences(bob), ['two '], 'who says so has none');
    await setCard(photo(two));
    // The session of before the crash still waits for its client.
    assert.deepEqual(presences(bob), [`one ${sha1(two)}`], 'and goes on having none');
  });

  it('the photo of a vCard is published (§3.2), read from its bytes', async () => {
    alice.session.interests = new Set([NS.avatarMetadata]);
    const events = await setCard(`<FN>A</FN>${photo(two, 'image/png')}<N/>`);
    assert.equal(
      await items(NS.avatarData, await rig.bind('carol', 'c')),
      `<item id="${sha1(two)}"><data xmlns="${NS.avatarData}">${base64(two)}</data></item>`,
    );
    const tells = `<item id="${sha1(two)}"><metadata xmlns="${NS.avatarMetadata}"><info bytes="${two.length}" id="${sha1(two)}" type="image/gif" width="32" height="33"/></metadata></item>`;
    assert.equal(await items(NS.avatarMetadata, bob), tells);
    assert.ok(
      events.some((text) => text.startsWith('<message') && text.includes(tells)),
      'and told',
    );
    assert.deepEqual(presences(bob).slice(0, 1), [`one ${sha1(two)}`]);
    assert.equal(await vcard(alice), `<FN>A</FN><N/>${photo(two, 'image/gif')}`);
  });

  it('is not published again where it is the same, and goes where the photo does', async () => {
    alice.session.interests = new Set([NS.avatarMetadata]);
    const told = async (inner: string) =>
      (await setCard(inner)).filter((text) => text.startsWith('<message')).length;
    assert.equal(await told(photo(one)), 1);
    assert.equal(await told(`<FN>A</FN>${await vcard(alice)}`), 0);
    // White space is no difference (XEP-0153 §4.6).
    assert.equal(await told(photo(one).replace(base64(one), base64(one).replaceAll(/.{30}/g, '$&\n'))), 0);
    bob.take();
    assert.equal(await told('<FN>A</FN>'), 1);
    assert.equal(stored(), '');
    assert.deepEqual(presences(bob), ['one ']);
    assert.match(
      await items(NS.avatarMetadata),
      /^<item id="[^"]+"><metadata xmlns="urn:xmpp:avatar:metadata"\/><\/item>$/,
    );
    assert.equal(await vcard(bob), '<FN>A</FN>');
    assert.equal(await told('<FN>A</FN>'), 0);
    // One more with the photo that was there before.
    assert.equal(await told(photo(one)), 1);
    assert.equal(stored(), sha1(one));
  });

  it('ends with empty metadata, with a retraction, and with an image that is elsewhere', async () => {
    const turns: [string, () => Promise<unknown>][] = [
      ['empty', () => metadata('')],
      ['elsewhere', () => metadata(info(one, ' url="https://x.example/a.png"'))],
      [
        'retracted',
        () =>
          alice.asks(
            'set',
            `<pubsub xmlns="${NS.pubsub}"><retract node="${NS.avatarMetadata}"><item id="m"/></retract></pubsub>`,
          ),
      ],
      ['wrong hash', () => metadata(info(two))],
    ];
    await data(one);
    for (const [why, turn] of turns) {
      await metadata(info(two, ' url="https://x.example/b.gif"') + info(one));
      assert.equal(stored(), sha1(one), why);
      bob.take();
      await turn();
      assert.equal(stored(), '', why);
      assert.deepEqual(presences(bob), ['one '], why);
      assert.equal(await vcard(bob), 'service-unavailable', why);
    }
  });

  it('is shown to nobody who may not see into its nodes (§5.2, §7)', async () => {
    const carol = await rig.bind('carol', 'c');
    // The usual node of an account is for its contacts.
    await data(one);
    await metadata(info(one));
    assert.equal(await vcard(bob), photo(one));
    assert.equal(await vcard(alice), photo(one));
    assert.equal(await vcard(carol), 'service-unavailable');
    assert.equal(await vcard(carol, 'nobody@example.org'), 'service-unavailable');
  });

  it('stays out of presence where not every contact may see it', async () => {
    await data(one, 'whitelist');
    bob.take();
    await metadata(info(one), 'whitelist');
    assert.equal(stored(), null);
    assert.deepEqual(presences(bob), []);
    assert.equal(await vcard(bob), 'service-unavailable');
  });

  it('what is no image changes nothing but the vCard itself', async () => {
    const junk = [
      '<PHOTO><EXTVAL>https://x.example/a.png</EXTVAL></PHOTO>',
      '<PHOTO><TYPE>image/png</TYPE><BINVAL>!!!not base64</BINVAL></PHOTO>',
      `<PHOTO><BINVAL>${Buffer.from("<svg'); drop table vcard;--").toString('base64')}</BINVAL></PHOTO>`,
      '<PHOTO/>',
      '<PHOTO><BINVAL/></PHOTO>',
    ];
    for (const inner of [...junk, junk.join('')]) {
      assert.match((await setCard(inner)).at(-1)!, /type="result"/);
      assert.equal(await vcard(bob), inner);
      assert.equal(await items(NS.avatarData), 'item-not-found');
    }
    assert.equal(stored(), null);
    // An image among them is the one.
    await setCard(`${junk[0]}${photo(one)}${photo(two)}`);
    assert.equal(stored(), sha1(one));
    assert.equal(await vcard(bob), photo(one));
    // And junk in its place is none.
    await setCard(junk[1]!);
    assert.equal(stored(), '');
    for (const bad of ['x', '', '"&lt;\'']) {
      await publish(NS.avatarData, 'x', `<data xmlns="${NS.avatarData}">${bad}</data>`);
      await metadata('<info id="x" bytes="1" type="image/png"/>');
      assert.equal(stored(), '');
    }
  });

  it('a write that fails leaves all as it was', async () => {
    await setCard(photo(one));
    bob.take();
    rig.model.plan({ faulty: 1000 });
    const answers = await setCard(photo(two));
    rig.model.plan({ faulty: 0 });
    assert.match(answers.join(''), /internal-server-error/);
    assert.deepEqual(presences(bob), []);
    assert.equal(stored(), sha1(one));
    assert.equal(await vcard(bob), photo(one));
    await setCard(photo(two));
    assert.equal(await vcard(bob), photo(two, 'image/gif'));
  });
});
