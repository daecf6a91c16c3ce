import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { NS } from '../../src/xmpp/namespaces.ts';
import { Rig } from './rig.ts';

const tune = 'http://jabber.org/protocol/tune';
export const publishTo = (node: string, id: string, payload = '<x xmlns="urn:x"/>', more = ''): string =>
  `<pubsub xmlns="${NS.pubsub}"><publish node="${node}"><item id="${id}">${payload}</item></publish>${more}</pubsub>`;
const itemsOf = (node: string, inner = '', attrs = ''): string =>
  `<pubsub xmlns="${NS.pubsub}"><items node="${node}" ${attrs}>${inner}</items></pubsub>`;

void describe('publishing at an account (XEP-0163)', () => {
  let rig: Rig;
  before(async () => {
    rig = await Rig.open();
  });
  after(() => rig.close());

  void it('makes the node, keeps the item, and tells it to who asked for it', async () => {
    const romeo = await rig.login('alice', 'orchard');
    romeo.session.interests = new Set([tune]);
    const [event, answer] = await romeo.asks(
      'set',
      publishTo(tune, 'one', `<tune xmlns="${tune}"><title>O</title></tune>`),
    );
    assert.match(answer!, /<publish node=".*tune"><item id="one"\/><\/publish>/);
    assert.match(
      event!,
      /^<message to="alice@example.org\/orchard" from="alice@example.org" type="headline"/,
    );
    assert.match(event!, /<items node=".*tune"><item id="one"><tune xmlns=".*"><title>O<\/title>/);
    await rig.restart();
    const again = await rig.login('alice', 'balcony');
    const [items] = await again.asks('get', itemsOf(tune));
    assert.match(items!, /<item id="one"><tune/);
  });
});
