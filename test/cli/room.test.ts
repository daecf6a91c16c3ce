import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { xml, type Xml } from '@xmpp/client';
import { Peer } from '../e2e/xmppjs.ts';
import { directory, muster, start, type Ended, type Started } from './muster.ts';

const host = 'conference.localhost';
const team = `team@${host}`;

async function serve(t: TestContext, dir: string): Promise<Started> {
  return start(t, dir, ['--set', 'listen.xmpp.tls=off']);
}

function client(t: TestContext, server: Started, user: string): Peer {
  const { address } = server.info.listeners.find(({ name }) => name === 'xmpp')!;
  const peer = new Peer({ domain: 'localhost' }, user, 'here', `xmpp://${address}`);
  t.after(() => peer.client.stop().catch(() => {}));
  return peer;
}

/** `muster room …` in a directory. */
function commands(dir: string) {
  const run = (...args: string[]): Promise<Ended> => muster(dir, ['room', ...args]);
  return {
    run,
    succeeds: async (...args: string[]): Promise<string> => {
      const { code, out, err } = await run(...args);
      assert.equal(code, 0, `${args.join(' ')}: ${out}${err}`);
      return out;
    },
    fails: async (...args: string[]): Promise<string> => {
      const { code, out, err } = await run(...args);
      assert.notEqual(code, 0, `${args.join(' ')}: ${out}`);
      return err;
    },
    json: async (...args: string[]): Promise<Record<string, unknown>> => {
      const { code, out, err } = await run(...args, '--json');
      assert.equal(code, 0, `${args.join(' ')}: ${out}${err}`);
      return JSON.parse(out) as Record<string, unknown>;
    },
  };
}

async function join(peer: Peer, room: string, nick: string): Promise<void> {
  const to = `${room}/${nick}`;
  await peer.client.send(xml('presence', { to }, xml('x', { xmlns: 'http://jabber.org/protocol/muc' })));
  await peer.next('its own presence', (one) => one.is('presence') && one.attrs['from'] === to);
  await peer.next('the subject', (one) => one.is('message') && one.getChild('subject') !== undefined);
}

async function say(peer: Peer, room: string, body: string): Promise<void> {
  await peer.client.send(xml('message', { to: room, type: 'groupchat' }, xml('body', {}, body)));
  await peer.body(body);
}

const muc = (presence: Xml) => presence.getChild('x', 'http://jabber.org/protocol/muc#user')!;
const codes = (presence: Xml) =>
  muc(presence)
    .getChildren('status')
    .map(({ attrs }) => Number(attrs['code']));
const shown = (from: string, type?: string) => (one: Xml) =>
  one.is('presence') && one.attrs['from'] === from && one.attrs['type'] === type;

async function users(dir: string, ...names: string[]): Promise<void> {
  for (const name of names) {
    // oxlint-disable-next-line no-await-in-loop -- one process after the other
    const { code, err } = await muster(dir, ['user', 'add', `${name}@localhost`, '--password', 'secret']);
    assert.equal(code, 0, err);
  }
}

test('rooms of a running server: made, shown, changed for those who are in, ended', async (t) => {
  const dir = directory(t);
  const server = await serve(t, dir);
  await users(dir, 'alice', 'bob');
  const { succeeds, json } = commands(dir);
  assert.equal(await succeeds('list'), 'There are no rooms.\n');
  assert.equal(
    await succeeds(
      'create',
      `Team@${host}`,
      '--owner',
      'alice@localhost',
      '--name',
      'The team',
      '--moderated',
    ),
    `${team} created\n`,
  );
  assert.match(await succeeds('list'), /^- +0 +1 +yes +yes +team@conference\.localhost {2}The team$/m);

  const [alice, bob] = [client(t, server, 'alice'), client(t, server, 'bob')];
  await alice.enter();
  await bob.enter();
  await join(alice, team, 'Alice');
  await join(bob, team, 'Bob');
  await say(alice, team, 'hear, hear');
  const { present, affiliations, messages, last, config, ...facts } = await json('show', team);
  assert.deepEqual(
    (present as { nick: string; role: string; address: string }[]).map((one) => [
      one.nick,
      one.role,
      one.address,
    ]),
    [
      ['Alice', 'moderator', alice.client.jid.toString()],
      ['Bob', 'visitor', bob.client.jid.toString()],
    ],
  );
  assert.deepEqual(affiliations, [
    { address: 'alice@localhost', affiliation: 'owner', nick: '', reason: '' },
  ]);
  assert.equal(messages, 1);
  assert.ok(Math.abs((last as number) - Date.now()) < 60_000);
  assert.equal((config as { persistent: boolean }).persistent, true);
  assert.deepEqual([facts['occupants'], facts['members'], facts['creator']], [2, 1, '']);
  const text = await succeeds('show', team);
  assert.match(text, /^Kind +persistent, public, open, moderated, semi-anonymous, unsecured$/m);
  assert.match(text, /^Messages +1, the last of 20\d\d-/m);
  assert.match(text, /^Bob +visitor +20\d\d-\d\d-\d\d \d\d:\d\d:\d\d +bob@localhost\/here/m);
  assert.match(await succeeds('list'), /^20\d\d-\d\d-\d\d \d\d:\d\d:\d\d +2 +1 +yes +yes +team@/m);

  // Effective at once: a member has voice, an outcast is out.
  assert.equal(
    await succeeds('grant', team, 'bob@localhost', 'member'),
    `bob@localhost is a member of ${team}\n`,
  );
  const voiced = await bob.next('voice', (one) => shown(`${team}/Bob`)(one) && codes(one).includes(110));
  assert.deepEqual(
    [muc(voiced).getChild('item')!.attrs['affiliation'], muc(voiced).getChild('item')!.attrs['role']],
    ['member', 'participant'],
  );
  await say(bob, team, 'so be it');
  assert.equal(
    await succeeds('grant', team, 'bob@localhost', 'outcast'),
    `bob@localhost is banned from ${team}\n`,
  );
  const banned = await bob.next('the ban', shown(`${team}/Bob`, 'unavailable'));
  assert.ok(codes(banned).includes(301) && codes(banned).includes(110), banned.toString());
  await alice.next('the ban of another', shown(`${team}/Bob`, 'unavailable'));
  await bob.client.send(
    xml('presence', { to: `${team}/Bob` }, xml('x', { xmlns: 'http://jabber.org/protocol/muc' })),
  );
  const refused = await bob.next('the refusal', shown(`${team}/Bob`, 'error'));
  assert.ok(refused.getChild('error')!.getChild('forbidden'));

  const away = `away@${host}`;
  assert.deepEqual(await json('destroy', team, '--reason', 'we have moved', '--alternate', away), {
    address: team,
  });
  const ended = await alice.next('the end', shown(`${team}/Alice`, 'unavailable'));
  const destroy = muc(ended).getChild('destroy')!;
  assert.deepEqual([destroy.attrs['jid'], destroy.getChildText('reason')], [away, 'we have moved']);
  assert.equal(await succeeds('list'), 'There are no rooms.\n');
});

test('what was said is removed, and what is said afterwards is behind it all the same', async (t) => {
  const dir = directory(t);
  const server = await serve(t, dir);
  await users(dir, 'alice');
  const { succeeds, json } = commands(dir);
  await succeeds('create', team, '--owner', 'alice@localhost');
  const alice = client(t, server, 'alice');
  await alice.enter();
  await join(alice, team, 'Alice');
  const id = async (body: string): Promise<number> => {
    await alice.client.send(xml('message', { to: team, type: 'groupchat' }, xml('body', {}, body)));
    return Number((await alice.body(body)).getChild('stanza-id')!.attrs['id']);
  };
  const first = await id('one');
  assert.equal(await id('two'), first + 1);
  assert.deepEqual(await json('purge', team, '--before', '2020-01-01'), { address: team, removed: 0 });
  assert.deepEqual(await json('purge', team), { address: team, removed: 2 });
  assert.equal((await json('show', team))['messages'], 0);
  assert.equal(await id('three'), first + 2);
  assert.equal(await succeeds('purge', team, '--yes'), `1 message of ${team} removed\n`);
  // Who comes in hears nothing of it, and where the server starts anew positions go on.
  await alice.client.stop();
  await server.end('SIGTERM');
  const second = client(t, await serve(t, dir), 'alice');
  await second.enter();
  await join(second, team, 'Alice');
  assert.ok(!second.inbox.some((one) => one.getChildText('body') !== null), String(second.inbox));
  await second.client.send(xml('message', { to: team, type: 'groupchat' }, xml('body', {}, 'four')));
  assert.equal(Number((await second.body('four')).getChild('stanza-id')!.attrs['id']), first + 3);
});

test('the same commands where no server runs', async (t) => {
  const dir = directory(t);
  await (await serve(t, dir)).end('SIGTERM');
  await users(dir, 'alice', 'bob');
  const { succeeds, json } = commands(dir);
  await succeeds('create', team, '--owner', 'alice@localhost', '--hidden', '--members-only');
  await succeeds('grant', team, 'bob@localhost', 'admin');
  await succeeds('create', `old@${host}`);
  await succeeds('destroy', `old@${host}`, '--yes');
  assert.equal((await json('purge', team))['removed'], 0);
  assert.match(await succeeds('list'), /^- +0 +2 +yes +no +team@conference\.localhost$/m);
  assert.match(await succeeds('show', team), /^admin +bob@localhost$/m);

  const server = await serve(t, dir);
  await users(dir, 'carol');
  const [bob, carol] = [client(t, server, 'bob'), client(t, server, 'carol')];
  await bob.enter();
  await join(bob, team, 'Bob');
  await carol.enter();
  await carol.client.send(
    xml('presence', { to: `${team}/Carol` }, xml('x', { xmlns: 'http://jabber.org/protocol/muc' })),
  );
  const refused = await carol.next('the refusal', shown(`${team}/Carol`, 'error'));
  assert.ok(refused.getChild('error')!.getChild('registration-required'));
});

test('what cannot be done is said in one line', async (t) => {
  const dir = directory(t);
  await (await serve(t, dir)).end('SIGTERM');
  const { run, succeeds, fails } = commands(dir);
  await succeeds('create', team);
  assert.equal(await fails('create', team), `${team} exists already\n`);
  for (const args of [['show'], ['destroy', '--yes'], ['purge', '--yes']])
    // oxlint-disable-next-line no-await-in-loop -- one process has the data at a time
    assert.equal(await fails(args[0]!, `no@${host}`, ...args.slice(1)), `no@${host} does not exist\n`);
  assert.equal(await fails('grant', `no@${host}`, 'bob@localhost', 'admin'), `no@${host} does not exist\n`);
  const malformed = `that is not the address of a room such as team@${host}\n`;
  assert.equal(await fails('create', host), malformed);
  assert.equal(await fails('show', `${team}/Bob`), malformed);
  assert.equal(
    await fails('create', 'team@localhost'),
    `localhost has no rooms that are served here; they are at ${host}\n`,
  );
  const person = 'that is not an address such as alice@example.org\n';
  assert.equal(await fails('create', `new@${host}`, '--owner', 'localhost'), person);
  assert.equal(await fails('grant', team, 'example.org', 'owner'), person);
  await succeeds('grant', team, 'example.org', 'outcast');
  assert.match(await fails('grant', team, 'bob@localhost', 'king'), /Allowed choices are owner, admin/);
  assert.match(await fails('purge', team, '--before', 'yesterday'), /A date such as 2026-11-01/);
  assert.match(await fails('create', `new@${host}`, '--public', '--hidden'), /cannot be used with/);
  const { code, err } = await run('show', `no@${host}`, '--json');
  assert.deepEqual(
    [code, JSON.parse(err)],
    [1, { error: { code: 'room-missing', message: `no@${host} does not exist` } }],
  );
  // Without the role there are none.
  const roleless = await run('create', `new@${host}`, '--set', 'roles=[mux, accounts]');
  assert.deepEqual(
    [roleless.code, roleless.err],
    [1, 'no server here has the role rooms, so that there are none\n'],
  );
});
