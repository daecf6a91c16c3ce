import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { directory, muster, start, type Started } from '../cli/muster.ts';
import { attr, child, children, text, type Element } from './xml.ts';
import { Guest, show } from '../transfer/story.ts';

const domain = 'example.org';
const here = ['--set', `domains=[${domain}]`, '--set', 'listen.xmpp.tls=off'];
const ADMIN = 'http://jabber.org/protocol/admin';
const COMMANDS = 'http://jabber.org/protocol/commands';
const items = `<query xmlns='http://jabber.org/protocol/disco#items' node='${COMMANDS}'/>`;

async function open(
  t: TestContext,
): Promise<{ port: number; admin: Guest; alice: Guest; dir: string; server: Started }> {
  const dir = directory(t);
  const server = await start(t, dir, here);
  await muster(dir, ['user', 'add', `alice@${domain}`, '--password', 'wonder', ...here]);
  const port = Number(/:(\d+)$/.exec(server.info.listeners.find(({ name }) => name === 'xmpp')!.address)![1]);
  const admin = await Guest.login(port, domain, 'admin', server.info.admin!.password);
  const alice = await Guest.login(port, domain, 'alice', 'wonder');
  return { port, admin, alice, dir, server };
}

function command(node: string, attrs = '', content = ''): string {
  return `<command xmlns='${COMMANDS}' node='${ADMIN}#${node}' ${attrs}>${content}</command>`;
}

function form(fields: Record<string, string | readonly string[]>, type = 'submit'): string {
  const all = { FORM_TYPE: ADMIN, ...fields };
  const inner = Object.entries(all).map(
    ([name, values]) =>
      `<field var='${name}'>${[values]
        .flat()
        .map((value) => `<value>${value}</value>`)
        .join('')}</field>`,
  );
  return `<x xmlns='jabber:x:data' type='${type}'>${inner.join('')}</x>`;
}

/** Runs a command to its end and returns the `<command/>` of the last answer. */
async function run(
  guest: Guest,
  node: string,
  fields?: Record<string, string | readonly string[]>,
  to = domain,
): Promise<Element> {
  const first = child(await guest.does('set', command(node, "action='execute'"), to), 'command')!;
  if (fields === undefined) return first;
  assert.equal(attr(first, 'status'), 'executing', show(first));
  const id = attr(first, 'sessionid');
  const last = await guest.does('set', command(node, `sessionid='${id}'`, form(fields)), to);
  return child(last, 'command')!;
}

function values(done: Element, name: string): string[] {
  const x = child(done, 'x', 'jabber:x:data')!;
  const field = children(x, 'field').find((one) => attr(one, 'var') === name);
  return field === undefined ? [] : children(field, 'value').map(text);
}

test('an administrator finds the commands at the domain and at the own address; others find none', async (t) => {
  const { admin, alice, server } = await open(t);
  for (const to of [domain, `admin@${domain}`]) {
    const list = children(children(await admin.does('get', items, to))[0]!, 'item');
    const nodes = list.map((item) => attr(item, 'node'));
    for (const node of ['add-user', 'delete-user', 'get-online-users-list', 'announce', 'edit-admin'])
      assert.ok(nodes.includes(`${ADMIN}#${node}`), node);
    assert.ok(!nodes.includes(`${ADMIN}#get-user-password`));
    assert.ok(list.every((item) => attr(item, 'jid') === to && attr(item, 'name') !== ''));
    for (const node of nodes) {
      const about = await admin.does(
        'get',
        `<query xmlns='http://jabber.org/protocol/disco#info' node='${node}'/>`,
        to,
      );
      assert.match(show(about), /category="automation"[^>]*type="command-node"/);
      assert.match(show(about), /jabber:x:data/);
      const done = child(await admin.does('set', command(node!.split('#')[1]!), to), 'command')!;
      assert.ok(['executing', 'completed'].includes(attr(done, 'status')!), node!);
    }
  }
  // Clients ask for the list at login: it must not be an error.
  for (const to of [domain, `alice@${domain}`, `admin@${domain}`])
    assert.equal(children(children(await alice.does('get', items, to))[0]!).length, 0, to);
  for (const to of [domain, `alice@${domain}`, `admin@${domain}`, `nobody@${domain}`]) {
    const refused = await alice.ask('set', command('announce', '', form({ announcement: 'boo' })), to);
    assert.match(show(refused), /<forbidden/, to);
  }
  assert.match(
    show(
      await alice.ask(
        'get',
        `<query xmlns='http://jabber.org/protocol/disco#info' node='${ADMIN}#add-user'/>`,
        domain,
      ),
    ),
    /<forbidden/,
  );
  assert.equal(await server.end('SIGTERM'), 0);
});

test('accounts are made, looked at, disabled, enabled, given a password and removed', async (t) => {
  const { admin, alice, port, server } = await open(t);
  const juliet = { accountjid: `juliet@${domain}`, password: 'R0m30', 'password-verify': 'R0m30' };
  assert.equal(attr(await run(admin, 'add-user', juliet), 'status'), 'completed');
  const again = await admin
    .does('set', command('add-user'), domain)
    .then((first) => attr(child(first, 'command')!, 'sessionid'));
  const conflict = await admin.ask('set', command('add-user', `sessionid='${again}'`, form(juliet)), domain);
  assert.match(show(conflict), /<conflict/);

  assert.deepEqual(values(await run(admin, 'get-registered-users-num'), 'registeredusersnum'), ['3']);
  assert.deepEqual(values(await run(admin, 'get-online-users-num'), 'onlineusersnum'), ['2']);
  assert.deepEqual(
    values(await run(admin, 'get-registered-users-list', { max_items: '2' }), 'registereduserjids'),
    [`admin@${domain}`, `alice@${domain}`],
  );
  assert.deepEqual(
    values(await run(admin, 'get-online-users-list', { max_items: 'none' }), 'onlineuserjids'),
    [`admin@${domain}`, `alice@${domain}`],
  );

  await alice.does('set', `<query xmlns='jabber:iq:roster'><item jid='bob@${domain}' name='Bob'/></query>`);
  const roster = await run(admin, 'get-user-roster', { accountjids: `alice@${domain}` });
  assert.match(show(roster), /jabber:iq:roster.*bob@example.org/);
  assert.deepEqual(values(await run(admin, 'user-stats', { accountjid: `alice@${domain}` }), 'rostersize'), [
    '1',
  ]);
  assert.match(
    values(await run(admin, 'get-user-lastlogin', { accountjids: `alice@${domain}` }), 'lastlogin')[0]!,
    /^\d{4}-\d\d-\d\dT/,
  );

  await run(admin, 'disable-user', { accountjids: `alice@${domain}` });
  await alice.wire.until(
    () => (alice.wire.closed ? true : undefined),
    () => 'a disabled account keeps its session',
  );
  await assert.rejects(Guest.login(port, domain, 'alice', 'wonder'), /not-authorized|account-disabled/);
  assert.deepEqual(
    values(await run(admin, 'get-disabled-users-list', { max_items: '25' }), 'disableduserjids'),
    [`alice@${domain}`],
  );
  await run(admin, 'reenable-user', { accountjids: `alice@${domain}` });
  await run(admin, 'change-user-password', { accountjid: `alice@${domain}`, password: 'land' });
  const back = await Guest.login(port, domain, 'alice', 'land');
  const kept = await back.does('get', "<query xmlns='jabber:iq:roster'/>");
  assert.match(show(kept), /Bob/, 'nothing is lost');

  await run(admin, 'end-user-session', { accountjids: `alice@${domain}/old` });
  await back.wire.until(
    () => (back.wire.closed ? true : undefined),
    () => 'an ended session goes on',
  );
  const gone = await run(admin, 'delete-user', { accountjids: [`alice@${domain}`, `nobody@${domain}`] });
  assert.match(show(gone), /note type="error".*nobody/s);
  await assert.rejects(Guest.login(port, domain, 'alice', 'land'), /not-authorized/);
  assert.equal(await server.end('SIGTERM'), 0);
});

test('a form is for who was given it, once, and what is wrong with it is said', async (t) => {
  const { admin, alice, port, server } = await open(t);
  const begin = async () =>
    attr(child(await admin.does('set', command('announce'), domain), 'command')!, 'sessionid')!;
  const refusal = async (guest: Guest, attrs: string, content: string, to = domain) =>
    show(await guest.ask('set', command('announce', attrs, content), to));
  const good = form({ announcement: 'hear' });
  const id = await begin();
  assert.match(await refusal(alice, `sessionid='${id}'`, good), /<forbidden/);
  const other = await Guest.login(port, domain, 'admin', server.info.admin!.password, undefined, 'other');
  assert.match(
    await refusal(other, `sessionid='${id}'`, good),
    /<bad-request.*<bad-sessionid/,
    'another session',
  );
  assert.match(
    await refusal(admin, `sessionid='${id}'`, good, `admin@${domain}`),
    /bad-sessionid/,
    'another place',
  );
  for (const forged of ['', 'x', `${id}x`, '&apos; or 1=1 --', id.replace(/^./, 'z')])
    assert.match(await refusal(admin, `sessionid='${forged}'`, good), /<bad-sessionid/, forged);
  assert.match(await refusal(admin, `sessionid='${id}' action='next'`, good), /<bad-action/);
  assert.match(await refusal(admin, `sessionid='${id}' action='prev'`, ''), /<bad-action/);
  assert.match(await refusal(admin, `sessionid='${id}' action='dance'`, ''), /<malformed-action/);
  assert.match(await refusal(admin, `sessionid='${id}'`, ''), /<bad-payload/);
  assert.match(await refusal(admin, `sessionid='${id}'`, form({})), /<bad-payload/);
  assert.match(await refusal(admin, `sessionid='${id}'`, good + good), /<bad-payload/);
  assert.match(await refusal(admin, `sessionid='${id}'`, good.replace(ADMIN, 'urn:other')), /<bad-payload/);
  assert.match(show(await admin.ask('set', command('no-such'), domain)), /<item-not-found/);
  admin.say('<presence/>');
  const done = child(
    await admin.does('set', command('announce', `sessionid='${id}' action='complete'`, good), domain),
    'command',
  )!;
  assert.equal(attr(done, 'status'), 'completed');
  assert.match(await refusal(admin, `sessionid='${id}'`, good), /<not-allowed.*<session-expired/);
  const second = await begin();
  const cancelled = await admin.does(
    'set',
    command('announce', `sessionid='${second}' action='cancel'`),
    domain,
  );
  assert.equal(attr(child(cancelled, 'command')!, 'status'), 'canceled');
  assert.match(await refusal(admin, `sessionid='${second}'`, good), /<session-expired/);
  assert.equal(await server.end('SIGTERM'), 0);
});

test('what administrators say reaches who is there, who comes, and who is new, once each', async (t) => {
  const { admin, alice, port, server, dir } = await open(t);
  alice.say('<presence/>');
  await run(admin, 'announce', { announcement: ['down at noon', 'be &amp; well'] });
  const told = await alice.next('message');
  assert.equal(attr(told, 'from'), domain);
  assert.match(show(told), /<body>down at noon\nbe &amp; well<\/body>/);

  await run(admin, 'set-motd', { motd: 'new rooms' });
  assert.match(show(await alice.next('message')), /new rooms/, 'at once');
  await alice.leave();
  const later = await Guest.login(port, domain, 'alice', 'wonder');
  later.say('<presence/>');
  await later.does('get', "<query xmlns='jabber:iq:roster'/>");
  await run(admin, 'announce', { announcement: 'marker' });
  assert.match(show(await later.next('message')), /marker/, 'not the message of the day again');
  assert.deepEqual(values(child(await admin.does('set', command('edit-motd'), domain), 'command')!, 'motd'), [
    'new rooms',
  ]);
  await run(admin, 'set-welcome', { welcome: 'hello &lt;you&gt;' });
  await run(admin, 'delete-motd');
  await muster(dir, ['user', 'add', `bob@${domain}`, '--password', 'builder', ...here]);
  const bob = await Guest.login(port, domain, 'bob', 'builder');
  bob.say('<presence/>');
  assert.match(show(await bob.next('message')), /hello &lt;you&gt;/);
  assert.equal(await server.end('SIGTERM'), 0);
});

test('rights come and go, and nobody takes their own', async (t) => {
  const { admin, alice, server, dir } = await open(t);
  await run(admin, 'edit-admin', { adminjids: [`admin@${domain}`, `alice@${domain}`] });
  assert.ok(children(children(await alice.does('get', items, domain))[0]!).length > 10, 'at once');
  const first = child(await alice.does('set', command('edit-admin'), domain), 'command')!;
  const refused = await alice.ask(
    'set',
    command('edit-admin', `sessionid='${attr(first, 'sessionid')}'`, form({ adminjids: `admin@${domain}` })),
    domain,
  );
  assert.match(show(refused), /<not-allowed/);
  await muster(dir, ['user', 'admin', `alice@${domain}`, '--off', ...here]);
  assert.match(show(await alice.ask('set', command('announce'), domain)), /<forbidden/);
  assert.equal(await server.end('SIGTERM'), 0);
});
