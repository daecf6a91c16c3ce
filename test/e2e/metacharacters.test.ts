import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Actor } from './actor.ts';
import { openTarget, type Target } from './server.ts';
import { attr, child, children, escape, show, text } from './xml.ts';

const pubsub = 'http://jabber.org/protocol/pubsub';

/** What means something to SQL, XML, JSON, paths and shells. */
const awkward = [
  `'; drop table pubsub_item; --`,
  `" or "1"="1`,
  '<a>&amp;]]></a>',
  '%_\\$1 $2 ?',
  '../../etc/passwd',
  '{"__proto__":{}}',
  '__proto__',
  'constructor',
  '\u202Eabc\uFEFF \u{1F600}',
];

/** Whatever a key says, it is only a name (notes on injection: docs/security.md). */
void describe('names that mean something elsewhere', () => {
  let target: Target;
  let one: Actor;
  before(async () => {
    target = await openTarget();
    await target.users(['meta', 'other']);
    one = await Actor.login(target, { user: 'meta' });
  });
  after(async () => {
    await one?.close();
    await target?.[Symbol.asyncDispose]();
  });
  const ok = async (type: 'get' | 'set', payload: string, to?: string) => {
    const answer = await one.ask(type, payload, to);
    assert.equal(attr(answer, 'type'), 'result', `${payload}\n${show(answer)}`);
    return answer;
  };

  for (const [number, name] of awkward.entries()) {
    const key = escape(name);
    void it(`as node and item: ${JSON.stringify(name)}`, async () => {
      const node = `${key}-${number}`;
      await ok(
        'set',
        `<pubsub xmlns='${pubsub}'><publish node='${node}'><item id='${key}'><x xmlns='a:b'>${key}</x></item></publish></pubsub>`,
      );
      const got = await ok(
        'get',
        `<pubsub xmlns='${pubsub}'><items node='${node}'><item id='${key}'/></items></pubsub>`,
      );
      const [item] = children(child(child(got, 'pubsub')!, 'items')!, 'item');
      assert.equal(attr(item!, 'id'), name);
      assert.equal(text(child(item!, 'x', 'a:b')!), name);
      for (const which of ['after', 'before']) {
        const page = await one.ask(
          'get',
          `<pubsub xmlns='${pubsub}'><items node='${node}'/><set xmlns='http://jabber.org/protocol/rsm'><max>5</max><${which}>${key}</${which}></set></pubsub>`,
        );
        assert.ok(['result', 'error'].includes(attr(page, 'type')!), show(page));
      }
      await ok(
        'set',
        `<pubsub xmlns='${pubsub}'><retract node='${node}'><item id='${key}'/></retract></pubsub>`,
      );
    });

    void it(`in private XML, a vCard and a bookmark: ${JSON.stringify(name)}`, async () => {
      await ok('set', `<query xmlns='jabber:iq:private'><e xmlns='${key}'>${key}</e></query>`);
      const kept = await ok('get', `<query xmlns='jabber:iq:private'><e xmlns='${key}'/></query>`);
      assert.equal(text(children(child(kept, 'query', 'jabber:iq:private')!)[0]!), name);
      await ok('set', `<vCard xmlns='vcard-temp'><FN>${key}</FN></vCard>`);
      const card = await ok('get', "<vCard xmlns='vcard-temp'/>");
      assert.equal(text(child(child(card, 'vCard', 'vcard-temp')!, 'FN')!), name);
    });

    void it(`where an address is wanted: ${JSON.stringify(name)}`, async () => {
      for (const payload of [
        `<block xmlns='urn:xmpp:blocking'><item jid='${key}'/></block>`,
        `<query xmlns='jabber:iq:roster'><item jid='${key}@${target.domain}'/></query>`,
        `<enable xmlns='urn:xmpp:push:0' jid='${key}' node='${key}'/>`,
      ]) {
        const answer = await one.ask('set', payload);
        assert.ok(['result', 'error'].includes(attr(answer, 'type')!), show(answer));
        assert.doesNotMatch(show(answer), /internal-server-error/, payload);
      }
      const slot = await one.ask(
        'get',
        `<request xmlns='urn:xmpp:http:upload:0' filename='${key}' size='1' content-type='${key}'/>`,
        `upload.${target.domain}`,
      );
      assert.doesNotMatch(show(slot), /internal-server-error/);
    });
  }

  void it('everything else is as it was', async () => {
    const other = await Actor.login(target, { user: 'other' });
    assert.equal(attr(await other.ask('get', "<query xmlns='jabber:iq:roster'/>"), 'type'), 'result');
    await other.close();
    assert.doesNotMatch(target.log(), /unexpectedly|"level":50/);
  });
});
