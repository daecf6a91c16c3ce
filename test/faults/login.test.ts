import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import pg from 'pg';
import { openPool, type Pool } from '../../cluster/pool.ts';
import { poll } from '../e2e/child.ts';
import { proves, says } from '../e2e/entrant.ts';
import { issuer, Issuer } from '../e2e/issuer.ts';
import { bind, expectElement, mechanisms, open } from '../e2e/stream.ts';
import { Wire } from '../e2e/wire.ts';
import { child, text } from '../e2e/xml.ts';

const guests = 'guests.example';

/** Logins that name nobody begin at the owner of the domain and end at that of the account, whoever these are. */
void describe('logins in a pool', { timeout: 180_000 }, () => {
  const tokens = new Issuer();
  const wires: Wire[] = [];
  let directory: string;
  let pool: Pool;
  before(
    async () => {
      directory = await mkdtemp(join(tmpdir(), 'muster-pool-'));
      pool = await openPool({
        directory,
        servers: 2,
        muxes: 2,
        partitions: 8,
        set: [
          `auth.anonymous=${guests}`,
          `auth.oauth={ issuer: "${issuer}", audience: muster, jwks: ${tokens.file} }`,
          'limits.failures=3',
          'limits.failurePause=3600',
          'limits.resume=5',
        ],
      });
      await pool.users(['alice', 'bob', 'carol', 'dave']);
    },
    { timeout: 120_000 },
  );
  after(async () => {
    for (const wire of wires) wire.cut();
    await pool?.close();
    await rm(directory, { recursive: true, force: true });
    tokens.close();
  });

  async function connect(mux: number, domain: string, tls = false): Promise<Wire> {
    const { xmpp, xmpps } = pool.muxes[mux]!.ports;
    const wire = await (tls ? Wire.tls(xmpps) : Wire.tcp(xmpp));
    wires.push(wire);
    await open(wire, domain);
    return wire;
  }

  async function bound(wire: Wire, domain: string): Promise<string> {
    await open(wire, domain);
    return bind(wire);
  }

  async function guest(mux: number): Promise<{ wire: Wire; full: string }> {
    const wire = await connect(mux, guests);
    assert.equal(await says(wire, 'ANONYMOUS', ''), 'success');
    return { wire, full: await bound(wire, guests) };
  }

  void it('channel binding is of the mux, what is proved is judged by the owner', async () => {
    for (const user of ['alice', 'bob', 'carol']) {
      const wire = await connect(1, pool.domain, true);
      const data = wire.secured.exportKeyingMaterial(32, 'EXPORTER-Channel-Binding', Buffer.alloc(0));
      const how = { binding: ['tls-exporter', data] as const };
      assert.equal((await proves(wire, 'SCRAM-SHA-512-PLUS', user, how)).end, 'success');
      assert.match(await bound(wire, pool.domain), new RegExp(`^${user}@`));
    }
  });

  void it('a token lets its account in, wherever that is', async () => {
    for (const user of ['alice', 'bob', 'carol']) {
      const wire = await connect(0, pool.domain);
      const token = tokens.token({ preferred_username: user });
      assert.equal(await says(wire, 'OAUTHBEARER', `n,,\x01auth=Bearer ${token}\x01\x01`), 'success');
      assert.match(await bound(wire, pool.domain), new RegExp(`^${user}@`));
    }
  });

  void it('failures at one mux are known to the account at the other', async () => {
    const one = await connect(0, pool.domain);
    for (let n = 0; n < 3; n++) assert.equal(await says(one, 'PLAIN', '\0dave\0x'), 'not-authorized');
    const other = await connect(1, pool.domain);
    assert.match(await says(other, 'PLAIN', '\0dave\0secret'), /^temporary-auth-failure .* try again in/);
  });

  void it('anonymous people on different servers talk, outlive a server, and leave nothing', async () => {
    const all = await Promise.all(Array.from({ length: 8 }, (_, n) => guest(n % 2)));
    assert.equal(new Set(all.map(({ full }) => full)).size, 8);
    const talk = async (word: string) => {
      for (const [n, { wire }] of all.entries()) {
        const to = all[(n + 1) % all.length]!;
        wire.write(
          `<message xmlns='jabber:client' to='${to.full}' type='chat'><body>${word} ${n}</body></message>`,
        );
        const message = await expectElement(to.wire, 'message');
        assert.equal(text(child(message, 'body')!), `${word} ${n}`);
      }
    };
    await talk('hello');
    const [victim] = pool.servers;
    await victim!.kill();
    await talk('still here');
    await victim!.start();
    await victim!.ready();
    for (const { wire } of all.slice(4)) wire.cut();
    // The others go with a server.
    for (const { wire } of all.slice(0, 4)) wire.cut();
    await pool.servers[1]!.kill();
    await pool.servers[1]!.start();
    await pool.servers[1]!.ready();
    const client = new pg.Client(pool.postgres.primary.url.replace(/\?.*/, ''));
    await client.connect();
    const left = async (): Promise<number> => {
      const said = `select (select count(*) from account where address like '%@${guests}')
        + (select count(*) from session where account not in (select id from account))
        + (select count(*) from message where account not in (select id from account)) as rows`;
      const { rows } = await client.query<{ rows: string }>(said);
      return Number(rows[0]!.rows);
    };
    try {
      await poll(
        async () => ((await left()) === 0 ? true : undefined),
        () => 'something is still there',
        60_000,
      );
    } finally {
      await client.end();
    }
  });

  void it('the domain of anonymous people has nothing else', async () => {
    const wire = await Wire.tcp(pool.muxes[0]!.ports.xmpp);
    wires.push(wire);
    assert.deepEqual(mechanisms(await open(wire, guests)), ['ANONYMOUS']);
  });
});
