import assert from 'node:assert/strict';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { directory, muster, start } from '../cli/muster.ts';
import { openEjabberd } from './ejabberd.ts';
import { openProsody } from './prosody.ts';
import { children, Guest, show } from './story.ts';

const fixtures = fileURLToPath(new URL('fixtures/', import.meta.url));
const domain = 'example.org';
const here = ['--set', `domains=[${domain}]`];

/** A data directory with the people of a fixture, and no server on it. */
async function moved(dir: string, t: Parameters<typeof start>[0], from: string): Promise<void> {
  const server = await start(t, dir, here);
  await muster(dir, ['account', 'import', join(fixtures, from), ...here]);
  await server.end('SIGTERM');
}

test('what is exported is imported with nothing lost, and exported as the same again', async (t) => {
  const one = directory(t);
  const two = directory(t);
  await moved(one, t, 'prosody-hashed');
  await moved(one, t, 'ejabberd-scram'); // these exist: nothing changes
  const file = join(one, 'all.xml');
  const out = await muster(one, ['account', 'export', domain, file, ...here]);
  assert.equal(out.err, '');
  assert.match(out.out, /5 accounts written/); // with the administrator of the first start
  assert.equal(statSync(file).mode & 0o777, 0o600, 'nobody else reads it');
  assert.ok(!readFileSync(file, 'utf8').includes('R0m30'), 'no password');
  const server = await start(t, two, [...here]);
  await server.end('SIGTERM');
  const into = await muster(two, ['account', 'import', file, '--replace', ...here]);
  assert.match(into.out, /5 accounts imported.*, 0 left out/);
  const again = join(two, 'all.xml');
  await muster(two, ['account', 'export', domain, again, ...here]);
  // The administrator was there at both ends, and stays as old as it is.
  const text = (path: string) => readFileSync(path, 'utf8').replace(/(name="admin" m:created=")\d+/, '$1');
  assert.equal(text(again), text(file));
});

test('ejabberd imports it, and people log in there', { timeout: 120_000 }, async (t) => {
  const dir = directory(t);
  await moved(dir, t, 'ejabberd-scram');
  const file = join(dir, 'all.xml');
  await muster(dir, ['account', 'export', domain, file, '--for', 'ejabberd', ...here]);
  await using ejabberd = await openEjabberd(domain, 'scram');
  await ejabberd.evaluate(`ejabberd_piefxis:import_file(<<"${file}">>)`);
  const juliet = await Guest.login(ejabberd.port, domain, 'juliet', 'R0m30', 'SCRAM-SHA-256').catch(
    (error: unknown) => assert.fail(`${String(error)}\n${ejabberd.log()}`),
  );
  const roster = await juliet.does('get', "<query xmlns='jabber:iq:roster'/>");
  assert.equal(children(children(roster)[0]!, 'item').length, 2, show(roster));
  assert.match(show(await juliet.does('get', "<vCard xmlns='vcard-temp'/>")), /BINVAL.*Juliet Capulet/s);
  assert.match(
    show(await juliet.does('get', "<query xmlns='jabber:iq:private'><exodus xmlns='exodus:prefs'/></query>")),
    /Jule/,
  );
  assert.match(show(await juliet.does('get', "<blocklist xmlns='urn:xmpp:blocking'/>")), /spam.example.com/);
  const romeo = await Guest.login(ejabberd.port, domain, 'romeo', 'J<li&t "é"', 'SCRAM-SHA-256');
  assert.match(
    show(
      await romeo.does(
        'get',
        "<query xmlns='jabber:iq:private'><storage xmlns='storage:bookmarks'/></query>",
      ),
    ),
    /verona@rooms/,
  );
  await romeo.leave();
  juliet.say('<presence/>');
  assert.match(show(await juliet.next('message')), /Neither, fair saint/);
  await juliet.leave();
});

test('Prosody imports it, and people log in there', { timeout: 120_000 }, async (t) => {
  const dir = directory(t);
  await moved(dir, t, 'prosody-hashed');
  const each = join(dir, 'each');
  const out = await muster(dir, ['account', 'export', domain, each, '--each', ...here]);
  assert.match(out.out, /5 accounts written/);
  await using prosody = await openProsody(domain, 'internal_hashed');
  await prosody.import(each);
  await prosody.start();
  const juliet = await Guest.login(prosody.port, domain, 'juliet', 'R0m30', 'SCRAM-SHA-1').catch(
    (error: unknown) => assert.fail(`${String(error)}\n${prosody.log()}`),
  );
  const roster = await juliet.does('get', "<query xmlns='jabber:iq:roster'/>");
  assert.equal(children(children(roster)[0]!, 'item').length, 2, show(roster));
  assert.match(show(await juliet.does('get', "<vCard xmlns='vcard-temp'/>")), /Juliet Capulet/);
  const node = (name: string) =>
    `<pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='${name}'/></pubsub>`;
  assert.match(show(await juliet.does('get', node('http://jabber.org/protocol/nick'))), /Jule/);
  assert.match(show(await juliet.does('get', node('urn:xmpp:bookmarks:1'))), /garden@rooms/);
  juliet.say("<iq type='set' id='a'><query xmlns='urn:xmpp:mam:2'/></iq>");
  for (const words of ['Wherefore', 'Call me', 'Neither', 'if either'])
    assert.match(show(await juliet.next('message')), new RegExp(words));
  await juliet.leave();
  await prosody.stop();
});
