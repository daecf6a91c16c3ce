import assert from 'node:assert/strict';
import { pbkdf2Sync, randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { openPool, type Pool } from '../../cluster/pool.ts';
import { bind2, carbons, fast, sasl2, sm, Speaker, Success } from '../e2e/sasl2.ts';
import type { Target } from '../e2e/server.ts';
import { expectElement } from '../e2e/stream.ts';
import { attr, child, text } from '../e2e/xml.ts';

const none = 'HT-SHA-256-NONE';
const whole =
  `<bind xmlns='${bind2}'><tag>Test</tag><enable xmlns='${sm}' resume='true'/>` +
  `<enable xmlns='${carbons}'/></bind>`;
const wantToken = `<request-token xmlns='${fast}' mechanism='${none}'/>`;

/** Logins in one go, at any mux, and after the crash of the server that issued the token. */
void describe('SASL2 in a pool', { timeout: 180_000 }, () => {
  let directory: string;
  let pool: Pool;
  const names = ['alice', 'bob', 'carol', 'dave', 'erin', 'frank'];
  before(
    async () => {
      directory = await mkdtemp(join(tmpdir(), 'muster-pool-'));
      pool = await openPool({ directory, servers: 2, muxes: 2, partitions: 8 });
      await pool.users([...names, 'old']);
    },
    { timeout: 120_000 },
  );
  after(async () => {
    await pool?.close();
    await rm(directory, { recursive: true, force: true });
  });
  const open = (user: string, mux: number): Promise<Speaker> =>
    Speaker.open({ domain: pool.domain, ports: pool.muxes[mux]!.ports } as unknown as Target, user);
  const using = (count: number): string => `<fast xmlns='${fast}' count='${count}'/>`;

  void it('tokens and sessions are the same at every mux, and outlive their server', async () => {
    const people = await Promise.all(
      names.map(async (user) => {
        const agent = randomUUID();
        const speaker = await open(user, 0);
        const { token, enabled, jid } = await speaker.success({ agent, more: whole + wantToken });
        await expectElement(speaker.wire, 'features');
        return { user, agent, speaker, token: token!.token, enabled: enabled!, jid };
      }),
    );
    for (const { user, agent, token, enabled, jid, speaker } of people) {
      speaker.cut();
      const resume = `<resume xmlns='${sm}' previd='${enabled}' h='0'/>`;
      const other = await open(user, 1);
      const again = await other.success({ mechanism: none, token, agent, more: using(1) + resume + whole });
      assert.ok(again.resumed, user);
      assert.equal(again.jid, jid);
      other.cut();
    }
    for (const victim of pool.servers) {
      await victim.kill();
      const round = pool.servers.indexOf(victim) + 2;
      await Promise.all(
        people.map(async ({ user, agent, token, jid }) => {
          // Whoever's owner died waits for the next one.
          const replay = await open(user, 0);
          const wanted = { mechanism: none, token, agent };
          assert.equal(await replay.refused({ ...wanted, more: using(round - 1) + whole }), 'not-authorized');
          const again = await replay.success({ ...wanted, more: using(round) + whole });
          assert.equal(again.jid, jid);
          await expectElement(replay.wire, 'features');
          // The older session of this client, at the other mux, ends.
          const last = await open(user, 1);
          assert.equal((await last.success({ agent, more: whole })).jid, jid);
          const conflict = await expectElement(replay.wire, 'error');
          assert.ok(child(conflict, 'conflict'));
          last.cut();
        }),
      );
      await victim.start();
      await victim.ready();
      await pool.whole();
    }
  });

  void it('keys that are missing are added by the owner (XEP-0480)', async () => {
    const { primary } = pool.postgres;
    const credential = `credential c using account a where c.partition = a.partition and c.account = a.id
      and a.local = 'old' and c.mechanism = 'SCRAM-SHA-512'`;
    await primary.psql(`delete from ${credential}`, 'muster');
    const upgrade = `<upgrade xmlns='urn:xmpp:sasl:upgrade:0'>UPGR-SCRAM-SHA-512</upgrade>`;
    const speaker = await open('old', 0);
    const given = await speaker.authenticate({ more: upgrade + whole });
    assert.equal(given.localName, 'continue');
    speaker.wire.write(`<next xmlns='${sasl2}' task='UPGR-SCRAM-SHA-512'/>`);
    const salt = child(await speaker.next(), 'salt')!;
    const rounds = Number(attr(salt, 'iterations'));
    const hash = pbkdf2Sync('secret', Buffer.from(text(salt), 'base64'), rounds, 64, 'sha512').toString(
      'base64',
    );
    speaker.wire.write(
      `<task-data xmlns='${sasl2}'><hash xmlns='urn:xmpp:scram-upgrade:0'>${hash}</hash></task-data>`,
    );
    const answer = await speaker.next();
    assert.ok(new Success(answer).enabled);
    speaker.cut();
    const found = await primary.psql(
      `select count(*) from credential c join account a on c.partition = a.partition and c.account = a.id
       where a.local = 'old' and c.mechanism = 'SCRAM-SHA-512'`,
      'muster',
    );
    assert.equal(found.trim(), '1');
    const again = await open('old', 1);
    assert.equal((await again.authenticate({ more: upgrade })).localName, 'success', 'nothing is missing');
    again.cut();
  });
});
