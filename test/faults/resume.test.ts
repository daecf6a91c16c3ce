import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { openPool, type Pool } from '../../cluster/pool.ts';
import { Actor, sm } from '../e2e/actor.ts';
import { poll } from '../e2e/child.ts';
import type { Target } from '../e2e/server.ts';
import { plainBind, Speaker } from '../e2e/sasl2.ts';
import { expectElement } from '../e2e/stream.ts';
import { attr } from '../e2e/xml.ts';

/** One session, and more than one that wants it, at muxes that know nothing of each other. */
void describe('resumption at two muxes', { timeout: 180_000 }, () => {
  let directory: string;
  let pool: Pool;
  before(
    async () => {
      directory = await mkdtemp(join(tmpdir(), 'muster-pool-'));
      pool = await openPool({ directory, servers: 2, muxes: 2, partitions: 8 });
      await pool.users(['ann', 'bert', 'thief']);
    },
    { timeout: 110_000 },
  );
  after(async () => {
    await pool?.close();
    await rm(directory, { recursive: true, force: true });
  });
  const door = (mux: number) => ({ domain: pool.domain, ports: pool.muxes[mux]!.ports }) as unknown as Target;

  void it('of two at the same time one has the session, and what is said comes once', async () => {
    const bert = await Actor.login(door(0), { user: 'bert', resource: 'desk' });
    const ann = await Actor.login(door(0), { user: 'ann', resource: 'phone' });
    let id = attr(await ann.enable(), 'id')!;
    ann.wire.cut();
    let handled = 0;
    for (let round = 0; round < 10; round++) {
      const both = await Promise.all([0, 1].map((mux) => Actor.authenticated(door(mux), { user: 'ann' })));
      for (const one of both) {
        one.wire.write(`<resume xmlns='${sm}' previd='${id}' h='${handled}'/>`);
        one.full = ann.full;
        one.counting = true;
        one.handled = handled;
        one.listen();
      }
      // Each hears of its fate: it has the session, it has not, or it had it and lost it to the other.
      for (const one of both)
        await one.wire.until(
          () =>
            one.wire.closed || one.inbox.some(({ localName }) => /resumed|failed/.test(localName!))
              ? true
              : undefined,
          () => 'neither resumed nor refused',
        );
      bert.send(`<message to='${ann.full}' type='chat' id='m${round}'><body>${round}</body></message>`);
      const heard = () =>
        both.flatMap(({ inbox }) => inbox.filter((stanza) => attr(stanza, 'id') === `m${round}`));
      await poll(
        () => (heard().length > 0 ? true : undefined),
        () => `round ${round}: nobody has the session`,
      );
      await bert.ask('get', "<ping xmlns='urn:xmpp:ping'/>", ann.domain);
      assert.equal(heard().length, 1, `round ${round}`);
      const winner = both.find(({ inbox }) => inbox.some((stanza) => attr(stanza, 'id') === `m${round}`))!;
      handled = winner.handled;
      id = attr(
        winner.inbox.find(({ localName }) => localName === 'resumed')!,
        'previd',
      )!;
      for (const one of both) one.wire.cut();
    }
    await bert.close();
  });

  void it('nobody else resumes it, at neither mux and in neither way', async () => {
    const ann = await Actor.login(door(0), { user: 'ann', resource: 'desk' });
    const id = attr(await ann.enable(), 'id')!;
    for (const mux of [0, 1]) {
      const thief = await Actor.authenticated(door(mux), { user: 'thief' });
      thief.wire.write(`<resume xmlns='${sm}' previd='${id}' h='0'/>`);
      await expectElement(thief.wire, 'failed');
      thief.wire.cut();
      const speaker = await Speaker.open(door(mux), 'thief');
      const { resumed, jid } = await speaker.success({
        more: `<resume xmlns='${sm}' previd='${id}' h='0'/>${plainBind}`,
      });
      assert.ok(!resumed);
      assert.match(jid, /^thief@/);
      speaker.cut();
    }
    assert.equal(attr(await ann.ask('get', "<ping xmlns='urn:xmpp:ping'/>", ann.domain), 'type'), 'result');
    await ann.close();
  });
});
