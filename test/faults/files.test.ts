import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { openPool, type Pool } from '../../cluster/pool.ts';
import { poll } from '../e2e/child.ts';
import { Actor } from '../e2e/actor.ts';
import type { Target } from '../e2e/server.ts';
import { put, Raw, slot } from '../e2e/upload.ts';

/** Uploads in a pool: any mux takes them, any server stores them, and no crash loses what was acknowledged. */
void describe('files of a pool', { timeout: 240_000 }, () => {
  let directory: string;
  let pool: Pool;
  before(
    async () => {
      directory = await mkdtemp(join(tmpdir(), 'muster-pool-'));
      pool = await openPool({ directory, servers: 2, muxes: 2, partitions: 8 });
      await pool.users(['alice', 'bob', 'carol', 'dave']);
    },
    { timeout: 120_000 },
  );
  after(async () => {
    await pool?.close();
    await rm(directory, { recursive: true, force: true });
  });
  const login = (user: string, mux: number): Promise<Actor> =>
    Actor.login({ domain: pool.domain, ports: pool.muxes[mux]!.ports } as unknown as Target, { user });
  /** The same URL at another mux, as if a proxy had chosen that one. */
  const at = (url: string, mux: number): string =>
    url.replace(/^http:\/\/[^/]+/, `http://127.0.0.1:${pool.muxes[mux]!.ports.http}`);
  const png = "content-type='image/png'";

  void it('goes in at one mux and out at the other', async () => {
    for (const user of ['alice', 'bob', 'carol', 'dave']) {
      const client = await login(user, 0);
      const bytes = randomBytes(1_500_000);
      const urls = await slot(client, `filename='a b.png' size='${bytes.length}' ${png}`);
      assert.equal(new URL(urls.get).port, String(pool.muxes[0]!.ports.http), 'one URL for the community');
      assert.equal((await fetch(at(urls.get, 1))).status, 404);
      const wrong = await put(at(urls.put, 1), bytes.subarray(1), 'image/png');
      assert.equal(wrong.status, 400);
      assert.equal(wrong.headers.get('access-control-allow-origin'), '*');
      assert.equal((await put(at(urls.put, 1), bytes, 'image/png')).status, 201);
      for (const mux of [0, 1, 0, 1]) {
        const got = await fetch(at(urls.get, mux));
        assert.equal(got.headers.get('content-type'), 'image/png');
        assert.equal(
          got.headers.get('content-security-policy'),
          "default-src 'none'; sandbox; frame-ancestors 'none'",
        );
        assert.ok(bytes.equals(Buffer.from(await got.arrayBuffer())));
        const part = await fetch(at(urls.get, mux), { headers: { range: 'bytes=262000-600000' } });
        assert.equal(part.headers.get('content-range'), 'bytes 262000-600000/1500000');
        assert.ok(bytes.subarray(262_000, 600_001).equals(Buffer.from(await part.arrayBuffer())));
        const head = await fetch(at(urls.get, mux), { method: 'HEAD' });
        assert.deepEqual([head.status, head.headers.get('content-length')], [200, '1500000']);
        assert.equal((await put(at(urls.put, mux), bytes, 'image/png')).status, 409);
      }
      client.wire.cut();
    }
  });

  void it('one of two uploads wins, whichever muxes and servers they go through', async () => {
    const client = await login('alice', 1);
    for (let round = 0; round < 6; round++) {
      const urls = await slot(client, `filename='a.png' size='300000' ${png}`);
      const bodies = ['a', 'b', 'c', 'd'].map((letter) => letter.repeat(300_000));
      const statuses = await Promise.all(
        bodies.map((body, i) =>
          put(at(urls.put, i % 2), body, 'image/png').then(
            ({ status }) => status,
            () => 0,
          ),
        ),
      );
      assert.equal(statuses.filter((status) => status === 201).length, 1, String(statuses));
      assert.equal(await (await fetch(urls.get)).text(), bodies[statuses.indexOf(201)]);
    }
    client.wire.cut();
  });

  void it('chunked bodies and broken ones pass as they are', async () => {
    const client = await login('bob', 0);
    const urls = await slot(client, `filename='a.png' size='10' ${png}`);
    const chunked = { 'content-type': 'image/png', 'transfer-encoding': 'chunked' };
    const fits = new Raw(urls.put).head(urls.put, chunked).write('5\r\n01234\r\n5\r\n56789\r\n0\r\n\r\n');
    assert.equal(await fits.status(), 201);
    const more = await slot(client, `filename='a.png' size='10' ${png}`);
    assert.equal(await new Raw(more.put).head(more.put, chunked).write('b\r\n01234567890\r\n').status(), 413);
    const cut = await slot(client, `filename='a.png' size='1000000' ${png}`);
    const raw = new Raw(cut.put).head(cut.put, {
      'content-length': 1_000_000,
      'content-type': 'image/png',
      expect: '100-continue',
    });
    await poll(
      async () => /100 Continue/.test(raw.text) || undefined,
      () => 'the body is not asked for',
    );
    raw.write(Buffer.alloc(500_000));
    raw.cut();
    await poll(
      async () => {
        const { primary } = pool.postgres;
        const left = await primary.psql(
          `select count(*) from chunk c join upload u on c.partition = u.partition and c.id = u.token where u.state = 3`,
          'muster',
        );
        const over = await primary.psql(`select count(*) from upload where state = 1`, 'muster');
        return (Number(left) === 0 && Number(over) === 0) || undefined;
      },
      () => 'half an upload is left in the database',
    );
    client.wire.cut();
  });

  void it('what was answered 201 is there after a server is killed; the other one goes on', async () => {
    for (const victim of pool.servers) {
      const client = await login('carol', 0);
      const bytes = randomBytes(800_000);
      const urls = await slot(client, `filename='a.png' size='${bytes.length}' ${png}`);
      const later = await slot(client, `filename='b.png' size='3' ${png}`);
      const halves = await Promise.all(
        [0, 1, 2, 3].map(() => slot(client, `filename='c.png' size='900000' ${png}`)),
      );
      const raws = halves.map(({ put: url }, i) =>
        new Raw(at(url, i % 2))
          .head(url, { 'content-length': 900_000, 'content-type': 'image/png' })
          .write(Buffer.alloc(400_000)),
      );
      assert.equal((await put(urls.put, bytes, 'image/png')).status, 201);
      await victim.kill();
      // Nothing waits for anybody to notice: who refuses is not asked again.
      for (let n = 0; n < 8; n++) {
        const got = await fetch(at(urls.get, n % 2));
        assert.equal(got.status, 200);
        assert.ok(bytes.equals(Buffer.from(await got.arrayBuffer())));
      }
      assert.equal((await put(later.put, 'abc', 'image/png')).status, 201);
      assert.equal(await (await fetch(at(later.get, 1))).text(), 'abc');
      for (const [i, raw] of raws.entries()) {
        raw.cut();
        assert.equal((await fetch(halves[i]!.get)).status, 404);
      }
      client.wire.cut();
      const again = await login('carol', 1);
      const next = await slot(again, `filename='d.png' size='3' ${png}`);
      assert.equal((await put(next.put, 'xyz', 'image/png')).status, 201);
      again.wire.cut();
      await victim.start();
      await victim.ready();
      await pool.whole();
    }
  });

  void it('a server that hangs delays nobody for long', async () => {
    const client = await login('dave', 0);
    const urls = await slot(client, `filename='a.png' size='5' ${png}`);
    assert.equal((await put(urls.put, 'hello', 'image/png')).status, 201);
    const [victim] = pool.servers;
    victim!.freeze();
    try {
      const began = performance.now();
      const got = await Promise.all(
        Array.from({ length: 8 }, (_, n) => fetch(at(urls.get, n % 2)).then((answer) => answer.text())),
      );
      assert.deepEqual(
        got,
        Array.from({ length: 8 }, () => 'hello'),
      );
      assert.ok(performance.now() - began < 20_000);
    } finally {
      victim!.thaw();
      client.wire.cut();
    }
  });
});
