import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { readCsv, type Row } from '../../src/admin/csv.ts';
import { collect } from './collect.ts';

async function read(text: string, chunk = 7): Promise<Row[]> {
  const bytes = Buffer.from(text);
  async function* source() {
    for (let i = 0; i < bytes.length; i += chunk) yield bytes.subarray(i, i + chunk);
  }
  return collect(readCsv(source()));
}

const cases: [name: string, text: string, rows: Row[]][] = [
  [
    'plain lines',
    'a,b\nc,d\n',
    [
      { line: 1, fields: ['a', 'b'] },
      { line: 2, fields: ['c', 'd'] },
    ],
  ],
  [
    'no line end at the end',
    'a,b\r\nc,d',
    [
      { line: 1, fields: ['a', 'b'] },
      { line: 2, fields: ['c', 'd'] },
    ],
  ],
  ['empty lines are left out', '\n\r\na,b\n\n', [{ line: 3, fields: ['a', 'b'] }]],
  [
    'quotes: comma, doubled quote, line break',
    '"a,1","b""2"\n"c\nd",e\nf,g',
    [
      { line: 1, fields: ['a,1', 'b"2'] },
      { line: 2, fields: ['c\nd', 'e'] },
      { line: 4, fields: ['f', 'g'] },
    ],
  ],
  [
    'quoted line that ends in CRLF',
    '"a","b"\r\nc,d',
    [
      { line: 1, fields: ['a', 'b'] },
      { line: 2, fields: ['c', 'd'] },
    ],
  ],
  [
    'empty fields',
    ',\n"",""\n',
    [
      { line: 1, fields: ['', ''] },
      { line: 2, fields: ['', ''] },
    ],
  ],
  [
    'text behind a quote',
    '"a"x,b\nc,d',
    [
      { line: 1, problem: 'text behind a closing quote' },
      { line: 2, fields: ['c', 'd'] },
    ],
  ],
  [
    'a quote in the middle',
    'a"x,b\nc,d',
    [
      { line: 1, problem: 'a quote inside a field that does not begin with one' },
      { line: 2, fields: ['c', 'd'] },
    ],
  ],
  [
    'a quote that never ends',
    'a,b\n"c,d\n',
    [
      { line: 1, fields: ['a', 'b'] },
      { line: 2, problem: 'a quoted field is not closed' },
    ],
  ],
  [
    'a line that is too long',
    `a,${'x'.repeat(20_000)}\nc,d`,
    [
      { line: 1, problem: 'the line is too long' },
      { line: 2, fields: ['c', 'd'] },
    ],
  ],
  ['a byte order mark', '\uFEFFa,b', [{ line: 1, fields: ['a', 'b'] }]],
  ['characters of several bytes across chunks', 'ä€𐍈,ü', [{ line: 1, fields: ['ä€𐍈', 'ü'] }]],
];

for (const [name, text, rows] of cases) test(name, async () => assert.deepEqual(await read(text, 1), rows));

test('what is written by the rules of RFC 4180 is read back, wherever the chunks end', async () => {
  const field = fc.string({ unit: fc.constantFrom('a', ',', '"', '\n', '\r', 'ü', ' '), maxLength: 8 });
  const table = fc.array(fc.array(field, { minLength: 2, maxLength: 3 }), { maxLength: 6 });
  await fc.assert(
    fc.asyncProperty(table, fc.integer({ min: 1, max: 20 }), async (records, chunk) => {
      const text = records
        .map((fields) => fields.map((f) => `"${f.replaceAll('"', '""')}"`).join(','))
        .join('\r\n');
      const rows = await read(text, chunk);
      assert.deepEqual(
        rows.map((row) => ('fields' in row ? row.fields : row.problem)),
        records,
      );
    }),
  );
});
