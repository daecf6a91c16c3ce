import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StreamError } from '../../src/xmpp/error.ts';
import { members, openParser, parseFragment, strangers } from '../../src/xmpp/parser.ts';
import { header, record } from './recorder.ts';

const ns = "xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'";

/** What a stream makes of an input behind its header. */
function after(input: string | Uint8Array, limits = members): string[] {
  const { write, lines } = record(limits);
  write(header);
  write(input);
  return lines.slice(1);
}

test('a stream: header, stanzas, white space, end', () => {
  const { write, lines } = record();
  write(`${header} \n <presence/>\r\n\t<message to='a'><body>x &lt; y &#38; \u00e9</body></message>  `);
  write(`<r xmlns='urn:xmpp:sm:3'/></stream:stream><presence/>`);
  assert.deepEqual(lines, [
    'open <stream xmlns="http://etherx.jabber.org/streams" to="example.org" version="1.0" xml:lang="en"/> jabber:client',
    'stanza <presence/> 11',
    'stanza <message to="a"><body>x &lt; y &amp; \u00e9</body></message> 56',
    'stanza <r xmlns="urn:xmpp:sm:3"/> 26',
    'close',
  ]);
});

test('prefixes are resolved, also those that the stream header declared', () => {
  const { write, lines } = record();
  write("<s:stream xmlns:s='http://etherx.jabber.org/streams' xmlns:c='jabber:client' xmlns:q='urn:q'>");
  write("<c:message q:a='1' a='2'><c:body>x</c:body><q:x c:y='3'/></c:message></s:stream>");
  assert.deepEqual(lines, [
    'open <stream xmlns="http://etherx.jabber.org/streams"/> ',
    'stanza <message xmlns:ns1="urn:q" ns1:a="1" a="2"><body>x</body><x xmlns="urn:q" xmlns:ns1="jabber:client" ns1:y="3"/></message> 69',
    'close',
  ]);
});

test('streams with the same header share readers and nothing else', () => {
  const a = record();
  const b = record();
  a.write(header);
  b.write(header);
  a.write('<message><body>of a');
  b.write('<message><body>of b');
  a.write('</body></message><pre');
  b.write('</body></message><i');
  a.write('sence/>');
  b.write('q/>');
  assert.deepEqual(a.lines.slice(1), [
    'stanza <message><body>of a</body></message> 36',
    'stanza <presence/> 11',
  ]);
  assert.deepEqual(b.lines.slice(1), ['stanza <message><body>of b</body></message> 36', 'stanza <iq/> 5']);
});

test('a stream that failed leaves no trace in the next', () => {
  after('<message><body>left over &bad;');
  assert.deepEqual(after('<presence/>'), ['stanza <presence/> 11']);
});

const refused: [string, string | Uint8Array, string][] = [
  ['closing tag of another name', '<a></b>', 'not-well-formed'],
  ['crossed tags', '<a><b></a></b>', 'not-well-formed'],
  ['closing tag of nothing', '</presence>', 'not-well-formed'],
  ['attribute twice', "<a x='1' x='2'/>", 'not-well-formed'],
  ['attribute twice by namespace', "<a xmlns:p='u' xmlns:q='u' p:x='1' q:x='2'/>", 'not-well-formed'],
  ['attribute without value', '<a x/>', 'not-well-formed'],
  ['attribute without quotes', '<a x=1/>', 'not-well-formed'],
  ['attributes without space', "<a x='1'y='2'/>", 'not-well-formed'],
  ['< in an attribute', "<a x='<'/>", 'not-well-formed'],
  ['unknown prefix', '<p:a/>', 'not-well-formed'],
  ['unknown prefix of an attribute', "<a p:x='1'/>", 'not-well-formed'],
  ['prefix unbound again', "<a xmlns:p=''/>", 'not-well-formed'],
  ['an element named xmlns', '<xmlns/>', 'not-well-formed'],
  ['a prefix that is no name', "<a xmlns:1='u'/>", 'not-well-formed'],
  ['behind a prefix what is no name', "<n:1 xmlns:n='u'/>", 'not-well-formed'],
  ['the same in an attribute', "<a xmlns:n='u' n:-k='1'/>", 'not-well-formed'],
  ['the same beyond ASCII', "<n:\u0300 xmlns:n='u'/>", 'not-well-formed'],
  ['xmlns as prefix', '<xmlns:a/>', 'not-well-formed'],
  ['xml bound elsewhere', "<a xmlns:xml='urn:x'/>", 'not-well-formed'],
  ['space around a namespace name', "<a xmlns=' jabber:client'/>", 'not-well-formed'],
  ['two colons', '<a:b:c/>', 'not-well-formed'],
  ['bare ampersand', '<a>&</a>', 'not-well-formed'],
  ['ampersand and space', '<a>one & one', 'not-well-formed'],
  ['reference cut by a quote', "<a x='&amp'/>", 'not-well-formed'],
  ['reference with a space', '<a>&a b;</a>', 'not-well-formed'],
  ['empty reference', '<a>&;</a>', 'not-well-formed'],
  [']]> in text', '<a>]]></a>', 'not-well-formed'],
  ['no name', '< a/>', 'not-well-formed'],
  ['empty tag', '<>', 'not-well-formed'],
  ['control character', '<a>\u0001</a>', 'not-well-formed'],
  ['NUL', '<a>\0', 'not-well-formed'],
  ['NUL between stanzas', '\0', 'bad-format'],
  ['NUL as reference', '<a>&#0;</a>', 'not-well-formed'],
  ['control character as reference', '<a>&#x1;</a>', 'not-well-formed'],
  ['surrogate as reference', '<a>&#xD800;</a>', 'not-well-formed'],
  ['reference beyond Unicode', '<a>&#x110000;</a>', 'not-well-formed'],
  ['U+FFFF', '<a>\uffff</a>', 'not-well-formed'],
  ['second XML declaration', "<?xml version='1.0'?>", 'not-well-formed'],
  ['byte FF', Buffer.from([0x3c, 0x61, 0x3e, 0xff]), 'not-well-formed'],
  ['overlong slash', Buffer.from([0x3c, 0x61, 0x3e, 0xc0, 0xaf]), 'not-well-formed'],
  ['surrogate in UTF-8', Buffer.from([0x3c, 0x61, 0x3e, 0xed, 0xa0, 0x80]), 'not-well-formed'],
  ['above Unicode', Buffer.from([0x3c, 0x61, 0x3e, 0xf4, 0x90, 0x80, 0x80]), 'not-well-formed'],
  ['continuation alone', Buffer.from([0x3c, 0x61, 0x3e, 0x80]), 'not-well-formed'],
  [
    'sequence cut by a tag',
    Buffer.from([0x3c, 0x61, 0x3e, 0xe2, 0x82, 0x3c, 0x2f, 0x61, 0x3e]),
    'not-well-formed',
  ],
  ['Latin-1', Buffer.from('<a>\u00e9</a>', 'latin1'), 'not-well-formed'],
  ['UTF-16', Buffer.from('<a/>', 'utf16le'), 'not-well-formed'],
  ['comment', '<!-- -->', 'restricted-xml'],
  ['comment in a stanza', '<a><!-- --></a>', 'restricted-xml'],
  ['processing instruction', '<?php echo ?>', 'restricted-xml'],
  ['processing instruction in a stanza', '<a><?x?></a>', 'restricted-xml'],
  ['DTD behind the header', '<!DOCTYPE a>', 'restricted-xml'],
  ['entity', '<a>&nbsp;</a>', 'restricted-xml'],
  ['entity in an attribute', "<a x='&nbsp;'/>", 'restricted-xml'],
  ['text between stanzas', '<a/>x', 'bad-format'],
  ['reference between stanzas', '&#32;', 'bad-format'],
  ['CDATA between stanzas', '<![CDATA[ ]]>', 'bad-format'],
];
for (const [name, input, condition] of refused)
  test(`refused in a stream: ${name}`, () => assert.equal(after(input).at(-1), `error ${condition}`));

const headers: [string, string | Uint8Array, string][] = [
  ['HTTP', 'GET / HTTP/1.1\r\n\r\n', 'not-well-formed'],
  ['TLS', Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00]), 'not-well-formed'],
  ['byte order mark', `\ufeff${header}`, 'not-well-formed'],
  ['DTD', `<!DOCTYPE stream:stream>${header}`, 'restricted-xml'],
  [
    'a billion laughs',
    `<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]><stream:stream ${ns} to='&b;'>`,
    'restricted-xml',
  ],
  ['comment', `<!-- x -->${header}`, 'restricted-xml'],
  ['processing instruction', `<?x y?>${header}`, 'restricted-xml'],
  ['entity', `<stream:stream ${ns} to='&b;'>`, 'restricted-xml'],
  ['encoding', "<?xml version='1.0' encoding='iso-8859-1'?><a/>", 'unsupported-encoding'],
  ['declaration without version', '<?xml?><a/>', 'not-well-formed'],
  ['two declarations', `<?xml version='1.0'?>${header}`, 'not-well-formed'],
  ['namespace of the stream', "<stream:stream xmlns:stream='urn:x'>", 'invalid-namespace'],
  ['no namespace of the stream', '<stream>', 'invalid-namespace'],
  ['other element', `<stream:features ${ns}>`, 'bad-format'],
];
for (const [name, input, condition] of headers)
  test(`refused as a header: ${name}`, () => {
    const { write, lines } = record();
    write(input);
    assert.deepEqual(lines, [`error ${condition}`]);
  });

test('accepted headers', () => {
  for (const start of [
    '<?xml version="1.0" encoding="UTF-8" standalone=\'yes\' ?>',
    "<?xml version='1.0' encoding='utf-8'?>\n",
    "<?xml version='1.1'?>",
    '',
    '\r\n ',
    " \n<?xml version='1.0'?>",
  ]) {
    const { write, lines } = record();
    write(`${start}<stream:stream ${ns}><presence/></stream:stream >`);
    assert.deepEqual(
      lines.map((line) => line.split(' ')[0]),
      ['open', 'stanza', 'close'],
      start,
    );
  }
});

test('a stream without content', () => {
  const { write, lines } = record();
  write(`<stream:stream ${ns}/>`);
  assert.equal(lines.length, 2);
  assert.equal(lines[1], 'close');
});

test('after an error nothing more is said', () => {
  const { write, lines, parser } = record();
  write(`${header}<presence/><a></b><presence/>`);
  assert.equal(write('<presence/>'), 0);
  parser.reset();
  write(header);
  assert.deepEqual(lines.slice(1), ['stanza <presence/> 11', 'error not-well-formed']);
});

test('what fits the limit is read, one byte more is not', () => {
  const limits = { ...members, bytes: 100 };
  const after = (input: string): string[] => {
    const { parser, lines } = record();
    parser.write(Buffer.from(header));
    parser.limits = limits;
    parser.write(Buffer.from(input));
    return lines.slice(1);
  };
  const fits = `<a>${'x'.repeat(93)}</a>`;
  assert.equal(fits.length, 100);
  assert.equal(after(fits + fits).length, 2);
  assert.equal(after(fits)[0]!.split(' ')[0], 'stanza');
  assert.equal(after(`<a>${'x'.repeat(94)}</a>`)[0], 'error policy-violation');
  const wide = `<a>${'\u00e9'.repeat(46)}.</a>`;
  assert.equal(Buffer.byteLength(wide), 100);
  assert.equal(after(wide)[0]!.split(' ')[0], 'stanza');
  assert.equal(after(`<a>${'\u00e9'.repeat(47)}</a>`)[0], 'error policy-violation');
});

/** Openings of things that never end. */
const endless = {
  text: '<a>',
  attribute: "<a x='",
  'attribute name': '<a x',
  name: '<a',
  'closing name': '<a></a',
  space: '<a ',
  comment: '<!--',
  CDATA: '<a><![CDATA[',
  entity: '<a>&',
  'processing instruction': '<?x ',
};
for (const [name, start] of Object.entries(endless))
  test(`endless ${name} ends at the limit, not at its end`, () => {
    for (const size of [1, 7, 1000, 100_000]) {
      const { write, lines } = record(strangers);
      write(header);
      write(start);
      const chunk = Buffer.alloc(size, name === 'space' ? ' ' : 'x');
      let sent = start.length;
      while (lines.length === 1) {
        assert.ok(sent <= strangers.bytes, `still reading after ${sent} bytes`);
        write(chunk);
        sent += size;
      }
      assert.equal(lines.at(-1), 'error policy-violation', `chunks of ${size}`);
      assert.ok(sent > strangers.bytes, `gave up after ${sent} bytes`);
    }
  });

test('an endless header ends at the limit', () => {
  for (const start of [
    "<stream:stream to='",
    '<!DOCTYPE ',
    '<!DOCTYPE x [<!ENTITY a "',
    '<!--',
    '<?x ',
    '<?xml version="1.',
  ]) {
    const { parser, lines } = record(strangers);
    parser.write(Buffer.from(start));
    assert.equal(parser.write(Buffer.alloc(strangers.bytes - start.length, '1')), 0);
    assert.deepEqual(lines, [], start);
    parser.write(Buffer.from('1'));
    assert.deepEqual(lines, ['error policy-violation'], start);
  }
});

test('keepalives are free for ever', () => {
  const { write, lines } = record({ ...strangers, bytes: header.length });
  write(header);
  for (let n = 0; n < 1000; n++) write(' '.repeat(1000));
  write('<presence/>');
  assert.equal(lines.at(-1), 'stanza <presence/> 11');
});

test('elements, depth and attributes have their limits', () => {
  const ends = (input: string, limits = members) =>
    after(input, limits).at(-1)!.split(' ').slice(0, 2).join(' ');
  assert.match(ends(`<a>${'<b/>'.repeat(31)}</a>`, strangers), /^stanza/);
  assert.equal(ends(`<a>${'<b/>'.repeat(32)}</a>`, strangers), 'error policy-violation');
  assert.match(ends(`${'<a>'.repeat(64)}${'</a>'.repeat(64)}`), /^stanza/);
  assert.equal(ends('<a>'.repeat(65)), 'error policy-violation');
  const attributes = (n: number) => Array.from({ length: n }, (_, i) => ` a${i}=''`).join('');
  assert.match(ends(`<a${attributes(256)}/>`), /^stanza/);
  assert.equal(ends(`<a${attributes(257)}`), 'error policy-violation');
  assert.equal(
    ends(`<a${attributes(100_000)}/>`, { ...members, bytes: 10_000_000 }),
    'error policy-violation',
  );
});

test('each stanza is counted on its own', () => {
  const one = `<a>${'<b/>'.repeat(30)}</a>`;
  assert.equal(after(one.repeat(100), strangers).length, 100);
});

test('limits change between two stanzas of one chunk', () => {
  const { write, lines, parser } = record(strangers, (line) => {
    if (line.startsWith('stanza <auth')) parser.limits = members;
  });
  write(`${header}<auth/><a>${'x'.repeat(10_000)}</a>`);
  assert.match(lines.at(-1)!, /^stanza <a>x+<\/a> 10007$/);
});

test('100,000 attributes, deep nesting and single bytes take time in proportion', { timeout: 60_000 }, () => {
  const time = (run: () => void): number => {
    let best = Infinity;
    for (let n = 0; n < 3; n++) {
      const before = process.cpuUsage();
      run();
      const { user, system } = process.cpuUsage(before);
      best = Math.min(best, user + system);
    }
    return best;
  };
  const open = { bytes: 1e9, elements: 1e9, depth: 1e9, attributes: 1e9 };
  const shapes: ((n: number) => [string, number])[] = [
    (n) => [`<a${Array.from({ length: n }, (_, i) => ` a${i}=''`).join('')}/>`, 65_536],
    // Each element looks up its namespace level by level, so depth costs its square: this is why it has a limit.
    (n) => [`<x>${`${'<a>'.repeat(60)}${'</a>'.repeat(60)}`.repeat(n / 50)}</x>`, 65_536],
    (n) => [`<a>${'<b/>'.repeat(n)}</a>`, 65_536],
    (n) => [`<a>${'/'.repeat(n)}${'>'.repeat(n)}</a>`, 65_536],
    (n) => [`<a>${'&amp;'.repeat(n)}</a>`, 65_536],
    (n) => [`<a>${'x'.repeat(n)}</a>`, 1],
    (n) => [`<a x='${'x'.repeat(n)}'/>`, 1],
    (n) => [`<a${'x'.repeat(n)}/>`, 1],
  ];
  for (const [n, shape] of shapes.entries()) {
    const read = (count: number): void => {
      const [text, size] = shape(count);
      let stanzas = 0;
      const nothing = (): void => {};
      const parser = openParser(
        { open: nothing, stanza: () => stanzas++, close: nothing, error: nothing },
        open,
      );
      parser.write(Buffer.from(header));
      const bytes = Buffer.from(text);
      for (let at = 0; at < bytes.length; at += size) parser.write(bytes.subarray(at, at + size));
      assert.equal(stanzas, 1);
    };
    read(1000);
    const small = time(() => read(12_500));
    const big = time(() => read(100_000));
    // In proportion would be 8, quadratic 64.
    assert.ok(big < 30 * Math.max(small, 2000), `shape ${n}: ${small} then ${big} µs`);
  }
});

test('stop inside an event: the rest of the chunk is reported and nothing of it acts', () => {
  const { write, lines, parser } = record(strangers, (line) => {
    if (line.startsWith('stanza <starttls')) parser.stop();
  });
  write(header);
  const smuggled = "<auth mechanism='PLAIN'>\u00e9</auth>";
  assert.equal(write(`<starttls/>${smuggled}`), Buffer.byteLength(smuggled));
  assert.equal(write('<presence/>'), 11, 'still stopped');
  assert.equal(lines.length, 2);
  parser.reset();
  write(header);
  assert.equal(lines.length, 3, 'a new stream after the handshake');
});

test('stop and resume: the caller writes the rest again', () => {
  const { write, lines, parser } = record(strangers, (line) => {
    if (line.includes('stop')) parser.stop();
  });
  write(header);
  for (const input of [
    '<stop/><a/>',
    '\u00e9<stop/> \n<b/>',
    '<c>\u00e9</c><stop/><d>\u00e9\u20ac</d>',
    '<stop/>\n\n',
  ]) {
    const bytes = Buffer.from(input.replace(/^\u00e9/, ''));
    const rest = write(bytes);
    parser.resume();
    write(bytes.subarray(bytes.length - rest));
  }
  assert.deepEqual(
    lines.slice(1).map((line) => line.split(' ')[1]),
    ['<stop/>', '<a/>', '<stop/>', '<b/>', '<c>\u00e9</c>', '<stop/>', '<d>\u00e9\u20ac</d>', '<stop/>'],
  );
});

test('a keepalive behind a stanza that stopped does not count as smuggled', () => {
  const { write, parser } = record(strangers, (line) => {
    if (line.startsWith('stanza')) parser.stop();
  });
  write(header);
  assert.equal(write('<starttls/>\r\n'), 0);
});

test('reset inside an event: a new header follows in the same chunk', () => {
  const { write, lines, parser } = record(strangers, (line) => {
    if (line.startsWith('stanza <done')) parser.reset();
  });
  write(`${header}<done/>\n${header}<presence/>`);
  assert.deepEqual(
    lines.map((line) => line.split(' ')[0]),
    ['open', 'stanza', 'open', 'stanza'],
  );
});

test('close inside an event: nothing follows', () => {
  const { write, lines, parser } = record(strangers, (line) => {
    if (line.startsWith('stanza')) parser.close();
  });
  assert.equal(write(`${header}<a/><b/></stream:stream>`), 0);
  assert.equal(lines.length, 2);
});

test('documents: one element, strictly', () => {
  const text = (input: string) => parseFragment(input).text();
  assert.equal(text("<?xml version='1.0' encoding='UTF-8'?>\n<a>x</a>\n"), 'x');
  assert.equal(text(' <a>x</a>\r\n'), 'x');
  assert.deepEqual(parseFragment("<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='a'/>").attrs, {
    to: 'a',
  });
  const bad: [string, string][] = [
    ['', 'not-well-formed'],
    ['x', 'not-well-formed'],
    ['<a/>x', 'not-well-formed'],
    ['<a/>>', 'not-well-formed'],
    ['<a></a>x>', 'not-well-formed'],
    ['<a></a>&gt;>', 'not-well-formed'],
    ['<a/><b/>', 'not-well-formed'],
    ['<a>', 'not-well-formed'],
    ['<a', 'not-well-formed'],
    ['</a>', 'not-well-formed'],
    ['</document>', 'not-well-formed'],
    ['<a/></document>', 'not-well-formed'],
    ['</document><document>', 'not-well-formed'],
    ['</document><document/>', 'not-well-formed'],
    ['\ufeff<a/>', 'not-well-formed'],
    ['<a>\ud800</a>', 'not-well-formed'],
    [" <?xml version='1.0'?><a/>", 'not-well-formed'],
    ["<?xml version='2.0'?><a/>", 'not-well-formed'],
    ["<?xml version='1.0' encoding='latin1'?><a/>", 'unsupported-encoding'],
    ['<!DOCTYPE a><a/>', 'restricted-xml'],
    ['<!-- --><a/>', 'restricted-xml'],
    ['<a/><!-- -->', 'restricted-xml'],
    ['<a/><?x?>', 'restricted-xml'],
    ['<a>&x;</a>', 'restricted-xml'],
    [`<a>${' '.repeat(262_144)}</a>`, 'policy-violation'],
    [`<a>${'\u20ac'.repeat(100_000)}</a>`, 'policy-violation'],
    [`${'<a>'.repeat(65)}${'</a>'.repeat(65)}`, 'policy-violation'],
    [`<a>${'<b/>'.repeat(10_000)}</a>`, 'policy-violation'],
  ];
  for (const [input, condition] of bad) {
    assert.throws(
      () => parseFragment(input),
      (error) => error instanceof StreamError && error.condition === condition,
      `${input.slice(0, 60)} is ${condition}`,
    );
    assert.equal(text('<a>x</a>'), 'x', 'the next is read as ever');
  }
});

test('attributes named like what every object has', () => {
  const element = parseFragment("<a __proto__='1' constructor='2' toString='3'/>");
  assert.deepEqual(Object.entries(element.attrs), [
    ['__proto__', '1'],
    ['constructor', '2'],
    ['toString', '3'],
  ]);
  assert.equal(element.with({ b: '4' }).attrs['__proto__'], '1');
});
