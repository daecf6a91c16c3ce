import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { client } from '@xmpp/client';
import { directory, muster, start, type Started } from '../cli/muster.ts';
import { poll } from './child.ts';
import { proves, says } from './entrant.ts';
import { mechanisms, open } from './stream.ts';
import { Wire } from './wire.ts';

const domain = 'example.org';
const set = ['--set', `domains=[${domain}]`];
const fixture = fileURLToPath(new URL('../transfer/fixtures/prosody-hashed', import.meta.url));
/** Two of the fixture's accounts. */
const people: [string, string][] = [
  ['juliet', 'R0m30'],
  ['romeo', 'J<li&t "é"'],
];

/** A server that listens in the clear, as its clients see it. */
class Stage {
  readonly port: number;
  readonly #t: TestContext;

  constructor(t: TestContext, server: Started) {
    this.#t = t;
    const { address } = server.info.listeners.find(({ name }) => name === 'xmpp')!;
    this.port = Number(/:(\d+)$/.exec(address)![1]);
  }

  static async open(
    t: TestContext,
    dir: string,
    ...more: string[]
  ): Promise<{ stage: Stage; server: Started }> {
    const server = await start(t, dir, [...set, '--set', 'listen.xmpp.tls=off', ...more]);
    return { stage: new Stage(t, server), server };
  }

  async begin(): Promise<{ wire: Wire; offered: string[] }> {
    const wire = await Wire.tcp(this.port);
    this.#t.after(() => wire.cut());
    return { wire, offered: mechanisms(await open(wire, domain)) };
  }

  /** As most clients do: the strongest one that is offered, and no other. */
  async strongest(user: string, password: string): Promise<{ mechanism: string; end: string }> {
    const { wire, offered } = await this.begin();
    const mechanism = offered[0]!;
    return { mechanism, ...(await proves(wire, mechanism, user, { password })) };
  }

  async plain(user: string, password: string): Promise<string> {
    const { wire } = await this.begin();
    return says(wire, 'PLAIN', `\0${user}\0${password}`);
  }

  /** Waits until the first one is offered. */
  first(mechanism: string): Promise<true> {
    return poll(
      async () => {
        const { wire, offered } = await this.begin();
        wire.cut();
        return offered[0] === mechanism ? true : undefined;
      },
      () => `${mechanism} is not offered as the first`,
      30_000,
    );
  }
}

test('who was imported with keys for SHA-1 logs in; PLAIN adds the others, which are offered then', async (t) => {
  const dir = directory(t);
  const { stage } = await Stage.open(t, dir);
  await stage.first('SCRAM-SHA-512');
  const imported = await muster(dir, ['account', 'import', fixture, ...set]);
  assert.match(imported.out, /(\d) accounts lack keys for SCRAM-SHA-512/);
  await stage.first('SCRAM-SHA-1');
  assert.deepEqual((await stage.begin()).offered, ['SCRAM-SHA-1', 'PLAIN']);
  for (const [user, password] of people) {
    const { mechanism, end } = await stage.strongest(user, password);
    assert.equal(`${mechanism} ${end}`, 'SCRAM-SHA-1 success');
  }
  const real = client({
    service: `xmpp://127.0.0.1:${stage.port}`,
    domain,
    username: 'juliet',
    password: 'R0m30',
  });
  const jid = (await real.start()) as typeof real.jid;
  assert.equal(String(jid.bare()), `juliet@${domain}`);
  await real.stop();
  const told = await muster(dir, ['status', ...set]);
  assert.match(told.out, /lack keys for SCRAM-SHA-256/);

  assert.equal(await stage.plain('juliet', 'wrong'), 'not-authorized');
  assert.equal(await stage.plain('juliet', 'R0m30'), 'success');
  // The others lack them still, whom a new password helps as well.
  const names = readdirSync(fixture).map((name) => name.replace(/@.*/, ''));
  assert.deepEqual((await stage.begin()).offered, ['SCRAM-SHA-1', 'PLAIN']);
  for (const name of names.filter((one) => one !== 'juliet')) {
    const { code, err } = await muster(
      dir,
      ['user', 'passwd', `${name}@${domain}`, '--password', '-', ...set],
      'new',
    );
    assert.equal(code, 0, err);
  }
  await stage.first('SCRAM-SHA-512');
  assert.deepEqual((await stage.begin()).offered, ['SCRAM-SHA-512', 'SCRAM-SHA-256', 'SCRAM-SHA-1', 'PLAIN']);
  const { mechanism, end } = await stage.strongest('juliet', 'R0m30');
  assert.equal(`${mechanism} ${end}`, 'SCRAM-SHA-512 success');
  assert.doesNotMatch((await muster(dir, ['status', ...set])).out, /lack/);
});

test('a volume from before SCRAM-SHA-512, after an upgrade; what is configured is offered', async (t) => {
  const dir = directory(t);
  const before = await Stage.open(t, dir);
  const added = await muster(dir, ['user', 'add', `alice@${domain}`, '--password', '-', ...set], 'secret');
  assert.equal(added.code, 0, added.err);
  assert.equal(await before.server.end('SIGTERM'), 0);
  const store = readdirSync(dir, { recursive: true, encoding: 'utf8' }).find((name) => name.endsWith('.db'))!;
  const db = new DatabaseSync(join(dir, store));
  db.exec(`
    delete from credential where mechanism = 'SCRAM-SHA-512';
    drop index account_unkeyed; alter table account drop column keyed; delete from schema where number >= 11`);
  db.close();

  const { stage, server } = await Stage.open(t, dir);
  assert.deepEqual((await stage.begin()).offered, ['SCRAM-SHA-256', 'SCRAM-SHA-1', 'PLAIN']);
  const { mechanism, end } = await stage.strongest('alice', 'secret');
  assert.equal(`${mechanism} ${end}`, 'SCRAM-SHA-256 success');
  const bound = await Wire.tls(
    Number(/:(\d+)$/.exec(server.info.listeners.find(({ name }) => name === 'xmpps')!.address)![1]),
  );
  t.after(() => bound.cut());
  assert.doesNotMatch(mechanisms(await open(bound, domain)).join(), /512/, 'nor its -PLUS form');
  assert.equal(await server.end('SIGTERM'), 0);

  const willed = await Stage.open(t, dir, '--set', 'auth.mechanisms=[SCRAM-SHA-512, PLAIN]');
  assert.deepEqual((await willed.stage.begin()).offered, ['SCRAM-SHA-512', 'PLAIN']);
});
