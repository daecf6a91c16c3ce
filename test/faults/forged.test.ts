import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { openPool, type Pool } from '../../cluster/pool.ts';
import { systemClock as clock } from '../../src/base/clock.ts';
import { quiet } from '../../src/base/log.ts';
import { systemRandom as random } from '../../src/base/random.ts';
import { codec } from '../../src/link/codec.ts';
import type { Attach, Head, Stanza } from '../../src/link/frames.ts';
import { openMesh } from '../../src/mesh/channel.ts';
import type { Mesh, Wire } from '../../src/mesh/mesh.ts';
import { openNatsWire } from '../../src/mesh/nats.ts';
import type { Route } from '../../src/placement/routes.ts';
import { openTable, type Table } from '../../src/placement/table.ts';
import { parseStored } from '../../src/xmpp/parser.ts';
import { poll } from '../e2e/child.ts';
import { Loyal } from '../e2e/loyal.ts';

/** Somebody has a mux's credentials for NATS, and nothing else: no ticket of any session. */
void describe('a mux that lies', () => {
  let directory: string;
  let pool: Pool;
  let mesh: Mesh;
  let table: Table;
  const said: { t: string; session?: number; reason?: string }[] = [];
  let alice: Loyal;
  let bob: Loyal;
  let session: number;

  before(
    async () => {
      directory = await mkdtemp(join(tmpdir(), 'muster-pool-'));
      pool = await openPool({ directory, servers: 1, muxes: 1, partitions: 4 });
      await pool.users(['alice', 'bob']);
      const doors = { domain: pool.domain, port: () => pool.muxes[0]!.ports.xmpp };
      [alice, bob] = [new Loyal(doors, 'alice'), new Loyal(doors, 'bob')];
      await Promise.all([alice.start(), bob.start()]);
      const found = await pool.postgres.primary.psql(
        "select s.id from session s join account a on s.account = a.id where a.address like 'alice@%'",
        'muster',
      );
      session = Number(found.trim());
      assert.ok(session > 0, found);
      mesh = openMesh(await openWire('mux9/forged'), { clock, log: quiet });
      table = openTable(mesh, new Set([pool.domain]));
      mesh.serve('mux', (_from, frame) => void said.push(frame as (typeof said)[number]));
    },
    { timeout: 120_000 },
  );
  after(async () => {
    await Promise.all([alice?.stop(), bob?.stop()]);
    await mesh?.close();
    await pool?.close();
    await rm(directory, { recursive: true, force: true });
  });

  const openWire = (peer: string): Promise<Wire> => {
    const self = { peer, roles: ['mux'], health: undefined };
    return openNatsWire({ url: pool.nats.url.mux, self, codec, clock, random, log: quiet });
  };
  const route = (address: string): Promise<Route> =>
    poll(
      () => table.locate(address),
      () => `no route to ${address}`,
    );
  /** As a mux hands over a session to a new owner, but for the ticket. */
  const forged = (head: Head, generation: number, ticket: string): Attach => ({
    ...head,
    t: 'attach',
    session,
    account: alice.bare,
    resource: 'loyal',
    generation,
    ticket,
    info: {
      domain: pool.domain,
      address: '127.0.0.1',
      secure: true,
      tls: undefined,
      transport: 'tcp',
      lang: undefined,
    },
    handled: 0,
    record: '',
    m: 0,
    acked: 0,
    enabled: undefined,
    feeds: [],
    unacked: [],
    open: [],
  });
  const log = (): string => pool.servers[0]!.said();
  const message = (body: string) =>
    parseStored(`<message xmlns='jabber:client' type='chat' to='${bob.bare}'><body>${body}</body></message>`);

  void it('cannot take over a session without its ticket', { timeout: 60_000 }, async () => {
    const { partition, epoch, server } = await route(alice.bare);
    for (const [generation, ticket] of [
      [1, ''],
      [1, 'A'.repeat(43)],
      [99, 'A'.repeat(43)],
    ] as const) {
      said.length = 0;
      const attach = forged({ partition, epoch }, generation, ticket);
      mesh.send(server, 'account', attach);
      const answer = await poll(
        () => said.find(({ t }) => t === 'unattached' || t === 'attached'),
        () => 'no answer',
      );
      assert.deepEqual([answer.t, answer.session, answer.reason], ['unattached', session, 'bad-ticket']);
    }
    assert.match(log(), /a mux claims a session without a valid ticket/);
    assert.equal(alice.lost, 0);
  });

  void it('cannot speak for a session that is not its own', { timeout: 60_000 }, async () => {
    const { partition, epoch, server } = await route(alice.bare);
    for (const generation of [0, 1, 2, 99])
      for (let n = 1; n < 20; n++) {
        const stanza: Stanza = {
          t: 'stanza',
          partition,
          epoch,
          session,
          generation,
          n,
          stanza: message('forged'),
        };
        mesh.send(server, 'account', stanza);
      }
    mesh.send(server, 'account', { t: 'detach', partition, epoch, session, generation: 99 });
    mesh.send(server, 'account', {
      t: 'end',
      partition,
      epoch,
      session,
      generation: 99,
      account: alice.bare,
      ticket: '',
    });
    await proved();
    assert.deepEqual(
      bob.heard.filter(({ body }) => body === 'forged'),
      [],
    );
  });

  void it('is not heard where only owners speak', { timeout: 60_000 }, async () => {
    const { partition, epoch, server } = await route(bob.bare);
    mesh.send(server, 'post', { t: 'post', partition, epoch, stanza: message('forged') });
    mesh.send(server, 'routes', { t: 'dead', peer: server });
    await poll(
      () => (/frames are refused/.test(log()) ? true : undefined),
      () => log(),
    );
    await proved();
    assert.deepEqual(
      bob.heard.filter(({ body }) => body === 'forged'),
      [],
    );
  });

  void it('does no harm with frames that make no sense', { timeout: 60_000 }, async () => {
    const { partition, epoch, server } = await route(bob.bare);
    const wire = await openWire('mux8/forged');
    let present: readonly string[] = [];
    let refused = 0;
    wire.open({
      packet: (_from, { frames }) => {
        for (const one of frames) if ((one?.frame as { t?: string })?.t === 'unattached') refused++;
      },
      members: (list) => (present = list.map(({ peer }) => peer)),
    });
    await poll(
      () => (present.includes(server) ? true : undefined),
      () => 'the server is not there',
    );
    const { worker } = pool.servers[0]!;
    const nonsense: object[] = [
      {},
      { t: 'nonsense' },
      { t: 'attach' },
      { t: 'attach', partition, epoch, session: 'x', account: {}, ticket: 7 },
      { t: 'attach', partition, epoch, session, account: alice.bare, resource: 'loyal', generation: 1 },
      { t: 'stanza', partition, epoch, session: {}, n: 'many', stanza: 3 },
      { t: 'stanza', partition, epoch, session, generation: 1, n: 1e300, stanza: message('forged') },
      { t: 'auth', partition, epoch, conn: 1, mechanism: null, data: 'text' },
      { t: 'auth', partition, epoch, conn: 1, mechanism: 'PLAIN', data: new Uint8Array(3), info: null },
      { t: 'auth-next', partition, epoch, conn: 77, data: 5 },
      { t: 'resume', partition, epoch, conn: 1, previd: {}, h: -1 },
      { t: 'register', partition, epoch, conn: 1, stanza: message('forged') },
      { t: 'bind', partition: -1, epoch: 1e99, conn: [] },
      { t: 'ack', partition, epoch, session, generation: 1, m: 1e9 },
      { t: 'reported', partition: 'x', epoch: null },
      { t: 'end', partition, epoch, session, generation: 1 },
      forged({ partition, epoch }, 1, ''), // answered, which proves that the others were read
    ];
    // Each in a packet and a channel of its own: one that is not understood costs the others nothing.
    nonsense.forEach((frame, at) =>
      wire.send(server, {
        channel: at + 1,
        first: 1,
        frames: [{ service: 'account', frame }],
        heard: 0,
        received: 0,
      }),
    );
    await poll(
      () => (refused > 0 ? true : undefined),
      () => `no answer: ${log()}`,
    );
    await proved();
    await wire.close();
    assert.equal(pool.servers[0]!.worker, worker, 'the server still runs');
    assert.deepEqual(
      bob.heard.filter(({ body }) => body === 'forged'),
      [],
    );
    assert.doesNotMatch(log(), /unexpected/);
  });

  /** Everything before has been seen: alice's words still reach bob, over the same connections. */
  async function proved(): Promise<void> {
    const body = `proof ${Math.random()}`;
    alice.send(`<message type='chat' to='${bob.bare}' id='proof'><body>${body}</body></message>`);
    await poll(
      () => (bob.heard.some((heard) => heard.body === body) ? true : undefined),
      () => `bob did not hear it:\n${log().slice(-3000)}`,
    );
    assert.equal(alice.lost + bob.lost, 0);
  }
});
