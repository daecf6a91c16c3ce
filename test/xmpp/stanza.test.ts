import assert from 'node:assert/strict';
import { test } from 'node:test';
import { el } from '../../src/xmpp/element.ts';
import type { Attrs } from '../../src/xmpp/element.ts';
import { StanzaError } from '../../src/xmpp/error.ts';
import { NS } from '../../src/xmpp/namespaces.ts';
import { serialise } from '../../src/xmpp/serialise.ts';
import { bodyOf, errorReply, messageType, payload, result } from '../../src/xmpp/stanza.ts';

const stanza = (name: string, attrs: Attrs = {}) => el(name, NS.client, attrs);

test('an error goes back with id, condition and text', () => {
  const iq = stanza('iq', { type: 'get', id: 'a', from: 'x@y/z', to: 'y', 'xml:lang': 'de' });
  assert.equal(
    serialise(errorReply(iq, new StanzaError('service-unavailable', 'No <such> thing'))),
    `<iq id="a" to="x@y/z" from="y" type="error"><error type="cancel"><service-unavailable xmlns="${NS.stanzas}"/>` +
      `<text xmlns="${NS.stanzas}" xml:lang="en">No &lt;such&gt; thing</text></error></iq>`,
  );
  assert.equal(new StanzaError('policy-violation', undefined, 'wait').type, 'wait');
  assert.equal(new StanzaError('not-authorized').type, 'auth');
});

test('a stanza without addresses is answered without', () => {
  assert.equal(serialise(result(stanza('iq', { type: 'set', id: '1' }))), '<iq id="1" type="result"/>');
  assert.equal(
    serialise(result(stanza('iq', { type: 'get', id: '1', from: 'a' }), el('query', NS.version))),
    '<iq id="1" to="a" type="result"><query xmlns="jabber:iq:version"/></iq>',
  );
});

test('types of messages', () => {
  assert.equal(messageType(stanza('message', { type: 'invented' })), 'normal');
  assert.equal(messageType(stanza('message', { type: 'groupchat' })), 'groupchat');
});

test('a request has one payload', () => {
  const child = el('ping', NS.ping);
  assert.equal(payload(el('iq', NS.client, {}, ['\n', child, '\n'])), child);
  assert.equal(payload(el('iq', NS.client, {}, [child, child])), undefined);
  assert.equal(payload(stanza('iq')), undefined);
});

test('a body', () => {
  const message = el('message', NS.client, {}, [
    el('body', NS.chatstates),
    el('body', NS.client, {}, ['x', 'y']),
  ]);
  assert.equal(bodyOf(message), 'xy');
  assert.equal(bodyOf(stanza('message')), undefined);
});
