import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DOMParser } from '@xmldom/xmldom';
import fc from 'fast-check';
import { Element } from '../../src/xmpp/element.ts';
import type { Attrs, Node } from '../../src/xmpp/element.ts';
import { members, parseFragment } from '../../src/xmpp/parser.ts';
import { serialise } from '../../src/xmpp/serialise.ts';
import { header, record } from './recorder.ts';

const space = fc.constantFrom(
  '',
  'jabber:client',
  'urn:a',
  'urn:b?x=1&y="<\'>',
  'http://etherx.jabber.org/streams',
);
const name = fc.constantFrom(
  'a',
  'message',
  'body',
  '_x',
  'x-1.y',
  '\u00e9t\u00e9',
  '\u4e2d',
  '__proto__',
  'constructor',
);
/** Any text that XML can carry. */
const text = fc
  .oneof(
    fc.string({ unit: 'grapheme' }),
    fc.string({ unit: 'binary' }),
    fc.string({ unit: fc.constantFrom(...Array.from('&<>"\'\r\n\t ]ab\u00e9\u20ac\u{1f600}')) }),
  )
  // oxlint-disable-next-line no-control-regex
  .map((value) => value.toWellFormed().replace(/[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/g, ''));
const key = fc.oneof(
  name,
  fc.constantFrom(
    'xml:lang',
    '{http://www.w3.org/XML/1998/namespace}space',
    '{urn:a}k',
    '{urn:b&}k',
    '{urn:b&}j',
  ),
);
const attrs = fc
  .array(fc.tuple(key, text), { maxLength: 5 })
  .map((pairs): Attrs => Object.fromEntries(pairs));

const { element } = fc.letrec<{ element: Element; node: Node }>((tie) => ({
  element: fc
    .tuple(name, space, attrs, fc.array(tie('node'), { maxLength: 4 }))
    .map(([local, ns, some, children]) => new Element(local, ns, some, joined(children))),
  node: fc.oneof({ maxDepth: 4, depthSize: 'small' }, text, tie('element')),
}));

/** As a parser sees it: no empty text, no two texts side by side. */
function joined(children: readonly Node[]): Node[] {
  const out: Node[] = [];
  for (const child of children) {
    const last = out.at(-1);
    if (child === '') continue;
    if (typeof child === 'string' && typeof last === 'string') out[out.length - 1] = last + child;
    else out.push(child);
  }
  return out;
}

test('what was serialised is read back the same', () => {
  fc.assert(
    fc.property(element, space, (value, parent) => {
      assert.deepEqual(parseFragment(serialise(value, '')), value);
      const inside = serialise(new Element('p', parent, {}, [value]), '');
      assert.deepEqual(parseFragment(inside).children[0], value);
    }),
    { numRuns: 1000 },
  );
});

test('serialise refuses what no XML can carry', () => {
  for (const char of ['\0', '\x08', '\x0b', '\x1f', '\ufffe', '\uffff', '\ud800', 'a\udc00']) {
    assert.throws(() => serialise(new Element('a', '', {}, [char])), RangeError);
    assert.throws(() => serialise(new Element('a', '', { x: char })), RangeError);
  }
});

/** Pieces that make well-formed and broken streams. */
const piece = fc.oneof(
  { weight: 6, arbitrary: element.map((value) => serialise(value)) },
  {
    weight: 3,
    arbitrary: fc.constantFrom(
      ' ',
      '\r\n',
      '\t',
      '<presence/>',
      '<a>http://b/c//</a>',
      "<a x='/>'/>",
      '<a>></a>',
    ),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      '</stream:stream>',
      '</b>',
      '<!-- -->',
      '<a',
      '<a>\0</a>',
      'x',
      '\u00e9',
      '&amp;',
      '<a>&x;</a>',
      '<a><![CDATA[</a>]]]></a>',
      '<?x?>',
      `<a>${'x'.repeat(200)}</a>`,
    ),
  },
);
const bad = fc.constantFrom([0xff], [0xc3], [0xe2, 0x82], [0xf0, 0x9f, 0x98], [0xed, 0xa0, 0x80], [0x80]);
const stream = fc
  .tuple(fc.array(piece, { maxLength: 8 }), fc.option(bad), fc.array(piece, { maxLength: 2 }))
  .map(([before, bytes, behind]) =>
    Buffer.concat([Buffer.from(before.join('')), Buffer.from(bytes ?? []), Buffer.from(behind.join(''))]),
  );

test('the same bytes make the same events however they are split', () => {
  const limits = { ...members, bytes: 400, elements: 12, depth: 5, attributes: 6 };
  const kinds = new Set<string>();
  fc.assert(
    fc.property(stream, fc.array(fc.nat({ max: 600 }), { maxLength: 12 }), (bytes, cuts) => {
      const all = Buffer.concat([Buffer.from(header), bytes]);
      const whole = record(limits);
      whole.write(all);
      const single = record(limits);
      for (const byte of all) single.write(Uint8Array.of(byte));
      const some = record(limits);
      let from = 0;
      for (const cut of [...cuts.toSorted((a, b) => a - b), all.length]) {
        some.write(all.subarray(from, cut));
        from = Math.max(from, Math.min(cut, all.length));
      }
      for (const line of whole.lines) kinds.add(line.startsWith('error') ? line : line.split(' ')[0]!);
      assert.deepEqual(single.lines, whole.lines);
      assert.deepEqual(some.lines, whole.lines);
    }),
    { numRuns: 3000 },
  );
  for (const kind of [
    'stanza',
    'close',
    'error not-well-formed',
    'error policy-violation',
    'error restricted-xml',
  ])
    assert.ok(kinds.has(kind), `never saw ${kind}`);
});

test('blocks and multi-byte characters meet in every way', () => {
  for (let pad = 0; pad < 8; pad++) {
    const body = 'x'.repeat(pad) + '\u{1f600}\u20ac\u00e9'.repeat(2000);
    const bytes = Buffer.from(`${header}<a>${body}</a><b/>`);
    const { write, lines } = record(members);
    write(bytes);
    assert.deepEqual(lines.slice(1), [
      `stanza <a>${body}</a> ${Buffer.byteLength(body) + 7}`,
      'stanza <b/> 4',
    ]);
  }
});

/** The second parser's tree as ours; undefined where it refuses. */
function other(input: string): Element | undefined {
  try {
    const parser = new DOMParser({
      // As XML 1.0 §2.11 has it; its own rule is that of XML 1.1.
      normalizeLineEndings: (source) => source.replace(/\r\n?/g, '\n'),
      onError: (level, message) => {
        if (level !== 'warning') throw new Error(message);
      },
    });
    const root = parser.parseFromString(input, 'text/xml').documentElement;
    return root === null ? undefined : tree(root as unknown as Dom);
  } catch {
    return undefined;
  }
}

interface Dom {
  nodeType: number;
  nodeValue: string | null;
  localName: string;
  namespaceURI: string | null;
  prefix: string | null;
  nodeName: string;
  attributes: ArrayLike<Dom>;
  childNodes: ArrayLike<Dom>;
}

function tree(node: Dom): Element {
  const found: Attrs = {};
  for (const attribute of Array.from(node.attributes)) {
    const uri = attribute.namespaceURI;
    if (uri === 'http://www.w3.org/2000/xmlns/') continue;
    const local = attribute.prefix ? attribute.localName : attribute.nodeName;
    const key =
      attribute.nodeName === 'xml:lang' ? 'xml:lang' : attribute.prefix ? `{${uri}}${local}` : local;
    Object.defineProperty(found, key, {
      value: attribute.nodeValue,
      enumerable: true,
      configurable: true,
      writable: true,
    });
  }
  const children = Array.from(node.childNodes).map((child) =>
    child.nodeType === 1 ? tree(child) : child.nodeValue!,
  );
  return new Element(node.localName, node.namespaceURI ?? '', found, joined(children));
}

function mine(input: string): Element | undefined {
  try {
    return parseFragment(input);
  } catch {
    return undefined;
  }
}

const spoil = fc.tuple(
  fc.nat(),
  fc.nat({ max: 3 }),
  fc.oneof(
    fc.constantFrom(
      '',
      '<',
      '>',
      '/',
      '&',
      ';',
      '"',
      "'",
      '=',
      ' ',
      ':',
      ':1',
      '-',
      '!',
      '?',
      ']]>',
      '<![CDATA[',
      '&#65;',
      '&lt;',
      'x',
      '\0',
      'xmlns',
      ' xmlns:q="u"',
      '<q:x/>',
    ),
  ),
);

test('all that ours accepts, a second parser accepts with the same tree', () => {
  let both = 0;
  fc.assert(
    fc.property(element, fc.array(spoil, { maxLength: 4 }), (value, faults) => {
      let input = serialise(value, '');
      for (const [at, drop, put] of faults) {
        const from = at % (input.length + 1);
        input = input.slice(0, from) + put + input.slice(from + drop);
      }
      const ours = mine(input);
      if (faults.length === 0) assert.ok(ours, 'well-formed documents are accepted by both');
      if (ours === undefined) return;
      both++;
      assert.deepEqual(other(input), ours, input);
    }),
    // As it is: to make it small would take minutes.
    { numRuns: 5000, endOnFailure: true },
  );
  assert.ok(both > 1000, `only ${both} documents were accepted`);
});
