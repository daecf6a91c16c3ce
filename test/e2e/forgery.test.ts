import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Actor, settle } from './actor.ts';
import { openTarget, type Target } from './server.ts';
import { connect, open } from './stream.ts';
import { attr, child, show } from './xml.ts';

/** What somebody may try to make a client believe (docs/security.md). */
void describe('forgeries', () => {
  let target: Target;
  let mallory: Actor;
  let victim: Actor;
  before(async () => {
    target = await openTarget();
    await target.users(['forger', 'forged']);
    mallory = await Actor.login(target, { user: 'forger' });
    victim = await Actor.login(target, { user: 'forged' });
    for (const one of [mallory, victim]) one.send('<presence/>');
    await settle([mallory, victim]);
    for (const one of [mallory, victim]) one.forget();
  });
  after(async () => {
    for (const one of [mallory, victim]) one?.wire.cut();
    await target?.[Symbol.asyncDispose]();
  });

  void it('a roster push (RFC 6121 §2.1.6) has its sender’s name on it, or does not come', async () => {
    const push = `<query xmlns='jabber:iq:roster'><item jid='trust@me.example' subscription='both'/></query>`;
    mallory.send(`<iq type='set' id='push' to='${victim.full}'>${push}</iq>`);
    mallory.send(`<iq type='set' id='bare' to='${victim.bare}'>${push}</iq>`);
    await mallory.expect(`<iq type='error' id='bare'/>`);
    await settle([mallory, victim]);
    for (const one of victim.inbox.filter(({ localName }) => localName === 'iq'))
      assert.equal(attr(one, 'from'), mallory.full, show(one));
    const own = await victim.ask('get', "<query xmlns='jabber:iq:roster'/>");
    assert.doesNotMatch(show(own), /trust@me/);
  });

  for (const kind of ['carbons', 'event', 'archive'] as const)
    void it(`${kind}: nobody speaks in the name of another’s account`, async () => {
      victim.forget();
      const inner = {
        carbons: `<received xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client' from='boss@${target.domain}/x' to='${victim.full}' type='chat'><body>pay</body></message></forwarded></received>`,
        event: `<event xmlns='http://jabber.org/protocol/pubsub#event'><items node='urn:xmpp:bookmarks:1'><item id='x@y'/></items></event>`,
        archive: `<result xmlns='urn:xmpp:mam:2' queryid='q' id='1'><forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client' from='boss@${target.domain}/x'><body>pay</body></message></forwarded></result>`,
      }[kind];
      mallory.send(`<message to='${victim.full}' id='${kind}'>${inner}</message>`);
      await settle([mallory, victim]);
      for (const one of victim.inbox.filter((got) => got.localName === 'message'))
        assert.equal(attr(one, 'from'), mallory.full, show(one));
      // Whoever says that it is somebody else is no client of ours any more.
      const liar = await Actor.login(target, { user: 'forger', resource: `liar-${kind}` });
      liar.send(`<message from='${victim.bare}' to='${victim.full}'>${inner}</message>`);
      await liar.wire.ended();
    });

  void it('compression is not offered, and not taken (XEP-0138)', async () => {
    const wire = await connect(target);
    const features = await open(wire, target.domain);
    assert.equal(child(features, 'compression', 'http://jabber.org/features/compress'), undefined);
    wire.write("<compress xmlns='http://jabber.org/protocol/compress'><method>zlib</method></compress>");
    await wire.ended();
  });
});
