import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { openPool, type Part, type Pool } from '../../cluster/pool.ts';
import { Actor } from '../e2e/actor.ts';
import { Httpbind } from '../e2e/httpbind.ts';
import type { Target } from '../e2e/server.ts';
import { attr, child, text } from '../e2e/xml.ts';

/** A BOSH session is its mux's own; the stream in it is not. */
void describe('BOSH in a pool', { timeout: 120_000 }, () => {
  let directory: string;
  let pool: Pool;
  before(
    async () => {
      directory = await mkdtemp(join(tmpdir(), 'muster-pool-'));
      pool = await openPool({ directory, servers: 2, muxes: 2, partitions: 8 });
      await pool.users(['ann', 'bert']);
    },
    { timeout: 110_000 },
  );
  after(async () => {
    await pool?.close();
    await rm(directory, { recursive: true, force: true });
  });

  const at = (mux: Part) =>
    new Httpbind({ page: `http://127.0.0.1:${mux.ports.http}/`, domain: pool.domain });

  void it('outlives the servers, and is resumed at another mux when its own is gone', async () => {
    const [first, second] = pool.muxes as [Part, Part];
    const ann = at(first);
    await ann.login('ann', { wait: '2' });
    await ann.ask("<enable xmlns='urn:xmpp:sm:3' resume='true'/>");
    const id = attr(await ann.wants('enabled'), 'id')!;
    const door = { domain: pool.domain, ports: second.ports } as unknown as Target;
    const bert = await Actor.login(door, { user: 'bert', resource: 'desk' });
    const say = async (body: string) => {
      bert.send(`<message to='${ann.full}' type='chat'><body>${body}</body></message>`);
      await bert.ask('get', "<ping xmlns='urn:xmpp:ping'/>");
    };
    const hears = async (client: Httpbind) => text(child(await client.wants('message'), 'body')!);
    await say('before');
    assert.equal(await hears(ann), 'before');

    for (const server of pool.servers) {
      // oxlint-disable no-await-in-loop -- one after the other, so that there is always one
      await server.kill();
      await say('without one server');
      assert.equal(await hears(ann), 'without one server');
      await server.start();
      await server.ready();
      await pool.whole();
      // oxlint-enable no-await-in-loop
    }

    await first.kill();
    await assert.rejects(ann.ask(), 'nobody listens there');
    await say('without a mux');
    const again = at(second);
    await again.authenticate('ann', { wait: '2' });
    await again.ask(`<resume xmlns='urn:xmpp:sm:3' previd='${id}' h='3'/>`);
    assert.equal(attr(await again.wants('resumed'), 'previd'), id);
    assert.equal(await hears(again), 'without a mux');
    await bert.close();
  });
});
