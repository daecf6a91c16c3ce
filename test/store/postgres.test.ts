import assert from 'node:assert/strict';
import { chownSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { PostgresServer } from '../../cluster/postgres.ts';
import { certificate } from '../../src/base/certificate.ts';
import { systemClock } from '../../src/base/clock.ts';
import type { Config } from '../../src/base/config.ts';
import { failed } from '../../src/base/failure.ts';
import { quiet } from '../../src/base/log.ts';
import { blame, type Blame } from '../../src/store/blame.ts';
import { parseAddress } from '../../src/store/hosts.ts';
import { migrations } from '../../src/store/migrate.ts';
import { applicationName } from '../../src/store/pooled.ts';
import { sql } from '../../src/store/store.ts';
import { claimIn, Databases, openPooled } from './database.ts';
import { inbound, message, readInbound, readMessages, storeSuite } from './suite.ts';

const databases = new Databases();
let server: PostgresServer;
before(async () => (server = await databases.start()));
after(() => databases.close());

storeSuite('PostgreSQL', async () => {
  const store = await openPooled(server.url);
  return { store, claim: (name) => claimIn(store, name) };
});

describe('the store of a pool', { timeout: 60_000 }, () => {
  it('is made once by servers that start together', async () => {
    await server.psql('create database crowd owner muster');
    const url = server.url.replace('/muster?', '/crowd?');
    const stores = await Promise.all(Array.from({ length: 6 }, (_value, id) => openPooled(url, `s${id}/1`)));
    const ids = await Promise.all(stores.map((store) => store.reserveIds(10)));
    assert.equal(new Set(ids).size, ids.length);
    assert.equal(new Set(ids.map((id) => Math.floor(id / 2 ** 33))).size, 1);
    const steps = await stores[0]!.query(sql`select number from schema`, []);
    assert.equal(steps.length, migrations.length);
    await Promise.all(stores.map((store) => store.close()));
  });

  it('refuses the data of a newer program in one line', async () => {
    await server.psql('create database future owner muster');
    const url = server.url.replace('/muster?', '/future?');
    const store = await openPooled(url);
    await store.query(
      sql`insert into schema (number, name, oldest, at) values (9999, 'future', 9999, 0)`,
      [],
    );
    await store.close();
    await assert.rejects(
      openPooled(url),
      (error) => failed(error, 'store-newer') && error.message.includes('9999'),
    );
  });

  it('says which hosts it tried, and never the password', async () => {
    const url = 'postgres://muster:very-secret@127.0.0.1:1,127.0.0.1:2/muster?tls=off';
    await assert.rejects(openPooled(url), (error) => {
      assert.ok(failed(error, 'store-unavailable'));
      assert.match(error.message, /127\.0\.0\.1:1 .*127\.0\.0\.1:2 /);
      assert.ok(!`${error.message} ${String(error.cause)}`.includes('very-secret'));
      return true;
    });
    const wrong = server.url.replace(/:[^:@]*@/, ':very-secret@');
    await assert.rejects(
      openPooled(wrong),
      (error) => failed(error, 'store-unavailable') && !error.message.includes('very-secret'),
    );
    await assert.rejects(openPooled('postgres://nonsense'), (error) => failed(error, 'store-address'));
  });

  it('speaks TLS with a server whose authority it was told, and with no other', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'muster-tls-'));
    const config = { domains: ['db.example'], data: directory, tls: undefined } as unknown as Config;
    await certificate(config, systemClock);
    const [cert, key] = ['cert.pem', 'key.pem'].map((name) => join(directory, 'tls', name));
    // PostgreSQL wants the key to be its own.
    const { uid, gid } = statSync(server.directory);
    for (const path of [directory, join(directory, 'tls'), cert!, key!]) chownSync(path, uid, gid);
    const secure = await databases.start({
      settings: { ssl: 'on', ssl_cert_file: cert!, ssl_key_file: key! },
    });
    const store = await openPooled(secure.url.replace('tls=off', `ca=${cert}`));
    const ssl = sql`select s.ssl from pg_stat_ssl s where s.pid = pg_backend_pid()`;
    assert.deepEqual(await store.query(ssl, []), [{ ssl: 1 }]);
    await store.close();
    const stranger = openPooled(secure.url.replace('?tls=off', ''));
    await assert.rejects(
      stranger,
      (error) => failed(error, 'store-unavailable') && /certificate/.test(error.message),
    );
    rmSync(directory, { recursive: true });
  });

  it('asks for TLS unless told otherwise', async () => {
    const url = server.url.replace('?tls=off', '');
    await assert.rejects(
      openPooled(url),
      (error) => failed(error, 'store-unavailable') && /SSL/.test(error.message),
    );
    assert.deepEqual(parseAddress('postgres://a:p%40ss@[::1],db2:5433/x?ca=/ca.pem'), {
      hosts: [
        { host: '::1', port: 5432 },
        { host: 'db2', port: 5433 },
      ],
      user: 'a',
      password: 'p@ss',
      database: 'x',
      tls: { ca: '/ca.pem' },
    });
  });

  it('writes the owner beside its lanes, and calls itself by it', async () => {
    const store = await openPooled(server.url, 'server1/abc');
    const { lane } = await store.openLane();
    const [row] = await store.query<{ owner: string }>(sql`select owner from lane where id = $1`, [lane]);
    assert.equal(row?.owner, 'server1/abc');
    const seen = await store.query(
      sql`select 1 from pg_stat_activity where application_name = 'server1/abc'`,
      [],
    );
    assert.ok(seen.length > 0);
    await store.close();
    const [long, other] = ['x', 'y'].map((end) => applicationName(`${'name'.repeat(30)}/${end}`));
    assert.notEqual(long, other);
    assert.ok(Buffer.byteLength(applicationName('sérvér'.repeat(20))) <= 63);
  });

  it('refuses NUL in a text for that op alone, and the connection goes on', async () => {
    const store = await openPooled(server.url);
    const fence = await claimIn(store, 'account/9');
    const lane = await store.openLane();
    const nul = { ...message(fence.partition, 1, 2), params: [fence.partition, 1, 2, 9, 2, 'a\0b'] };
    const ops = [message(fence.partition, 1, 1), nul, inbound(fence.partition, 1, 1)];
    const outcome = await store.commit({ ...lane, fences: [fence], ops });
    assert.equal(outcome.result === 'failed' ? outcome.op : outcome.result, 1);
    assert.deepEqual(await store.query(readMessages, [fence.partition, 1]), []);
    const next = await store.commit({ ...lane, fences: [fence], ops: [inbound(fence.partition, 1, 1)] });
    assert.deepEqual(next, { result: 'committed', counts: [1] });
    await store.close();
  });

  it('refuses what comes after close', async () => {
    const store = await openPooled(server.url);
    const asked = store.query(readInbound, [1, 1]);
    await store.close();
    assert.deepEqual(await asked, []);
    assert.equal(await store.closed, undefined);
    await assert.rejects(store.query(readInbound, [1, 1]), (error) => failed(error, 'store-unavailable'));
  });

  it('knows every statement of every feature', async () => {
    const root = fileURLToPath(new URL('../../src/', import.meta.url));
    const texts = readdirSync(root, { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts') && name !== join('store', 'store.ts'))
      .flatMap((name) => {
        const source = readFileSync(join(root, name), 'utf8');
        return [...source.matchAll(/\bsql`([^`]*)`/g)].map(([, text]) => ({ name, text: text! }));
      });
    assert.ok(texts.length > 40);
    const store = await openPooled(server.url);
    const bad: string[] = [];
    for (const [index, { name, text }] of texts.entries()) {
      const failure = await store.query({ text: `prepare p${index} as ${text}` }, []).then(
        () => undefined,
        (error: Error) => error.message,
      );
      if (failure !== undefined) bad.push(`${name}: ${failure}: ${text}`);
    }
    assert.deepEqual(bad, []);
    await store.close();
  });

  it('tells errors that are an op’s own fault from those that are nobody’s', () => {
    const of = (code: string): Blame => blame(Object.assign(new Error(code), { code, severity: 'ERROR' }));
    const blames = [
      '23505',
      '22021',
      '42P01',
      '08P01',
      '53100',
      '53300',
      '58030',
      '40001',
      '40P01',
      '57014',
    ].map(of);
    const [fault, away] = ['fault', 'away'] as const;
    assert.deepEqual(blames, [fault, fault, fault, fault, away, away, away, away, away, away]);
    assert.deepEqual(['25006', '57P03', '57P01', '57P02', '08006'].map(of), [
      'moved',
      'moved',
      'lost',
      'lost',
      'lost',
    ]);
    assert.equal(blame(Object.assign(new Error('reset'), { code: 'ECONNRESET' })), 'lost');
  });

  it('logs nothing when all is well', async () => {
    const lines: string[] = [];
    const note = (_fields: object, text: string) => void lines.push(text);
    const store = await openPooled(server.url, 'one/1', { ...quiet, info: note, warn: note, error: note });
    await store.reserveIds(1);
    await store.close();
    assert.deepEqual(lines, []);
  });
});
