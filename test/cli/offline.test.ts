import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { xml } from '@xmpp/client';
import { Peer } from '../e2e/xmppjs.ts';
import { directory, main, muster, start, type Started } from './muster.ts';

/** A server that clients reach without TLS, so that they need not be told to trust its certificate. */
const serve = (t: TestContext, dir: string) => start(t, dir, ['--set', 'listen.xmpp.tls=off']);

function client(t: TestContext, server: Started, user: string): Peer {
  const { address } = server.info.listeners.find(({ name }) => name === 'xmpp')!;
  const peer = new Peer({ domain: 'localhost' }, user, 'here', `xmpp://${address}`);
  t.after(() => peer.client.stop().catch(() => {}));
  return peer;
}

/** The contacts that somebody's server tells, as `address subscription`. */
async function contacts(peer: Peer): Promise<string[]> {
  const answer = await peer.ask('get', xml('query', { xmlns: 'jabber:iq:roster' }));
  const items = answer.getChild('query')?.getChildren('item') ?? [];
  return items.map(({ attrs }) => `${attrs['jid']} ${attrs['subscription']}`);
}

async function succeeds(dir: string, ...args: string[]): Promise<string> {
  const { code, out, err } = await muster(dir, args);
  assert.equal(code, 0, `${args.join(' ')}: ${out}${err}`);
  return out;
}

test('who was added or imported while no server ran logs in with any client', async (t) => {
  const dir = directory(t);
  await (await serve(t, dir)).end('SIGTERM');
  assert.equal(
    await succeeds(dir, 'user', 'add', 'Alice@localhost', '--password', 'secret'),
    'alice@localhost added\n',
  );
  writeFileSync(join(dir, 'in.csv'), 'bob@localhost,secret\ncarol@localhost,wrong\n');
  assert.equal(await succeeds(dir, 'user', 'import', 'in.csv'), '2 added, 0 rejected\n');
  await succeeds(dir, 'user', 'passwd', 'carol@localhost', '--password', 'secret');

  const server = await serve(t, dir);
  const [alice, bob, carol] = ['alice', 'bob', 'carol'].map((name) => client(t, server, name)) as [
    Peer,
    Peer,
    Peer,
  ];
  for (const peer of [alice, bob, carol]) await peer.enter();
  await alice.say('bob@localhost', 'good morning');
  await bob.body('good morning');
});

test('an account removed while no server runs is gone for its contacts too, with what was stored for it', async (t) => {
  const dir = directory(t);
  const first = await serve(t, dir);
  for (const name of ['alice', 'bob'])
    await succeeds(dir, 'user', 'add', `${name}@localhost`, '--password', 'secret');
  const [alice, bob] = [client(t, first, 'alice'), client(t, first, 'bob')];
  await alice.enter();
  await bob.enter();
  await alice.presence('bob@localhost', 'subscribe');
  await bob.next('request', (one) => one.attrs['type'] === 'subscribe');
  await bob.presence('alice@localhost', 'subscribed');
  await bob.presence('alice@localhost', 'subscribe');
  await alice.next('request', (one) => one.attrs['type'] === 'subscribe');
  await alice.presence('bob@localhost', 'subscribed');
  await bob.next('approval', (one) => one.attrs['type'] === 'subscribed');
  assert.deepEqual(await contacts(bob), ['alice@localhost both']);
  await alice.client.stop();
  await bob.say('alice@localhost', 'for the old alice');
  await bob.ask('get', xml('ping', { xmlns: 'urn:xmpp:ping' })); // what was sent before it is stored
  await bob.client.stop();
  await first.end('SIGTERM');

  assert.equal(
    await succeeds(dir, 'user', 'remove', 'alice@localhost', '--yes'),
    'alice@localhost removed\n',
  );

  const second = await serve(t, dir);
  const left = client(t, second, 'bob');
  await left.enter();
  assert.deepEqual(await contacts(left), ['alice@localhost none']);
  await assert.rejects(client(t, second, 'alice').client.start(), /not-authorized/);
  // Whoever gets the address next inherits nothing.
  await succeeds(dir, 'user', 'add', 'alice@localhost', '--password', 'secret');
  const stranger = client(t, second, 'alice');
  await stranger.enter();
  assert.deepEqual(await contacts(stranger), []);
  await left.say('alice@localhost', 'for the new alice');
  await stranger.body('for the new alice');
  assert.ok(!stranger.inbox.some((one) => one.getChildText('body') === 'for the old alice'));
});

test('one process at a time: while an import holds the data, others are refused in one line', async (t) => {
  const dir = directory(t);
  await (await serve(t, dir)).end('SIGTERM');
  const importing = spawn(process.execPath, [main, 'user', 'import', '-'], { cwd: dir, stdio: 'pipe' });
  t.after(() => importing.kill());
  const ended = new Promise<number | null>((resolve) => importing.on('close', resolve));
  const holder = join(dir, 'data/holder');
  while (readFileSync(holder, 'utf8') !== `${importing.pid}\n`) {
    assert.equal(importing.exitCode, null, 'the import ended');
    await sleep(20);
  }
  for (const args of [['user', 'list'], ['status'], ['start']]) {
    const { code, out, err } = await muster(dir, args);
    assert.equal(code, 2, args.join(' '));
    assert.match(out + err, new RegExp(`data is in use by another process \\(pid ${importing.pid}\\)\\n`));
  }
  importing.stdin.end('dora@localhost,secret\n');
  assert.equal(await ended, 0);
  assert.match(await succeeds(dir, 'user', 'list'), /dora@localhost/);
});

test('data that no server has made yet: a command does not make it', async (t) => {
  const dir = directory(t);
  const { code, err } = await muster(dir, ['user', 'list', '--data', '.']);
  assert.equal(code, 2);
  assert.match(err, /: there is no data; start the server once\n$/);
});
