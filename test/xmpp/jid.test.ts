import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Jid } from '../../src/xmpp/jid.ts';

/** Written as → what every server must take it for; undefined where it is no address. */
const table: [string, string | undefined][] = [
  ['juliet@example.com', 'juliet@example.com'],
  ['Juliet@Example.COM/Balcony', 'juliet@example.com/Balcony'],
  ['example.com', 'example.com'],
  ['example.com.', 'example.com'],
  ['example.com/foo', 'example.com/foo'],
  ['juliet@example.com/foo bar', 'juliet@example.com/foo bar'],
  ['juliet@example.com/foo@bar', 'juliet@example.com/foo@bar'],
  ['a.example.com/b@example.net', 'a.example.com/b@example.net'],
  ['juliet@example.com/a/b', 'juliet@example.com/a/b'],
  ['foo\\20bar@example.com', 'foo\\20bar@example.com'],
  ['fussball@example.com', 'fussball@example.com'],
  ['fu\u00dfball@example.com', 'fu\u00dfball@example.com'],
  ['\u03c0@example.com', '\u03c0@example.com'],
  ['\u03a3@example.com/foo', '\u03c3@example.com/foo'],
  ['\u03c3@example.com', '\u03c3@example.com'],
  ['\u03c2@example.com', '\u03c2@example.com'],
  ['king@example.com/\u265a', 'king@example.com/\u265a'],
  ['\uff41lice@example.org', 'alice@example.org'],
  ['e\u0301@example.org', '\u00e9@example.org'],
  ['alice@example.org/e\u0301', 'alice@example.org/\u00e9'],
  ['alice@example.org/a\u00a0b', 'alice@example.org/a b'],
  ['alice@b\u00fccher.example', 'alice@b\u00fccher.example'],
  ['alice@B\u00dcCHER.example', 'alice@b\u00fccher.example'],
  ['alice@xn--bcher-kva.example', 'alice@b\u00fccher.example'],
  ['alice@[::1]', 'alice@[::1]'],
  ['alice@[0:0:0::0001]', 'alice@[::1]'],
  ['alice@127.0.0.1', 'alice@127.0.0.1'],
  ['\u05d0\u05d1@example.org', '\u05d0\u05d1@example.org'],

  ['', undefined],
  ['@', undefined],
  ['/', undefined],
  ['@example.com', undefined],
  ['juliet@', undefined],
  ['juliet@/foo', undefined],
  ['juliet@example.com/', undefined],
  ['/foo', undefined],
  ['"juliet"@example.com', undefined],
  ['foo bar@example.com', undefined],
  ['a@b@example.com', undefined],
  ["o'hara@example.com", undefined],
  ['a&b@example.com', undefined],
  ['a:b@example.com', undefined],
  ['a<b@example.com', undefined],
  ['a\uff20b@example.com', undefined],
  ['henry\u2163@example.com', undefined],
  ['\u265a@example.com', undefined],
  ['a\u200bb@example.com', undefined],
  ['a\u0000@example.com', undefined],
  ['alice@example.org/a\u0007', undefined],
  ['alice@example.org/\u00ad', undefined],
  ['alice@example.org/\ud800', undefined],
  ['\ud800@example.org', undefined],
  ['a\u05d0@example.org', undefined],
  ['alice@-bad.example', undefined],
  ['alice@ex_ample.org', undefined],
  ['alice@exa mple.org', undefined],
  ['alice@a..b', undefined],
  ['alice@xn--\u00fc.example', undefined],
  ['alice@\uff11\uff12\uff17.1', undefined],
  ['alice@1.2.3', undefined],
  ['alice@[::1%eth0]', undefined],
  ['alice@[::1', undefined],
  ['alice@example.org:5222', undefined],
  ['alice@ex%41mple.org', undefined],
  [`${'a'.repeat(64)}.example`, undefined],
];

for (const [text, full] of table)
  test(`address ${JSON.stringify(text)} is ${full === undefined ? 'none' : JSON.stringify(full)}`, () => {
    assert.equal(Jid.parse(text)?.full, full);
    assert.equal(Jid.parse(text)?.full, full, 'and is again when it was remembered');
  });

test('parts', () => {
  const jid = Jid.parse('Romeo@Example.net/Orchard')!;
  assert.deepEqual(
    [jid.local, jid.domain, jid.resource, jid.bare],
    ['romeo', 'example.net', 'Orchard', 'romeo@example.net'],
  );
  assert.equal(String(jid.toBare()), 'romeo@example.net');
  assert.equal(jid.withResource('Garden')!.full, 'romeo@example.net/Garden');
  assert.equal(jid.withResource('')!.full, 'romeo@example.net');
  assert.equal(jid.withResource('\0'), undefined);
});

test('each part is at most 1023 bytes of UTF-8', () => {
  for (const [unit, size] of [
    ['a', 1],
    ['\u00e9', 2],
    ['\u4e00', 3],
    ['\u{20000}', 4],
  ] as const) {
    const fits = unit.repeat(Math.floor(1023 / size));
    assert.ok(Jid.parse(`${fits}@example.org`), unit);
    assert.ok(Jid.parse(`example.org/${fits}`), unit);
    assert.equal(Jid.parse(`${fits + unit}@example.org`), undefined, unit);
    assert.equal(Jid.parse(`example.org/${fits + unit}`), undefined, unit);
  }
  const long = Array.from({ length: 16 }, () => 'a'.repeat(63)).join('.');
  assert.equal(long.length, 1023);
  assert.ok(Jid.parse(long));
  assert.equal(Jid.parse(`${long}.b`), undefined);
});

const word = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string({ unit: 'grapheme' }),
  fc.string({
    unit: fc.constantFrom(
      ...Array.from('aZ1.-@/ \u00df\u0130\u03a3\u03c2\uff21\u1e9e\u212b\u05d0\u0627\u0301\u200d\u1100'),
    ),
  }),
);

test('what was normalised stays as it is', () => {
  let parsed = 0;
  fc.assert(
    fc.property(word, word, word, (local, domain, resource) => {
      for (const text of [
        `${local}@${domain}/${resource}`,
        `${local}@example.org/${resource}`,
        `a@${domain}`,
        `${domain}.org`,
      ]) {
        const jid = Jid.parse(text);
        if (jid === undefined) continue;
        parsed++;
        const again = Jid.parse(jid.full);
        assert.deepEqual(again, jid);
      }
    }),
    { numRuns: 3000 },
  );
  assert.ok(parsed > 100, `only ${parsed} addresses`);
});

test('memory stays bounded and answers stay right when a million addresses pass', () => {
  for (let n = 0; n < 20_000; n++)
    assert.equal(Jid.parse(`User${n}@example.org`)!.full, `user${n}@example.org`);
  assert.equal(Jid.parse('User1@example.org')!.full, 'user1@example.org');
});
