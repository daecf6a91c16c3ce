import assert from 'node:assert/strict';
import { test } from 'node:test';
import { el } from '../../src/xmpp/element.ts';
import { StreamError } from '../../src/xmpp/error.ts';
import { NS } from '../../src/xmpp/namespaces.ts';
import { parseFragment } from '../../src/xmpp/parser.ts';
import { serialise } from '../../src/xmpp/serialise.ts';
import {
  closeFrame,
  features,
  footer,
  framed,
  header,
  openFrame,
  streamError,
} from '../../src/xmpp/stream.ts';
import { record } from './recorder.ts';

const opening = { from: 'example.org', id: 'i&d', to: 'alice@example.org', lang: 'de' };

test('what the server says on a TCP stream is a stream', () => {
  const { write, lines } = record();
  write(header(opening));
  write(features([el('starttls', NS.tls, {}, [el('required', NS.tls)])]));
  write(serialise(el('message', NS.client, { to: 'a' }, [el('body', NS.client, {}, ['x'])])));
  write(streamError(new StreamError('conflict', 'Replaced <by> a new connection')));
  write(footer);
  assert.deepEqual(
    lines.map((line) => line.replace(/ \d+$/, '')),
    [
      `open <stream xmlns="${NS.stream}" id="i&amp;d" from="example.org" to="alice@example.org" xml:lang="de" version="1.0"/> jabber:client`,
      `stanza <features xmlns="${NS.stream}"><starttls xmlns="${NS.tls}"><required/></starttls></features>`,
      'stanza <message to="a"><body>x</body></message>',
      `stanza <error xmlns="${NS.stream}"><conflict xmlns="${NS.streams}"/>` +
        `<text xmlns="${NS.streams}" xml:lang="en">Replaced &lt;by&gt; a new connection</text></error>`,
      'close',
    ],
  );
});

test('frames stand alone and mean the same', () => {
  for (const [text, name, ns] of [
    [serialise(el('presence', NS.client)), 'presence', NS.client],
    [
      serialise(el('message', NS.client, { to: 'a' }, [el('body', NS.client, {}, ['x/y>'])])),
      'message',
      NS.client,
    ],
    [serialise(el('iq', NS.client, {}, [el('query', NS.roster)])), 'iq', NS.client],
    [serialise(el('r', NS.sm)), 'r', NS.sm],
    [serialise(el('a', NS.sm, { h: '1' })), 'a', NS.sm],
    [features([el('bind', NS.bind)]), 'features', NS.stream],
    [features([]), 'features', NS.stream],
    [streamError(new StreamError('reset')), 'error', NS.stream],
    [openFrame(opening), 'open', NS.framing],
    [closeFrame('wss://b.example.org/ws?a&b'), 'close', NS.framing],
    [closeFrame(), 'close', NS.framing],
  ] as const) {
    const element = parseFragment(framed(text));
    assert.ok(element.is(name, ns), framed(text));
  }
  assert.equal(framed('<presence/>'), '<presence xmlns="jabber:client"/>');
  assert.equal(
    parseFragment(framed(serialise(el('message', NS.client, {}, [el('body', NS.client)])))).child('body')?.ns,
    NS.client,
  );
});

test('a new host goes inside the condition', () => {
  const text = streamError({ condition: 'see-other-host', text: undefined }, 'b.example.org:5222');
  assert.equal(parseFragment(framed(text)).child('see-other-host', NS.streams)?.text(), 'b.example.org:5222');
});

test('namespaces are declared where they change, and only there', () => {
  const iq = el('iq', NS.client, { id: '1', to: undefined }, [
    el('query', NS.roster, {}, [el('item', NS.roster, { jid: 'a' }), el('x', '')]),
    el('y', NS.client),
  ]);
  assert.equal(
    serialise(iq),
    '<iq id="1"><query xmlns="jabber:iq:roster"><item jid="a"/><x xmlns=""/></query><y/></iq>',
  );
  assert.match(serialise(iq, NS.server), /^<iq xmlns="jabber:client" id/);
});
