import assert from 'node:assert/strict';
import { test } from 'node:test';
import { b64, bindIq, header, link, out, Rig } from './rig.ts';

test('STARTTLS, SCRAM relayed, bind, and a stanza each way', () => {
  const rig = new Rig();
  const client = rig.connect({});
  client.send(header);
  rig.clock.tick();
  assert.match(client.read(), /^<\?xml .*from="example.org".*<starttls xmlns="[^"]+"><required\/>/);
  client.send("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
  rig.clock.tick();
  assert.match(client.read(), /^<proceed /);
  assert.equal(client.secured, 1);

  client.send(header);
  rig.clock.tick();
  assert.match(client.read(), /<mechanism>SCRAM-SHA-256<\/mechanism>.*<mechanism>PLAIN</);
  client.send(
    `<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='SCRAM-SHA-256'>${b64('n,,n=alice,r=abc')}</auth>`,
  );
  const auth = rig.one('auth');
  assert.equal(auth.mechanism, 'SCRAM-SHA-256');
  assert.equal(Buffer.from(auth.data ?? []).toString(), 'n,,n=alice,r=abc');
  assert.equal(auth.info.secure, true);
  rig.say({ t: 'challenge', conn: auth.conn, data: Buffer.from('r=abcdef') });
  assert.equal(
    client.read(),
    `<challenge xmlns="urn:ietf:params:xml:ns:xmpp-sasl">${b64('r=abcdef')}</challenge>`,
  );
  client.send(`<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>${b64('c=biws')}</response>`);
  assert.equal(Buffer.from(rig.one('auth-next').data).toString(), 'c=biws');
  rig.say({
    t: 'authed',
    conn: auth.conn,
    account: 'alice@example.org',
    proof: 'p',
    data: Buffer.from('v=x'),
  });
  assert.equal(client.read(), `<success xmlns="urn:ietf:params:xml:ns:xmpp-sasl">${b64('v=x')}</success>`);

  client.send(header);
  rig.clock.tick();
  const features = client.read();
  for (const feature of ['<bind ', '<session ', '<optional/>', '<sm ', '<ver ', '<sub '])
    assert.ok(features.includes(feature), feature);
  client.send(bindIq);
  rig.say({ t: 'bound', conn: rig.one('bind').conn, ...link() });
  assert.equal(
    client.read(),
    '<iq type="result" id="b"><bind xmlns="urn:ietf:params:xml:ns:xmpp-bind"><jid>alice@example.org/phone</jid></bind></iq>',
  );

  client.send("<message to='bob@example.org'><body>hello</body></message>");
  const stanza = rig.one('stanza');
  assert.equal(stanza.n, 1);
  assert.equal(stanza.stanza.child('body')?.text(), 'hello');
  rig.say(out(100, 1, '<message from="bob@example.org"/>'));
  assert.equal(client.read(), '<message from="bob@example.org"/>');
  assert.equal(rig.one('ack').m, 1);
});
