import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { codec, decodePacket, encodePacket } from '../../src/link/codec.ts';
import { speakers, type Packet, type Service } from '../../src/mesh/mesh.ts';
import { Element, type Node } from '../../src/xmpp/element.ts';
import { parseStored } from '../../src/xmpp/parser.ts';
import { textOf } from '../../src/xmpp/serialise.ts';

const head = { channel: 3, first: 17, heard: 2, received: 40 };

function cross(frame: object, service: Service = 'account'): object | undefined {
  const packet = decodePacket(encodePacket({ ...head, frames: [{ service, frame }] }));
  assert.ok(packet !== undefined);
  assert.deepEqual({ ...packet, frames: [] }, { ...head, frames: [] });
  const [held] = packet.frames;
  if (held !== undefined) assert.equal(held.service, service);
  return held?.frame;
}

/** Characters that XML 1.0 §2.2 allows, with those that need escapes. */
const text = fc.string({
  unit: fc.oneof(
    fc.constantFrom(
      'a',
      'é',
      '漢',
      '😀',
      '<',
      '&',
      '"',
      "'",
      '\\',
      '\n',
      '\t',
      '\r',
      ']',
      '\u2028',
      '\u0085',
    ),
    fc.integer({ min: 0x20, max: 0xd7ff }).map((code) => String.fromCodePoint(code)),
  ),
});
const name = fc.constantFrom('message', 'body', 'x', 'origin-id', 'é', '_a.b');
const ns = fc.constantFrom('jabber:client', 'urn:xmpp:sid:0', '', 'urn:"&');
const attrs = fc.dictionary(fc.constantFrom('to', 'id', 'xml:lang', '{urn:a}b', 'constructor'), text, {
  maxKeys: 3,
  noNullPrototype: true,
});
const { element } = fc.letrec<{ element: Element; node: Node }>((tie) => ({
  node: fc.oneof({ maxDepth: 4 }, text, tie('element')),
  element: fc
    .tuple(name, ns, attrs, fc.array(tie('node'), { maxLength: 4 }))
    .map(([local, space, given, children]) => new Element(local, space, given, children)),
}));
const scalar = fc.oneof(
  fc.string(),
  fc.boolean(),
  fc.constant(null),
  fc.maxSafeInteger().filter((n) => !Object.is(n, -0)),
);
const bytes = fc.uint8Array({ maxLength: 40 });
const key = fc.string({ minLength: 1 }).filter((k) => !['$e', '$b', '__proto__', 't'].includes(k));
const { value } = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    scalar,
    element,
    bytes,
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(key, tie('value'), { maxKeys: 4, noNullPrototype: true }),
  ),
}));
const frame = fc
  .dictionary(key, value, { maxKeys: 5, noNullPrototype: true })
  .map((held) => ({ t: 'x', ...held }));

test('what a frame may hold crosses as it is', () => {
  fc.assert(
    fc.property(frame, (sent) => {
      assert.deepEqual(cross(sent), sent);
    }),
  );
});

test('a stanza reads the same at the other end, and keeps nothing of its old text', () => {
  fc.assert(
    fc.property(element, (sent) => {
      textOf(sent);
      const { stanza } = cross({ t: 'stanza', stanza: sent }) as { stanza: Element };
      assert.ok(stanza instanceof Element);
      assert.equal(stanza.encoded, undefined);
      assert.equal(textOf(stanza), textOf(sent));
    }),
  );
  const parsed = parseStored(
    '<iq type="set" id="1"><query xmlns="jabber:iq:roster"><item jid="a@b" name="&lt;&amp;"/></query></iq>',
  );
  assert.deepEqual((cross({ t: 'stanza', stanza: parsed }) as { stanza: Element }).stanza, parsed);
});

test('keys without a value are left out', () => {
  const sent = { t: 'auth', data: undefined, info: { tls: undefined, lang: 'en' } };
  assert.deepEqual(cross(sent), { t: 'auth', info: { lang: 'en' } });
});

test('bytes inside lists cross, as channel-binding data is', () => {
  const bindings = [['tls-exporter', new Uint8Array([0, 255, 1])]];
  const { bindings: got } = cross({ t: 'auth', bindings }) as { bindings: [string, Uint8Array][] };
  assert.equal(got[0]?.[0], 'tls-exporter');
  assert.deepEqual([...(got[0]?.[1] ?? [])], [0, 255, 1]);
});

test('what cannot be coded becomes a hole, and the frames beside it arrive', () => {
  const deep: Record<string, unknown> = {};
  let inner = deep;
  for (let i = 0; i < 200; i++) inner = inner['x'] = {};
  for (const bad of [
    { t: 'x', v: 1n },
    { t: 'x', v: 0.5 },
    { t: 'x', v: Number.NaN },
    { t: 'x', v: () => 1 },
    { t: 'x', deep },
    { t: 'x', $e: 1 },
    { t: 'x', map: new Map() },
  ]) {
    const packet: Packet = {
      ...head,
      frames: [
        { service: 'account', frame: bad },
        { service: 'account', frame: { t: 'y' } },
      ],
    };
    assert.deepEqual(decodePacket(encodePacket(packet))?.frames, [
      undefined,
      { service: 'account', frame: { t: 'y' } },
    ]);
  }
  assert.deepEqual(cross({ t: 'load', v: 0.5 }, 'admin'), { t: 'load', v: 0.5 });
});

test('what is not a packet is none, whatever it is', () => {
  const frames = (json: string) => `[1,3,17,2,40,${json}]`;
  assert.ok(decodePacket(frames('["account",{"t":"x"}]')) !== undefined);
  assert.ok(decodePacket('[1,3,17,2,-1]') !== undefined);
  for (const bad of [
    '',
    'x',
    '0',
    '{}',
    'null',
    '[1,3,17,2]',
    '[2,3,17,2,40]',
    '[0,3,17,2,40]',
    '[1,-3,17,2,40]',
    '[1,3,1.5,2,40]',
    '[1,3,17,"2",40]',
    '[1,3,17,2,-2]',
    '[1,3,17,2,9007199254740993]',
    frames('1'),
    frames('null'),
    frames('["account"]'),
    frames('["nobody",{"t":"x"}]'),
    frames('["constructor",{"t":"x"}]'),
    frames('["account",[]]'),
    frames('["account","x"]'),
    frames('["account",{}]'),
    frames('["account",{"t":1}]'),
    frames('["account",{"t":"x","n":1.5}]'),
    frames('["account",{"t":"x","n":1e999}]'),
    frames('["admin",{"t":"x","n":1e999}]'),
    frames('["account",{"t":"x","__proto__":{"a":1}}]'),
    frames('["account",{"t":"x","b":{"$b":5}}]'),
    frames('["account",{"$e":["a","",0],"t":"x"}]'),
    ...[
      '[]',
      '["a","b"]',
      '["a b","",0]',
      '["a><b","",0]',
      '["","",0]',
      '["a:b","",0]',
      '["a",1,0]',
      '["a","",{"x":1}]',
      '["a","",{"x y":"1"}]',
      '["a","",{"{u}x y":"1"}]',
      '["a","",[]]',
      '["a","",0,5]',
      '["a","",0,null]',
      '["a","",0,["b\\"",0,0]]',
      '["a","",0,"\\u0000"]',
      '["a","",0,"\\ud800"]',
      '["a","",0,"\\b"]',
      '["a","",{"x":"\\uffff"}]',
      '["a","",{"x":"\uffff"}]',
    ].map((inner) => frames(`["account",{"t":"x","stanza":{"$e":${inner}}}]`)),
    frames(`["account",{"t":"x","stanza":{"$e":${'["a",0,0,'.repeat(150)}"x"${']'.repeat(150)}}}]`),
    frames(`["account",{"t":"x","v":${'['.repeat(50_000)}${']'.repeat(50_000)}}]`),
    frames(`["account",{"t":"x","v":[${'[],'.repeat(200_000)}0]}]`),
  ])
    assert.equal(decodePacket(bad), undefined, bad.slice(0, 100));
});

test('a good packet with anything changed, cut or put in is a packet or none, and never an exception', () => {
  const good = encodePacket({
    ...head,
    frames: [
      {
        service: 'account',
        frame: { t: 'stanza', n: 4, stanza: parseStored('<message to="a"><body>x</body></message>') },
      },
      { service: 'mux', frame: { t: 'challenge', data: Uint8Array.of(1, 2, 3), list: [['a', 1]] } },
    ],
  });
  const place = fc.nat(good.length);
  fc.assert(
    fc.property(
      place,
      place,
      fc.oneof(fc.string(), fc.constantFrom('"', '[', '{', '1', '-', 'null', ',')),
      (a, b, put) => {
        const text = good.slice(0, Math.min(a, b)) + put + good.slice(Math.max(a, b));
        const packet = decodePacket(Buffer.from(text));
        if (packet === undefined) return;
        for (const held of packet.frames)
          if (held !== undefined) assert.ok(Object.hasOwn(speakers, held.service));
        assert.ok(encodePacket(packet).length > 0);
      },
    ),
    { numRuns: 2000 },
  );
  fc.assert(fc.property(fc.uint8Array(), (noise) => void codec.decode(noise)));
});
