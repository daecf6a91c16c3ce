import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import { NS } from '../../src/xmpp/namespaces.ts';
import { configure, fieldsIn, open } from './forms.ts';
import { codes, refusal, type Client } from './rig.ts';

const svg =
  '<svg xmlns="http://www.w3.org/2000/svg" width="32" height="32"><rect width="32" height="32"/></svg>';
const png = Buffer.from('89504e470d0a1a0a', 'hex');
const sha1 = (bytes: string | Buffer): string => createHash('sha1').update(bytes).digest('hex');
const photo = (bytes: string | Buffer, type: string): string =>
  `<PHOTO><TYPE>${type}</TYPE><BINVAL>${Buffer.from(bytes).toString('base64')}</BINVAL></PHOTO>`;
const card = (inner = ''): string => `<vCard xmlns="${NS.vcard}">${inner}</vCard>`;
const get = `<vCard xmlns="${NS.vcard}"/>`;

void describe('pictures of rooms (XEP-0486)', () => {
  void it('an owner sets one, all who are there hear of it, and anybody may have it', async () => {
    await using rig = await open();
    const [alice, bob] = (await rig.gather('alice', 'bob')) as [Client, Client];
    await configure(alice, { 'muc#roomconfig_persistentroom': '1' });
    bob.take();
    const inner = photo(svg, 'image/svg+xml') + photo(png, 'image/png');
    assert.match(await alice.asks('set', card(inner)), /type="result"/);
    const [told, ...more] = bob.take();
    assert.match(told!, /^<message .*type="groupchat"/);
    assert.deepEqual([codes(told!), more], [[104], []]);
    // §6.1: the hashes of all forms of it.
    const info = `<query xmlns="${NS.discoInfo}"/>`;
    assert.deepEqual(fieldsIn(await bob.asks('get', info))['muc#roominfo_avatarhash'], [
      sha1(svg),
      sha1(png),
    ]);
    bob.take();
    await rig.restart();
    const carol = rig.client('carol@example.org/home');
    for (const one of [bob, carol]) assert.ok((await one.asks('get', get)).includes(inner));
    // Set again, it is no news; configured otherwise, the room keeps it.
    bob.take();
    await alice.asks('set', card(inner));
    assert.deepEqual(bob.take(), []);
    await configure(alice, { 'muc#roomconfig_roomname': 'Cave' });
    assert.ok((await carol.asks('get', get)).includes(inner));
    await alice.asks('set', card());
    assert.equal(fieldsIn(await bob.asks('get', info))['muc#roominfo_avatarhash'], undefined);
    assert.match(await carol.asks('get', get), new RegExp(`<vCard xmlns="${NS.vcard}"/>`));
  });

  void it('nobody else sets one, nor one that is too large or none at all', async () => {
    await using rig = await open({ vcard: 10_000 });
    const [alice, bob] = (await rig.gather('alice', 'bob')) as [Client, Client];
    const carol = rig.client('carol@example.org/home');
    for (const one of [bob, carol])
      assert.equal(refusal(await one.asks('set', card(photo(svg, 'image/svg+xml')))), 'forbidden');
    const large = photo(Buffer.alloc(10_000), 'image/png');
    assert.equal(refusal(await alice.asks('set', card(large))), 'policy-violation');
    const odd = '<PHOTO><TYPE>image/png</TYPE><BINVAL>!!!</BINVAL></PHOTO>';
    assert.equal(refusal(await alice.asks('set', card(odd))), 'bad-request');
    assert.equal((await rig.room()).config.vcard, '');
    // A room that is being made is not there for others.
    const secret = 'secret@conference.example.org';
    await alice.enters('alice', secret);
    assert.equal(refusal(await bob.asks('get', get, secret)), 'item-not-found');
  });
});
