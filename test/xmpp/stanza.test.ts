import assert from 'node:assert/strict';
import { test } from 'node:test';
import { el } from '../../src/xmpp/element.ts';
import type { Attrs } from '../../src/xmpp/element.ts';
import { StanzaError } from '../../src/xmpp/error.ts';
import { NS } from '../../src/xmpp/namespaces.ts';
import { serialise } from '../../src/xmpp/serialise.ts';
import {
  answerable,
  bodyOf,
  delayed,
  errorReply,
  iqType,
  kindOf,
  messageType,
  payload,
  presenceType,
  priorityOf,
  result,
} from '../../src/xmpp/stanza.ts';

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

test('errors and results are not answered', () => {
  assert.ok(answerable(stanza('iq', { type: 'get' })));
  assert.ok(answerable(stanza('message')));
  assert.ok(!answerable(stanza('message', { type: 'error' })));
  assert.ok(!answerable(stanza('iq', { type: 'result' })));
});

test('kinds and types', () => {
  assert.equal(kindOf(stanza('message')), 'message');
  assert.equal(kindOf(stanza('stream')), undefined);
  assert.equal(kindOf(el('iq', NS.server)), undefined);
  assert.equal(messageType(stanza('message', { type: 'invented' })), 'normal');
  assert.equal(messageType(stanza('message', { type: 'groupchat' })), 'groupchat');
  assert.equal(presenceType(stanza('presence')), 'available');
  assert.equal(presenceType(stanza('presence', { type: 'available' })), undefined);
  assert.equal(iqType(stanza('iq')), undefined);
  assert.equal(iqType(stanza('iq', { type: 'set' })), 'set');
});

test('a request has one payload', () => {
  const child = el('ping', NS.ping);
  assert.equal(payload(el('iq', NS.client, {}, ['\n', child, '\n'])), child);
  assert.equal(payload(el('iq', NS.client, {}, [child, child])), undefined);
  assert.equal(payload(stanza('iq')), undefined);
});

test('priority', () => {
  const of = (text: string) =>
    priorityOf(el('presence', NS.client, {}, [el('priority', NS.client, {}, [text])]));
  assert.equal(priorityOf(stanza('presence')), 0);
  assert.deepEqual(['5', '-128', '127', ' +1\n'].map(of), [5, -128, 127, 1]);
  assert.deepEqual(['', '128', '-129', '1.5', '0x1', 'a', '1e1'].map(of), Array(7).fill(undefined));
});

test('body and delay', () => {
  const message = el('message', NS.client, {}, [
    el('body', NS.chatstates),
    el('body', NS.client, {}, ['x', 'y']),
  ]);
  assert.equal(bodyOf(message), 'xy');
  assert.equal(bodyOf(stanza('message')), undefined);
  assert.equal(
    serialise(delayed(stanza('message'), 'example.org', 0)),
    '<message><delay xmlns="urn:xmpp:delay" from="example.org" stamp="1970-01-01T00:00:00.000Z"/></message>',
  );
});
