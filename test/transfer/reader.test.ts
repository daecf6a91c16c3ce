import assert from 'node:assert/strict';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { openFiles } from '../../src/cli/account/files.ts';
import { readPie, type Record } from '../../src/transfer/reader.ts';
import { directory } from '../cli/muster.ts';

const head = "<server-data xmlns='urn:xmpp:pie:0'><host jid='Example.ORG'>";
const foot = '</host></server-data>';
const nowhere = () => {
  throw new Error('there is nothing to include');
};

async function all<T>(source: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const one of source) list.push(one);
  return list;
}

/** Reads a text in pieces of so many bytes. */
async function read(text: string | Uint8Array, size = 1000): Promise<Record[]> {
  const bytes = typeof text === 'string' ? Buffer.from(text) : text;
  async function* source(): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
  }
  return all(readPie(source(), 'f', nowhere));
}

function problems(records: readonly Record[]): string[] {
  return records.flatMap((one) => (one.t === 'problem' ? [`${one.line}: ${one.reason}`] : []));
}

function begun(records: readonly Record[]): string[] {
  return records.flatMap((one) => (one.t === 'begin' ? [one.address] : []));
}

test('a document is the same however it is cut', async () => {
  const text = `<?xml version='1.0' encoding='UTF-8'?>\n${head}\n<!-- by hand -->
<user name='Ärger' password='pä&lt;ß'><query xmlns='jabber:iq:roster'><item jid='a@b'><group>ö</group></item></query>
<offline-messages><message xmlns='jabber:client' from='a@b'><body><![CDATA[<x>]]></body></message></offline-messages></user>${foot}`;
  const whole = await read(text);
  assert.deepEqual(begun(whole), ['ärger@example.org']);
  assert.equal(whole.filter(({ t }) => t === 'piece').length, 2);
  assert.deepEqual(problems(whole), []);
  for (const size of [1, 2, 7]) assert.deepEqual(await read(text, size), whole);
});

test('what is not known is left out and told with its line', async () => {
  const told = problems(
    await read(
      `${head}\n<bot/>\n<user name='a'>\n<x xmlns='n'><y/></x>\n<vCard xmlns='vcard-temp'/></user>${foot}`,
    ),
  );
  assert.deepEqual(told, [
    '2: <bot/> of urn:xmpp:pie:0 is left out: it is not known here',
    '4: <x/> of n is left out: it is not known here',
  ]);
});

test('names that are none are left out, others are not', async () => {
  const names = ['', 'a b', 'a@b', 'a/b', '&quot;', '..', "o' or 1=1".replaceAll("'", '&apos;'), 'ok', '%'];
  const records = await read(head + names.map((name) => `<user name='${name}'/>`).join('') + foot);
  assert.deepEqual(begun(records), ['..@example.org', 'ok@example.org', '%@example.org']);
  assert.equal(problems(records).length, names.length - 3);
  const hosts = await read("<server-data xmlns='urn:xmpp:pie:0'><host/><host jid='a@b'/></server-data>");
  assert.equal(problems(hosts).length, 2);
});

test('what no stream may hold stops the file, and what was complete stays', async () => {
  const user = "<user name='a'/>";
  for (const [what, text] of [
    ['a DTD', `<!DOCTYPE x [<!ENTITY e "boom">]>${head}${user}${foot}`],
    ['an entity', `${head}${user}<user name='b'>&e;</user>${foot}`],
    ['a wrong end', `${head}${user}</server-data>`],
    ['no end', `${head}${user}<user name='b'>`],
    ['another kind of document', `<html/>`],
    ['another encoding', `<?xml version='1.0' encoding='UTF-16'?>${head}${foot}`],
    ['a second root', `${head}${user}${foot}<x/>`],
  ] as const)
    assert.ok(
      problems(await read(text)).some((one) => one.includes('cannot be read on')),
      what,
    );
  const cut = await read(`${head}${user}<user name='b'><vCard xmlns='vcard-temp'/>`);
  assert.deepEqual(begun(cut), ['a@example.org', 'b@example.org']);
  assert.equal(cut.filter(({ t }) => t === 'end').length, 1, 'b is not said to be whole');
  const bytes = Buffer.concat([
    Buffer.from(`${head}<user name='`),
    Buffer.from([0xff]),
    Buffer.from(`'/>${foot}`),
  ]);
  assert.equal(problems(await read(bytes)).length, 1);
});

test('a piece that is too much is left out; a text without an end is not kept in memory', async () => {
  const big = 'x'.repeat(600_000);
  const deep = '<a>'.repeat(200) + '</a>'.repeat(200);
  const many = '<b/>'.repeat(30_000);
  for (const inner of [big, deep, many]) {
    const records = await read(
      `${head}<user name='a'><vCard xmlns='vcard-temp'><FN>${inner}</FN></vCard><query xmlns='jabber:iq:roster'><item jid='c@d'/></query></user>${foot}`,
      65_536,
    );
    assert.equal(problems(records).length, 1);
    assert.equal(records.filter(({ t }) => t === 'piece').length, 1, 'what follows is read');
    assert.equal(records.at(-1)?.t, 'end');
  }
  let sent = 0;
  async function* endless(): AsyncGenerator<Uint8Array> {
    yield Buffer.from(`${head}<user name='`);
    for (;;) {
      sent += 65_536;
      yield Buffer.alloc(65_536, 'a');
    }
  }
  const records = await all(readPie(endless(), 'f', nowhere));
  assert.equal(problems(records).length, 1);
  assert.ok(sent < 4_000_000, `${sent} bytes`);
});

async function from(path: string): Promise<Record[]> {
  return all(openFiles(path).records);
}

function tree(t: TestContext): string {
  const dir = directory(t);
  mkdirSync(join(dir, 'in', 'host'), { recursive: true });
  writeFileSync(join(dir, 'secret.xml'), "<user xmlns='urn:xmpp:pie:0' name='secret'/>");
  return dir;
}

test('files include others of their own directory, in whatever order', async (t) => {
  const dir = tree(t);
  const xi = "xmlns:xi='http://www.w3.org/2001/XInclude'";
  const pie = "xmlns='urn:xmpp:pie:0'";
  writeFileSync(
    join(dir, 'in', 'main.xml'),
    `<server-data ${pie} ${xi}><xi:include href='host.xml'/></server-data>`,
  );
  writeFileSync(
    join(dir, 'in', 'host.xml'),
    `<host ${pie} ${xi} jid='h'><xi:include href='host/a%20b.xml'/><user name='last'/></host>`,
  );
  writeFileSync(
    join(dir, 'in', 'host', 'a b.xml'),
    `<user ${pie} ${xi} name='first'><xi:include href='card.xml'/><query xmlns='jabber:iq:private'><xi:include href='../../secret.xml'/></query></user>`,
  );
  writeFileSync(join(dir, 'in', 'host', 'card.xml'), "<vCard xmlns='vcard-temp'><FN>F</FN></vCard>");
  const records = await from(join(dir, 'in', 'main.xml'));
  assert.deepEqual(begun(records), ['first@h', 'last@h']);
  const parts = records.flatMap((one) => (one.t === 'piece' ? [one.part] : []));
  // Below the children of a user it is the user's own text (XEP-0227 §6).
  assert.deepEqual(parts, ['vcard', 'private']);
});

test('no include leads out of the directory, to another host, or round in circles', async (t) => {
  const dir = tree(t);
  const main = join(dir, 'in', 'main.xml');
  symlinkSync(join(dir, 'secret.xml'), join(dir, 'in', 'link.xml'));
  for (const href of [
    '../secret.xml',
    'host/../../secret.xml',
    '%2e%2e/secret.xml',
    join(dir, 'secret.xml'),
    `file://${dir}/secret.xml`,
    'http://127.0.0.1:1/x.xml',
    'link.xml',
    'host',
    'missing.xml',
    'main.xml',
    '/dev/zero',
    '%zz',
  ]) {
    writeFileSync(
      main,
      `<server-data xmlns='urn:xmpp:pie:0' xmlns:xi='http://www.w3.org/2001/XInclude'><host jid='h'><xi:include href='${href}'/></host></server-data>`,
    );
    const records = await from(main);
    assert.deepEqual(begun(records), [], href);
    assert.ok(problems(records).length >= 1, href);
  }
  writeFileSync(
    main,
    "<server-data xmlns='urn:xmpp:pie:0' xmlns:xi='http://www.w3.org/2001/XInclude'><xi:include href='secret.xml' parse='text'/><xi:include/><xi:include href='a.xml' xpointer='x'/></server-data>",
  );
  assert.equal(problems(await from(main)).length, 3);
});
