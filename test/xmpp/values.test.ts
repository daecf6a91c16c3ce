import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatDate, parseDate } from '../../src/xmpp/datetime.ts';
import { el } from '../../src/xmpp/element.ts';
import { StanzaError } from '../../src/xmpp/error.ts';
import { buildForm, parseForm } from '../../src/xmpp/forms.ts';
import { NS } from '../../src/xmpp/namespaces.ts';
import { parseFragment } from '../../src/xmpp/parser.ts';
import { foundSet, parsePage } from '../../src/xmpp/rsm.ts';
import { serialise } from '../../src/xmpp/serialise.ts';

const malformed = (error: unknown) => error instanceof StanzaError && error.condition === 'bad-request';
const bounds = { usual: 50, most: 250 };
const query = (inner: string) => parseFragment(`<query xmlns="urn:xmpp:mam:2">${inner}</query>`);
const set = (inner: string) => query(`<set xmlns="${NS.rsm}">${inner}</set>`);

test('moments, as XEP-0082 spells them', () => {
  assert.equal(formatDate(1_000_000_000_042), '2001-09-09T01:46:40.042Z');
  for (const [text, ms] of [
    ['1969-07-21T02:56:15Z', -14_159_025_000],
    ['1969-07-20T21:56:15-05:00', -14_159_025_000],
    ['1969-07-21T02:56:15.1Z', -14_159_024_900],
    ['1969-07-21T02:56:15.1239Z', -14_159_024_877],
    ['2000-02-29T00:00:00+14:00', 951_782_400_000 - 14 * 3_600_000],
    ['0001-01-01T00:00:00Z', -62_135_596_800_000],
  ] as const)
    assert.equal(parseDate(text), ms, text);
  for (const text of [
    '',
    '1969-07-21',
    '02:56:15Z',
    '1969-07-21T02:56:15',
    '1969-07-21 02:56:15Z',
    '1969-07-21t02:56:15z',
    '1969-7-21T02:56:15Z',
    '1969-02-30T02:56:15Z',
    '1900-02-29T02:56:15Z',
    '1969-13-01T02:56:15Z',
    '1969-00-01T02:56:15Z',
    '1969-07-21T24:00:00Z',
    '1969-07-21T02:60:15Z',
    '1969-07-21T02:56:60Z',
    '1969-07-21T02:56:15.Z',
    '1969-07-21T02:56:15+0500',
    '1969-07-21T02:56:15+15:00',
    '1969-07-21T02:56:15+01:60',
    '20020910T23:08:25',
    ' 1969-07-21T02:56:15Z',
  ])
    assert.equal(parseDate(text), undefined, text);
  assert.throws(() => formatDate(1e15), RangeError);
});

test('every moment is read back', () => {
  fc.assert(
    fc.property(fc.integer({ min: -62_135_596_800_000, max: 253_402_300_799_999 }), (ms) =>
      assert.equal(parseDate(formatDate(ms)), ms),
    ),
  );
});

test('pages: what a request may say', () => {
  const page = (inner: string) => JSON.parse(JSON.stringify(parsePage(set(inner), bounds))) as unknown;
  assert.deepEqual(parsePage(query(''), bounds), { max: 50 });
  assert.deepEqual(page(''), { max: 50 });
  assert.deepEqual(page('<max>10</max>'), { max: 10 });
  assert.deepEqual(page('<max>0</max>'), { max: 0 });
  assert.deepEqual(page('<max>100000</max>'), { max: 250 });
  assert.deepEqual(page('<max>10</max><after>x</after>'), { max: 10, after: 'x' });
  assert.deepEqual(page('<max>10</max><before/>'), { max: 10, before: '' });
  assert.deepEqual(page('<after>a</after><before>b</before>'), { max: 50, after: 'a', before: 'b' });
  assert.deepEqual(page('<index>3</index>'), { max: 50, index: 3 });
  for (const inner of [
    '<max/>',
    '<max>-1</max>',
    '<max>1.5</max>',
    '<max>1e3</max>',
    '<max> 1</max>',
    '<max>99999999999</max>',
    '<max>1</max><max>2</max>',
    '<index>x</index>',
    '<after/>',
    '<after>a</after><index>1</index>',
    '<before/><index>1</index>',
    `<after>${'x'.repeat(1025)}</after>`,
  ])
    assert.throws(() => parsePage(set(inner), bounds), malformed, inner);
  const twice = `<set xmlns="${NS.rsm}"/>`;
  assert.throws(() => parsePage(query(twice + twice), bounds), malformed);
});

test('pages: ids come through whatever they contain', () => {
  const id = fc.string({ minLength: 1, maxLength: 100 }).map((value) => value.replace(/[^ -~]/g, '.'));
  fc.assert(
    fc.property(
      fc.nat({ max: 250 }),
      fc.option(id),
      fc.option(fc.oneof(id, fc.constant(''))),
      (max, after, before) => {
        const page = { max, after: after ?? undefined, before: before ?? undefined, index: undefined };
        const held = (name: string, text = '') => el(name, NS.rsm, {}, text === '' ? [] : [text]);
        const set = el('set', NS.rsm, {}, [
          held('max', String(max)),
          ...(after === null ? [] : [held('after', after)]),
          ...(before === null ? [] : [held('before', before)]),
        ]);
        const wire = parseFragment(serialise(el('query', NS.mam, {}, [set]), ''));
        assert.deepEqual(parsePage(wire, bounds), page);
      },
    ),
  );
});

test('pages: what an answer says', () => {
  assert.equal(
    serialise(foundSet({ first: 'a', last: 'b', index: 0, count: 9 }), NS.rsm),
    '<set><first index="0">a</first><last>b</last><count>9</count></set>',
  );
  assert.equal(serialise(foundSet({ count: 0 }), NS.rsm), '<set><count>0</count></set>');
});

test('forms: built, sent, read', () => {
  const x = buildForm(
    'form',
    'urn:x',
    [
      { name: 'with', type: 'jid-single', label: 'With' },
      {
        name: 'kind',
        type: 'list-single',
        options: [{ value: 'a', label: 'A' }, { value: 'b' }],
        values: ['a'],
        required: true,
      },
    ],
    { title: 'T', instructions: 'I' },
  );
  assert.equal(
    serialise(x, NS.dataForms),
    '<x type="form"><title>T</title><instructions>I</instructions>' +
      '<field var="FORM_TYPE" type="hidden"><value>urn:x</value></field>' +
      '<field var="with" type="jid-single" label="With"/>' +
      '<field var="kind" type="list-single"><value>a</value><option label="A"><value>a</value></option>' +
      '<option><value>b</value></option><required/></field></x>',
  );
  const sent = buildForm('submit', 'urn:x', [
    { name: 'ids', values: ['1', '2'] },
    { name: 'yes', values: ['true'] },
    { name: 'no', values: ['0'] },
    { name: 'empty', values: [] },
  ]);
  const form = parseForm(parseFragment(serialise(el('query', NS.mam, {}, [sent]), '')))!;
  assert.deepEqual([form.type, form.of, form.names], ['submit', 'urn:x', ['ids', 'yes', 'no', 'empty']]);
  assert.deepEqual(form.values('ids'), ['1', '2']);
  assert.deepEqual(
    [form.flag('yes'), form.flag('no'), form.flag('empty'), form.flag('none')],
    [true, false, undefined, undefined],
  );
  assert.ok(form.has('empty') && !form.has('none'));
  assert.equal(form.value('none'), undefined);
  assert.throws(() => form.value('ids'), malformed);
  assert.throws(() => form.flag('FORM_TYPE'), malformed);
});

test('forms: what is refused', () => {
  assert.equal(parseForm(query('')), undefined);
  const x = (inner: string, type = 'submit') => `<x xmlns="jabber:x:data" type="${type}">${inner}</x>`;
  assert.ok(parseForm(query(x('<field type="fixed"><value>words</value></field>'))));
  for (const inner of [
    x('', 'invented'),
    x('') + x(''),
    x('<field/>'),
    x('<field var="a"/><field var="a"/>'),
  ])
    assert.throws(() => parseForm(query(inner)), malformed, inner);
});
