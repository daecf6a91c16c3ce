import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { directory, main, muster, start } from './muster.ts';

const commands = [
  'drain',
  'undrain',
  'rebalance',
  'start',
  'check',
  'status',
  'sessions',
  'user',
  'user add',
  'user passwd',
  'user remove',
  'user list',
  'user import',
  'user disable',
  'user enable',
  'user admin',
  'account',
  'account export',
  'account import',
];

for (const command of commands)
  test(`muster ${command} --help shows an example and the common options`, async (t) => {
    const { code, out } = await muster(directory(t), [...command.split(' '), '--help']);
    assert.equal(code, 0);
    assert.match(out, /Example:\n {2}\$ muster /);
    if (command !== 'user' && command !== 'account')
      for (const option of ['--json', '--data', '--config', '--set']) assert.ok(out.includes(option));
  });

test('a reader that has seen enough is no failure', async (t) => {
  const child = spawn(process.execPath, [main, 'check', '--json'], { cwd: directory(t), stdio: 'pipe' });
  child.stdout.destroy();
  let said = '';
  child.stderr.on('data', (data) => (said += String(data)));
  assert.equal(await new Promise((resolve) => child.once('close', resolve)), 0);
  assert.equal(said, '');
});

test('a wrong command line is one hint and exit code 2', async (t) => {
  const dir = directory(t);
  const wrong = await muster(dir, ['strat']);
  assert.equal(wrong.code, 2);
  assert.match(wrong.err, /unknown command 'strat'\n\(Did you mean start\?\)/);
  assert.equal((await muster(dir, ['status', '--jsno'])).code, 2);
});

test('check tells the place of an error, start refuses the same file, both with exit code 2', async (t) => {
  const dir = directory(t);
  writeFileSync(join(dir, 'muster.yaml'), 'community: A\nlisten:\n  xmpp:\n    prot: 1\n');
  const line = 'muster.yaml:4:5: listen.xmpp.prot: unknown key, did you mean listen.xmpp.port?\n';
  for (const args of [['check', 'muster.yaml'], ['check'], ['start'], ['status']]) {
    const { code, out, err } = await muster(dir, args);
    assert.deepEqual([code, out, err], [2, '', line], args.join(' '));
  }
  const json = await muster(dir, ['check', '--json']);
  assert.deepEqual(JSON.parse(json.err), { error: { code: 'config', message: line.trim() } });
  writeFileSync(join(dir, 'muster.yaml'), 'community: A\n');
  assert.deepEqual(await muster(dir, ['check', 'muster.yaml']), {
    code: 0,
    out: 'muster.yaml: ok\n',
    err: '',
  });
  writeFileSync(join(dir, 'muster.yaml'), 'services: [{type: turn, host: h, secret: hush}]\n');
  const told = await muster(dir, ['check', '--json']);
  assert.equal(told.code, 0);
  assert.doesNotMatch(told.out, /hush/);
});

test('a port in use and a data directory in use are one line and exit code 2', async (t) => {
  const dir = directory(t);
  const server = createServer().listen(0, '127.0.0.1');
  t.after(() => server.close());
  await new Promise((resolve) => server.on('listening', resolve));
  const { port } = server.address() as { port: number };
  const set = (name: string, value: string) => ['--set', `listen.${name}=${value}`];
  const off = [...set('xmpp', 'off'), ...set('xmpps', 'off')];
  const taken = await muster(dir, ['start', ...off, ...set('http', `{host: 127.0.0.1, port: ${port}}`)]);
  assert.deepEqual(
    [taken.code, taken.err],
    [2, `listen.http.port: port ${port} of 127.0.0.1 is in use by another program\n`],
  );

  await start(t, dir);
  const held = await muster(dir, ['start', ...off, ...set('http', 'off')]);
  assert.equal(held.code, 2);
  assert.match(held.err, /^\S+data is in use by another process \(pid \d+\)\n$/);
});

test('commands on a directory without data say so', async (t) => {
  const { code, err } = await muster(directory(t), ['user', 'list']);
  assert.equal(code, 2);
  assert.match(
    err,
    /^\S+data: there is no data; start the server once, or name its directory with --data\n$/,
  );
});

test('accounts are kept through the running server and, once it stopped, in the store itself', async (t) => {
  const dir = directory(t);
  const server = await start(t, dir);
  assert.equal(server.info.admin?.address, 'admin@localhost');
  const run = (...args: string[]) => muster(dir, args);
  const json = async (...args: string[]) =>
    JSON.parse((await run(...args, '--json')).out) as Record<string, unknown>;

  for (const state of ['ready', 'offline']) {
    const [alice, bob] = [`alice-${state}@localhost`, `bob-${state}@localhost`];
    const status = await run('status', '--json');
    assert.equal(status.code, state === 'ready' ? 0 : 1);
    assert.equal((JSON.parse(status.out) as { state: string }).state, state);

    const made = await json('user', 'add', alice);
    assert.equal(made['address'], alice);
    assert.match(String(made['password']), /^[\w-]{16}$/);
    assert.deepEqual(await json('user', 'add', bob, '--password', 'secret-given'), { address: bob });
    const again = await run('user', 'add', bob, '--password', 'x', '--json');
    assert.equal(again.code, 1);
    assert.equal((JSON.parse(again.err) as { error: { code: string } }).error.code, 'account-exists');
    assert.equal((await run('user', 'add', 'x@elsewhere.example', '--password', 'x')).code, 1);
    assert.equal((await muster(dir, ['user', 'passwd', bob, '--password', '-'], 'secret-piped\n')).code, 0);
    assert.equal((await run('user', 'passwd', 'nobody@localhost', '--password', 'x')).code, 1);

    writeFileSync(join(dir, 'in.csv'), `carol-${state}@localhost,secret-file\n${bob},x\n"broken`);
    const imported = await run('user', 'import', 'in.csv');
    assert.equal(imported.code, 1);
    assert.match(imported.out, /^line 2: .*\nline 3: a quoted field is not closed\n1 added, 2 rejected\n$/);

    assert.equal((await run('user', 'remove', bob)).code, 0);
    const listed = (await run('user', 'list', '--json')).out.trim().split('\n');
    const addresses = listed.map((line) => (JSON.parse(line) as { address: string }).address);
    assert.ok(
      addresses.includes(alice) && addresses.includes(`carol-${state}@localhost`) && !addresses.includes(bob),
    );
    assert.equal(
      (await run('sessions')).out,
      state === 'ready' ? 'Nobody is logged in.\n' : 'No server is running.\n',
    );
    if (state === 'ready') assert.equal(await server.end('SIGTERM'), 0);
  }
});

test('a note that a killed server left behind does not lead astray', async (t) => {
  const dir = directory(t);
  const server = await start(t, dir);
  await server.end('SIGTERM');
  writeFileSync(join(dir, 'data/server.json'), JSON.stringify({ url: 'http://127.0.0.1:9/', pid: 1 }));
  const { code, out } = await muster(dir, ['status', '--json']);
  assert.deepEqual([code, (JSON.parse(out) as { state: string }).state], [1, 'offline']);
});

test('the log of a run holds neither password nor token, and the token is private', async (t) => {
  const dir = directory(t);
  const server = await start(t, dir, ['--set', 'log.level=debug']);
  await muster(dir, ['user', 'add', 'a@localhost', '--password', 'hunter2hunter2']);
  await muster(dir, ['user', 'passwd', 'a@localhost', '--password', 'hunter3hunter3']);
  await muster(dir, ['user', 'add', 'hunter4 hunter4', '--password', 'a@localhost']);
  await fetch(new URL('/no/such?token=hunter5', server.info.web), {
    headers: { authorization: 'Bearer hunter6' },
  });
  const token = readFileSync(join(dir, 'data/admin.token'), 'utf8').trim();
  assert.equal(statSync(join(dir, 'data/admin.token')).mode & 0o777, 0o600);
  assert.equal(await server.end('SIGINT'), 0);
  const log =
    server.heard.out
      .split('\n')
      .filter((line) => !line.includes('"started"'))
      .join('\n') + server.heard.err;
  assert.match(log, /"msg":"account added"/);
  assert.match(log, /"msg":"stopped"/);
  for (const secret of [token, server.info.admin!.password]) assert.ok(!log.includes(secret));
  assert.doesNotMatch(log, /hunter/);
});

test('the first password is shown only once', async (t) => {
  const dir = directory(t);
  mkdirSync(join(dir, 'data'));
  const first = await start(t, dir);
  assert.ok(first.info.admin);
  assert.deepEqual(
    first.info.listeners.map(({ name }) => name).filter((name) => name === 'http' || name === 'admin'),
    ['http', 'admin'],
  );
  await first.end('SIGTERM');
  const second = await start(t, dir);
  assert.equal(second.info.admin, undefined);
  await second.end('SIGTERM');
});
