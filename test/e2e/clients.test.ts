import assert from 'node:assert/strict';
import { createHash, createHmac, randomUUID } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { Scram } from './scram.ts';
import { openTarget, type Target } from './server.ts';
import { bind2, carbons, encode, fast, quiet, sasl2, sm, Success } from './sasl2.ts';
import { connect, expectElement, type Way } from './stream.ts';
import { attr, child, children, text, type Element } from './xml.ts';
import type { Wire } from './wire.ts';

/** What clients with SASL2 send, element by element, and what they insist on in the answers. */
void describe('logins of Conversations, Dino and Monal', () => {
  let target: Target;
  before(async () => {
    target = await openTarget();
    await target.users(['conversations', 'dino', 'monal']);
  });
  after(async () => {
    await target?.[Symbol.asyncDispose]();
  });

  const header = (user: string): string =>
    `<?xml version='1.0'?><stream:stream from='${user}@${target.domain}' to='${target.domain}' version='1.0' ` +
    `xml:lang='en' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>`;

  /** `first` goes out with the header where the client does not wait for features. */
  async function begin(user: string, way: Way, first = ''): Promise<{ wire: Wire; features: Element }> {
    const wire = await connect(target, way);
    wire.restart();
    wire.write(header(user) + first);
    await wire.until(
      () => wire.items.shift(),
      () => 'no stream header',
    );
    return { wire, features: await expectElement(wire, 'features') };
  }

  async function prove(wire: Wire, scram: Scram): Promise<Success> {
    const challenge = await expectElement(wire, 'challenge');
    assert.equal(challenge.namespaceURI, sasl2);
    const said = scram.answer(Buffer.from(text(challenge), 'base64').toString());
    wire.write(`<response xmlns='${sasl2}'>${encode(said)}</response>`);
    const element = await expectElement(wire, 'success');
    scram.check(Buffer.from(text(child(element, 'additional-data')!), 'base64').toString());
    return new Success(element);
  }

  void it('Conversations: a token with the first login, then all in the first packet', async () => {
    const user = 'conversations';
    const mechanism = 'HT-SHA-256-ENDP';
    const agent = `<user-agent id='${randomUUID()}'><software>Conversations</software><device>Google Pixel</device></user-agent>`;
    const bind = `<bind xmlns='${bind2}'><tag>Conversations</tag><enable xmlns='${carbons}'/><enable resume='true' xmlns='${sm}'/></bind>`;
    const { wire, features } = await begin(user, 'tls');
    // What it needs to come in the first packet the next time.
    const inline = child(child(features, 'authentication', sasl2)!, 'inline', sasl2)!;
    assert.ok(child(inline, 'sm', sm));
    const can = children(child(child(inline, 'bind', bind2)!, 'inline', bind2)!, 'feature').map((one) =>
      attr(one, 'var'),
    );
    assert.ok(can.includes(carbons) && can.includes(sm));
    assert.ok(
      children(child(inline, 'fast', fast)!, 'mechanism')
        .map(text)
        .includes(mechanism),
    );
    const scram = new Scram('SCRAM-SHA-256', user, 'secret');
    wire.write(
      `<authenticate xmlns='${sasl2}' mechanism='SCRAM-SHA-256'>` +
        `<initial-response>${encode(scram.first)}</initial-response>${agent}${bind}` +
        `<request-token xmlns='${fast}' mechanism='${mechanism}'/></authenticate>`,
    );
    const success = await prove(wire, scram);
    assert.match(success.jid, /\/Conversations\//);
    const { token } = success.token!;
    const bound = await expectElement(wire, 'features');
    assert.ok(child(bound, 'ver'));
    // It asks for an acknowledgement at once.
    wire.write(`<r xmlns='${sm}'/><presence/>`);
    assert.equal(attr(await expectElement(wire, 'a'), 'h'), '0');
    await expectElement(wire, 'presence');
    const own = wire.secured.getPeerCertificate().raw;
    wire.cut();

    const data = createHash('sha256').update(own).digest();
    const proof = createHmac('sha256', token).update('Initiator').update(data).digest();
    const again = (more: string): string =>
      `<authenticate xmlns='${sasl2}' mechanism='${mechanism}'>` +
      `<initial-response>${encode(Buffer.concat([Buffer.from(`${user}\0`), proof]))}</initial-response>` +
      `${agent}${bind}${more}<fast xmlns='${fast}'/></authenticate>`;
    const resume = `<resume xmlns='${sm}' previd='${success.enabled}' h='1'/>`;
    const second = await begin(user, 'tls', again(resume));
    const resumed = new Success(await expectElement(second.wire, 'success'));
    assert.ok(resumed.resumed);
    assert.equal(resumed.bound, undefined, 'both would be an incompatible server');
    assert.equal(resumed.jid, success.jid);
    assert.deepEqual(await quiet(second.wire), []);
    second.wire.write('</stream:stream>');
    await second.wire.ended();

    // The session is over: the failure is told, and the new one has features again.
    const third = await begin(user, 'tls', again(resume));
    const next = new Success(await expectElement(third.wire, 'success'));
    assert.ok(next.failed && next.enabled && next.enabled !== success.enabled);
    await expectElement(third.wire, 'features');
    assert.deepEqual(await quiet(third.wire), []);
    third.wire.cut();
  });

  void it('Dino: no user-agent, SCRAM-SHA-1, bind with carbons and stream management', async () => {
    const { wire } = await begin('dino', 'plain');
    const scram = new Scram('SCRAM-SHA-1', 'dino', 'secret');
    wire.write(
      `<authenticate xmlns='${sasl2}' mechanism='SCRAM-SHA-1'><initial-response>${encode(scram.first)}</initial-response>` +
        `<bind xmlns='${bind2}'><tag>dino</tag><enable xmlns='${sm}' resume='true'/><enable xmlns='${carbons}'/></bind></authenticate>`,
    );
    const success = await prove(wire, scram);
    assert.match(success.jid, /^dino@[^/]+\/dino\/[\w-]+$/);
    assert.ok(success.enabled);
    await expectElement(wire, 'features');
    assert.deepEqual(await quiet(wire), []);
    wire.cut();
  });

  void it('Monal: the answer last, upgrades asked for, resume and inactive bind together', async () => {
    const { wire, features } = await begin('monal', 'tls');
    const offered = children(child(features, 'authentication', sasl2)!, 'upgrade').map(text);
    assert.deepEqual(offered, ['UPGR-SCRAM-SHA-512', 'UPGR-SCRAM-SHA-256']);
    const scram = new Scram('SCRAM-SHA-256', 'monal', 'secret');
    wire.write(
      `<authenticate xmlns='${sasl2}' mechanism='SCRAM-SHA-256'>` +
        `<user-agent id='${randomUUID().toUpperCase()}'><software>Monal IM</software><device>iPhone</device></user-agent>` +
        `<upgrade xmlns='urn:xmpp:sasl:upgrade:0'>UPGR-SCRAM-SHA-512</upgrade>` +
        `<resume xmlns='${sm}' previd='1-abcdefghijklmnopqrstuvwx' h='3'/>` +
        `<bind xmlns='${bind2}'><tag>Monal-iOS</tag><enable xmlns='${carbons}'/><enable xmlns='${sm}' resume='true'/>` +
        `<inactive xmlns='urn:xmpp:csi:0'/></bind>` +
        `<initial-response>${encode(scram.first)}</initial-response></authenticate>`,
    );
    const success = await prove(wire, scram);
    assert.equal(children(success.failed!)[0]!.localName, 'item-not-found');
    assert.match(success.jid, /\/Monal-iOS\//);
    assert.ok(success.enabled);
    await expectElement(wire, 'features');
    assert.deepEqual(await quiet(wire), []);
    wire.cut();
  });
});
