import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { directory, muster, start, type Ended } from '../cli/muster.ts';
import { Guest, show } from './story.ts';

const domain = 'example.org';
const here = ['--set', `domains=[${domain}]`, '--set', 'listen.xmpp.tls=off'];

/** A data directory with one start behind it, and a way to run commands there without a server. */
async function ready(t: TestContext) {
  const dir = directory(t);
  await (await start(t, dir, here)).end('SIGTERM');
  const run = (...args: string[]): Promise<Ended> => muster(dir, [...args, ...here]);
  const take = (user: string, ...args: string[]): Promise<Ended> => {
    const file = join(dir, 'in.xml');
    writeFileSync(
      file,
      `<server-data xmlns='urn:xmpp:pie:0' xmlns:m='urn:muster:pie:0'><host jid='${domain}'>${user}</host></server-data>`,
    );
    return run('account', 'import', file, ...args);
  };
  const give = async (name: string): Promise<string> => {
    const file = join(dir, `${name}.xml`);
    const { err } = await run('account', 'export', `${name}@${domain}`, file);
    assert.equal(err, '');
    return readFileSync(file, 'utf8');
  };
  return { dir, run, take, give };
}

const roster = (...names: string[]) =>
  `<query xmlns='jabber:iq:roster'>${names.map((name) => `<item jid='${name}@x.example' name='${name}'/>`).join('')}</query>`;
const message = (words: string, more = '') =>
  `<message xmlns='jabber:client' type='chat' from='z@x.example/r' to='ann@${domain}'><body>${words}</body>${more}</message>`;
const archived = (id: string, words: string, stamp = '2023-11-14T22:13:20Z') =>
  `<result xmlns='urn:xmpp:mam:2' id='${id}'><forwarded xmlns='urn:xmpp:forward:0'><delay xmlns='urn:xmpp:delay' stamp='${stamp}'/>${message(words)}</forwarded></result>`;
const archive = (...results: string[]) => `<archive xmlns='urn:xmpp:pie:0#mam'>${results.join('')}</archive>`;
const offline = (...messages: string[]) => `<offline-messages>${messages.join('')}</offline-messages>`;
const ann = (inner: string, attrs = "password='pw'") => `<user name='ann' ${attrs}>${inner}</user>`;

test('what is there stays as it is, gets what it lacks, or goes, as one asks', async (t) => {
  const { take, give } = await ready(t);
  assert.match((await take(ann(roster('a', 'b') + archive(archived('1', 'one'))))).out, /1 account imported/);
  const first = await give('ann');
  const stays = await take(ann(roster('c') + archive(archived('2', 'two')), "password='other'"));
  assert.match(stays.out, /0 accounts imported with 0 pieces, 1 were there already/);
  assert.equal(stays.code, 0);
  assert.equal(await give('ann'), first);

  await take(ann(roster('b', 'c') + archive(archived('1', 'one'), archived('2', 'two'))), '--merge');
  const merged = await give('ann');
  for (const name of ['a', 'b', 'c'])
    assert.equal(merged.split(`jid="${name}@x.example"`).length, 2, `${name} once`);
  assert.equal(merged.split('<result ').length, 3, 'two messages');
  assert.equal(
    /<stored-key>[^<]*/.exec(merged)?.[0],
    /<stored-key>[^<]*/.exec(first)?.[0],
    'the password stays',
  );

  await take(ann(roster('d')), '--replace');
  const replaced = await give('ann');
  assert.deepEqual(
    [...replaced.matchAll(/jid="(\w)@/g)].map(([, name]) => name),
    ['d'],
  );
  assert.equal(replaced.split('<result ').length, 1);
  const both = await take(ann(''), '--merge', '--replace');
  assert.equal(both.code, 2);
});

test('a message that waits is in the archive, too, and is one; equal words at one moment are two', async (t) => {
  const { take, give, dir } = await ready(t);
  const id = '1700000000123456';
  const mark = `<stanza-id xmlns='urn:xmpp:sid:0' by='ann@${domain}' id='${id}'/><delay xmlns='urn:xmpp:delay' from='${domain}' stamp='2023-11-14T22:13:20Z'/>`;
  const user = ann(
    archive(archived(id, 'wait'), archived('x', 'same'), archived('y', 'same'), archived('x', 'same')) +
      offline(message('wait', mark), message('loose')),
  );
  const told = await take(user);
  assert.match(told.out, /, 0 left out/);
  const text = await give('ann');
  assert.equal(text.split('<result ').length, 4, text);
  assert.ok(text.includes(`id="${id}"`), 'an id that can be ours survives');
  assert.equal(text.split('<stanza-id ').length, 2, 'the mark of the server that had it is not doubled');
  const server = await start(t, dir, here);
  const port = Number(/:(\d+)$/.exec(server.info.listeners[0]!.address)![1]);
  const guest = await Guest.login(port, domain, 'ann', 'pw');
  guest.say('<presence/>');
  const got = [show(await guest.next('message')), show(await guest.next('message'))];
  assert.match(got[0]!, new RegExp(`wait.*id="${id}".*2023-11-14`));
  assert.match(got[1]!, /loose/);
  await guest.leave();
  await server.end('SIGTERM');
  // Delivered is delivered, whatever is imported again.
  await take(user, '--merge');
  const again = await start(t, dir, here);
  const back = await Guest.login(
    Number(/:(\d+)$/.exec(again.info.listeners[0]!.address)![1]),
    domain,
    'ann',
    'pw',
  );
  back.say('<presence/>');
  back.say("<iq type='get' id='end'><ping xmlns='urn:xmpp:ping'/></iq>");
  const seen: string[] = [];
  for (;;) {
    const item = await back.wire.until(
      () => back.wire.items.shift(),
      () => 'no answer to a ping',
    );
    if (item!.text.includes("id='end'") || item!.text.includes('id="end"')) break;
    seen.push(item!.text);
  }
  assert.ok(!seen.some((text) => text.includes('wait')), seen.join('\n'));
  await back.leave();
  await again.end('SIGTERM');
});

test('an account of a file that breaks off is closed until the whole file has come', async (t) => {
  const { run, give, dir } = await ready(t);
  const whole = `<server-data xmlns='urn:xmpp:pie:0'><host jid='${domain}'>${ann(roster('a') + archive(archived('1', 'one')))}</host></server-data>`;
  const file = join(dir, 'cut.xml');
  writeFileSync(file, whole.slice(0, whole.indexOf('</archive>')));
  const cut = await run('account', 'import', file);
  assert.equal(cut.code, 1);
  assert.match(cut.out, /ann@example.org is not complete/);
  assert.match(cut.out, /cannot be read on/);
  const server = await start(t, dir, here);
  const port = Number(/:(\d+)$/.exec(server.info.listeners[0]!.address)![1]);
  await assert.rejects(Guest.login(port, domain, 'ann', 'pw'), /not-authorized|account-disabled/);
  writeFileSync(file, whole);
  assert.match((await run('account', 'import', file)).out, /1 account imported/);
  await (await Guest.login(port, domain, 'ann', 'pw')).leave();
  await server.end('SIGTERM');
  assert.equal((await give('ann')).split('<result ').length, 2);
});

test('what an administrator decided moves with the account; what cannot be taken is said', async (t) => {
  const { run, take, dir } = await ready(t);
  await take(ann('', "password='pw' m:disabled='1' m:admin='1' m:created='1600000000000'"));
  const list = (await run('user', 'list', '--json')).out.split('\n').find((line) => line.includes('ann@'))!;
  const row = JSON.parse(list) as { disabled: boolean; admin: boolean; created: number };
  assert.deepEqual([row.disabled, row.admin, row.created], [true, true, 1_600_000_000_000]);
  await run('user', 'enable', `ann@${domain}`);
  const server = await start(t, dir, here);
  const port = Number(/:(\d+)$/.exec(server.info.listeners[0]!.address)![1]);
  await (await Guest.login(port, domain, 'ann', 'pw')).leave();
  await server.end('SIGTERM');

  const strange = await take(
    `<user name='bob'>
<scram-credentials xmlns='urn:xmpp:pie:0#scram' mechanism='SCRAM-MD5'/>
<scram-credentials xmlns='urn:xmpp:pie:0#scram' mechanism='SCRAM-SHA-256'><iter-count>0</iter-count><salt>AA==</salt><stored-key>x</stored-key><server-key>'; drop table account; --</server-key></scram-credentials>
<query xmlns='jabber:iq:roster'><item jid=''/><item jid='c@d' subscription='friend'/><item jid="e'@f"/></query>
<presence xmlns='jabber:client' type='subscribe'/>
${archive(archived('1', 'x', 'yesterday'), archived('2', 'not his'))}
<query xmlns='jabber:iq:privacy'><default name='p'/><list name='p'><item type='group' value='g' action='deny' order='1'/></list></query>
</user><user name='eve' password=''/>`,
  );
  assert.equal(strange.code, 1);
  for (const [line, why] of [
    [2, 'keys of a mechanism'],
    [3, 'keys for SCRAM-SHA-256'],
    [4, 'a contact without'],
    [5, 'only requests'],
    [6, 'without its time'],
    [6, 'usable addresses'],
    [7, 'only whole addresses'],
    [1, 'bob@example.org has no password'],
    [8, 'eve@example.org: the password'],
  ] as const)
    assert.match(strange.out, new RegExp(`line ${line}: .*${why}`), why);
  const elsewhere = await run('account', 'export', 'other.example', '-');
  assert.match(elsewhere.out, /<host jid="other.example">\n<\/host>/);
  const nobody = await run('account', 'export', `nobody@${domain}`, join(dir, 'no.xml'));
  assert.equal(nobody.code, 1);
  assert.match(nobody.err, /no such account/);
});
