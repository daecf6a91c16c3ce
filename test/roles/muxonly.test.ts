import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '../../src/base/clock.ts';
import { quiet } from '../../src/base/log.ts';
import { openMesh } from '../../src/mesh/channel.ts';
import { Hub } from '../../src/mesh/local.ts';
import type { Member } from '../../src/mesh/mesh.ts';
import { openAnnouncer, openTable } from '../../src/placement/table.ts';
import { openMuxAdministration } from '../../src/roles/muxonly.ts';
import { config } from './pool.ts';

test('a mux tells of itself, and for the rest which servers to ask', async (t) => {
  const hub = new Hub(systemClock);
  const wire = hub.wire('front/1', ['mux']);
  const mesh = openMesh(wire, { clock: systemClock, log: quiet });
  const owner = openMesh(hub.wire('one/1', ['accounts']), { clock: systemClock, log: quiet });
  t.after(() => Promise.all([mesh.close(), owner.close()]));
  const routes = openTable(mesh, new Set(config.domains));
  const administration = openMuxAdministration({
    config: { ...config, roles: ['mux'] },
    mesh: { ...mesh, members: () => mesh.members().map(placed) } as typeof mesh,
    mux: { size: { connections: 7, logins: 1, sessions: 6 } },
    routes,
    state: () => 'ready',
    uptime: () => 1000,
  });
  assert.deepEqual((await administration.status()).mux, { connections: 7, routes: 0 });
  let owned = [
    { partition: 1, epoch: 1 },
    { partition: 2, epoch: 1 },
  ];
  const announcer = openAnnouncer(owner, systemClock, { account: { first: 1, count: 2 } }, () => owned);
  t.after(() => announcer.close());
  while (routes.partition(2) === undefined) await new Promise((resolve) => setTimeout(resolve, 1));
  const { roles, sessions, mux, accounts, pool } = await administration.status();
  assert.deepEqual(
    { roles, sessions, mux, accounts, pool },
    {
      roles: ['mux'],
      sessions: 6,
      mux: { connections: 7, routes: 2 },
      accounts: undefined,
      pool: undefined,
    },
  );
  owned = [{ partition: 1, epoch: 1 }];
  announcer.announce();
  while (routes.partition(2) !== undefined) await new Promise((resolve) => setTimeout(resolve, 1));
  assert.equal((await administration.status()).mux!.routes, 1);

  for (const refused of [
    () => administration.users.add('juliet@capulet.example', 'x'),
    () => administration.users.list(undefined, 1),
    () => administration.sessions(1),
    () => administration.servers.drain('one'),
    () => administration.servers.partitions(),
  ])
    await assert.rejects(refused, {
      code: 'not-here',
      message: 'this server has no accounts; ask where one runs that has them: one (10.0.0.1)',
    });
});

/** The in-process wire knows no addresses. */
function placed(member: Member): Member {
  return { ...member, health: member.roles.includes('accounts') ? '10.0.0.1:5333' : undefined };
}
