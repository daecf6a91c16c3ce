import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { openPool, type Pool } from '../../cluster/pool.ts';
import { Guest, show } from '../transfer/story.ts';

const fixtures = fileURLToPath(new URL('../transfer/fixtures/', import.meta.url));

/** Accounts come to their owners and administrators' commands reach everybody, whichever server that is. */
void describe('accounts move in a pool', { timeout: 240_000 }, () => {
  let directory: string;
  let pool: Pool;
  before(
    async () => {
      directory = await mkdtemp(join(tmpdir(), 'muster-pool-'));
      pool = await openPool({ directory, servers: 2, muxes: 2, partitions: 8 });
      await pool.whole();
      await pool.users(['boss', 'alice', 'bob', 'carol', 'dave', 'erin']);
      await pool.muster(['user', 'admin', `boss@${pool.domain}`]);
    },
    { timeout: 120_000 },
  );
  after(async () => {
    await pool?.close();
    await rm(directory, { recursive: true, force: true });
  });

  const login = (name: string, password: string, mux = 0) =>
    Guest.login(pool.muxes[mux]!.ports.xmpp, pool.domain, name, password);

  /** A fixture for the pool's own domain. */
  async function fixture(name: string): Promise<string> {
    const dir = join(directory, name);
    await mkdir(dir, { recursive: true });
    for (const file of await readdir(join(fixtures, name))) {
      const text = await readFile(join(fixtures, name, file), 'utf8');
      await writeFile(join(dir, file), text.replaceAll(/(?<=[@'])example\.org(?=['/])/g, pool.domain));
    }
    return dir;
  }

  void it('an import while the pool serves reaches the owners of all accounts', async () => {
    const told = await pool.muster(['account', 'import', await fixture('ejabberd-plain')]);
    assert.match(told, /4 accounts imported/);
    const juliet = await login('juliet', 'R0m30', 1);
    assert.match(show(await juliet.does('get', "<query xmlns='jabber:iq:roster'/>")), /Romeo/);
    juliet.say('<presence/>');
    assert.match(show(await juliet.next('message')), /Neither, fair saint/);
    await juliet.leave();
    const again = await pool.muster(['account', 'import', await fixture('ejabberd-plain')]);
    assert.match(again, /0 accounts imported with 0 pieces, 4 were there already/);
  });

  void it('commands reach people on every server', async () => {
    const boss = await login('boss', 'secret');
    const people = await Promise.all(
      ['alice', 'bob', 'carol', 'dave', 'erin'].map((name, i) => login(name, 'secret', i % 2)),
    );
    for (const guest of people) guest.say('<presence/>');
    for (const guest of people) await guest.does('get', "<query xmlns='jabber:iq:roster'/>");
    const run = async (node: string, field: string, value: string) => {
      const open = `<command xmlns='http://jabber.org/protocol/commands' node='http://jabber.org/protocol/admin#${node}'`;
      const id = /sessionid="([^"]+)"/.exec(show(await boss.does('set', `${open}/>`, pool.domain)))![1];
      const form = `<x xmlns='jabber:x:data' type='submit'><field var='${field}'><value>${value}</value></field></x>`;
      return show(await boss.does('set', `${open} sessionid='${id}'>${form}</command>`, pool.domain));
    };
    const count = async (node: string) =>
      show(
        await boss.does(
          'set',
          `<command xmlns='http://jabber.org/protocol/commands' node='http://jabber.org/protocol/admin#${node}'/>`,
          pool.domain,
        ),
      );
    assert.match(await count('get-registered-users-num'), /<value>11<\/value>/);
    assert.match(await count('get-disabled-users-num'), /<value>0<\/value>/);
    assert.match(await count('get-online-users-num'), /<value>6<\/value>/);
    assert.match(await run('user-stats', 'accountjid', `alice@${pool.domain}`), /127.0.0.1.*rostersize/s);
    const list = await run('get-online-users-list', 'max_items', 'none');
    for (const name of ['alice', 'bob', 'carol', 'dave', 'erin', 'boss'])
      assert.match(list, new RegExp(`${name}@`));
    await run('announce', 'announcement', 'hear ye');
    for (const guest of people) assert.match(show(await guest.next('message')), /hear ye/);
    await run('set-motd', 'motd', 'of the day');
    for (const guest of people) assert.match(show(await guest.next('message')), /of the day/);
    for (const [i, name] of ['alice', 'bob', 'carol', 'dave', 'erin'].entries()) {
      await run('disable-user', 'accountjids', `${name}@${pool.domain}`);
      await people[i]!.wire.until(
        () => (people[i]!.wire.closed ? true : undefined),
        () => `${name} is disabled and still there`,
      );
      await assert.rejects(login(name, 'secret'), /not-authorized|account-disabled/);
      await run('reenable-user', 'accountjids', `${name}@${pool.domain}`);
      const back = await login(name, 'secret');
      back.say('<presence/>');
      await back.does('get', "<query xmlns='jabber:iq:roster'/>");
      await back.leave();
    }
    await boss.leave();
  });

  void it('an import that lost a server goes on where it was, and nothing is missing or double', async () => {
    const file = join(directory, 'many.xml');
    const messages = (who: number) =>
      Array.from({ length: 60 }, (_, i) => {
        const stamp = new Date(1_700_000_000_000 + i * 1000).toISOString();
        return `<result xmlns='urn:xmpp:mam:2' id='${who}-${i}'><forwarded xmlns='urn:xmpp:forward:0'><delay xmlns='urn:xmpp:delay' stamp='${stamp}'/><message xmlns='jabber:client' type='chat' from='x@elsewhere.example/y' to='n${who}@${pool.domain}'><body>${i}</body></message></forwarded></result>`;
      }).join('');
    const users = Array.from(
      { length: 150 },
      (_, i) =>
        `<user name='n${i}' password='pw'><query xmlns='jabber:iq:roster'><item jid='f@elsewhere.example'/></query><archive xmlns='urn:xmpp:pie:0#mam'>${messages(i)}</archive></user>\n`,
    );
    await writeFile(
      file,
      `<server-data xmlns='urn:xmpp:pie:0'><host jid='${pool.domain}'>${users.join('')}</host></server-data>`,
    );
    const first = pool.muster(['account', 'import', file]).then(
      () => 'ended',
      (error: unknown) => String(error),
    );
    // Somewhere in the middle, by what is there.
    for (;;) {
      const { accounts } = JSON.parse(await pool.muster(['status', '--json'])) as { accounts: number };
      if (accounts > 40) break;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await pool.servers[1]!.kill();
    await first;
    const told = await pool.muster(['account', 'import', file]);
    assert.match(told, /, 0 left out/);
    const out = join(directory, 'out.xml');
    await pool.muster(['account', 'export', pool.domain, out]);
    const text = await readFile(out, 'utf8');
    for (let i = 0; i < users.length; i++) {
      const user = new RegExp(`<user [^>]*name="n${i}"[^>]*>.*</user>`).exec(text)?.[0] ?? '';
      assert.ok(!/m:disabled/.test(user.slice(0, 300)));
      const bodies = [...user.matchAll(/<body>(\d+)<\/body>/g)].map(([, n]) => Number(n));
      assert.deepEqual(
        bodies,
        Array.from({ length: 60 }, (_, n) => n),
        `n${i}`,
      );
      assert.equal([...user.matchAll(/<item jid=/g)].length, 1);
    }
  });
});
