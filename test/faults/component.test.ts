import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { freePorts } from '../../cluster/ports.ts';
import { openPool, type Part, type Pool } from '../../cluster/pool.ts';
import { Actor } from '../e2e/actor.ts';
import { poll } from '../e2e/child.ts';
import { Gateway } from '../e2e/gateway.ts';
import type { Target } from '../e2e/server.ts';
import { attr, child, text } from '../e2e/xml.ts';

const bot = 'bot.localhost';
const secret = 'known-to-servers-only';
const people = ['ann', 'bert', 'cleo', 'dora', 'emil', 'fay', 'gus', 'hal'];
const number = (message: Parameters<typeof child>[0]) => text(child(message, 'body')!);

/** A component and its users at different muxes, whose owners are different servers; the muxes know no secret. */
void describe('a component of a pool', { timeout: 240_000 }, () => {
  let directory: string;
  let pool: Pool;
  let servers: Part[];
  let muxes: Part[];
  let ports: number[];
  let actors: Actor[] = [];

  const door = (mux: Part) => ({ domain: 'localhost', ports: mux.ports }) as unknown as Target;
  const enter = (at: number) => Gateway.enter(ports[at]!, bot, secret);
  const login = (user: string, at: number) => Actor.login(door(muxes[at]!), { user, resource: 'desk' });

  before(
    async () => {
      directory = await mkdtemp(join(tmpdir(), 'muster-pool-'));
      pool = await openPool({ directory, servers: 0, muxes: 0, partitions: 16 });
      ports = await freePorts(2);
      const known = { components: [{ domain: bot, secret }] };
      const open = async (name: string, role: 'accounts' | 'mux', more: object) => {
        const part = await pool.part(name, role, (config) => {
          const { listen } = config as unknown as { listen: object };
          const component = { listen: { ...listen, ...(more as { listen?: object }).listen } };
          return { ...config, ...more, ...component };
        });
        await part.start();
        await part.ready();
        return part;
      };
      servers = [await open('server1', 'accounts', known), await open('server2', 'accounts', known)];
      muxes = await Promise.all(
        ports.map((port, n) =>
          open(`mux${n + 1}`, 'mux', {
            components: [{ domain: bot }],
            listen: { component: { host: '127.0.0.1', port, tls: 'off' } },
          }),
        ),
      );
      const list = join(directory, 'people.csv');
      await writeFile(list, people.map((name) => `${name}@localhost,secret\n`).join(''));
      await pool.muster(['user', 'import', list], servers[0]);
      await pool.muster(['rebalance'], servers[0]);
      await poll(
        async () => ((await owners()).size === 2 ? true : undefined),
        () => 'the partitions are not shared out',
        30_000,
      );
    },
    { timeout: 120_000 },
  );
  after(async () => {
    for (const actor of actors) actor.wire.cut();
    await pool?.close();
    await rm(directory, { recursive: true, force: true });
  });

  /** Names of the servers that own partitions. */
  const owners = async (): Promise<Set<string>> =>
    new Set(
      (await sql("select distinct split_part(owner, '/', 1) from partition where owner <> ''")).split('\n'),
    );
  const sql = async (query: string) => (await pool.postgres.primary.psql(query, 'muster')).trim();
  const ownerOf = async (address: string): Promise<Part> => {
    const query = `select split_part(p.owner, '/', 1) from partition p join account a on a.partition = p.id where a.address = '${address}'`;
    const name = await sql(query);
    const index = Number(name.at(-1)) - 1;
    assert.ok(servers[index] !== undefined, `${address}: '${name}'`);
    return servers[index];
  };

  void it('reaches everybody, wherever they are, and is reached by them', async () => {
    const gateway = await enter(0);
    actors = await Promise.all(people.map((name) => login(name, 1)));
    for (const actor of actors) {
      await actor.ask('get', "<query xmlns='jabber:iq:roster'/>");
      actor.send('<presence/>');
      await actor.expect(`<presence from='${actor.full}'/>`);
      const friend = `${actor.bare.split('@')[0]}-friend@${bot}`;
      actor.send(`<message to='${friend}' type='chat'><body>hello</body></message>`);
      await gateway.expect(
        `<message to='${friend}' from='${actor.full}' type='chat'><body>hello</body></message>`,
      );
      gateway.send(`<message from='${friend}' to='${actor.bare}' type='chat'><body>you too</body></message>`);
      await actor.expect(`<message from='${friend}' type='chat'><body>you too</body></message>`);
      gateway.send(
        `<iq type='get' id='v' from='${friend}' to='${actor.full}'><query xmlns='jabber:iq:version'/></iq>`,
      );
      await actor.expect(`<iq type='get' id='v' from='${friend}'/>`);
      actor.send(`<iq type='result' id='v' to='${friend}'/>`);
      await gateway.expect(`<iq type='result' id='v' from='${actor.full}' to='${friend}'/>`);
      actor.send(
        `<iq type='get' id='i' to='${bot}'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>`,
      );
      await gateway.expect(`<iq type='get' id='i' from='${actor.full}' to='${bot}'/>`);
      gateway.send(`<iq type='result' id='i' from='${bot}' to='${actor.full}'/>`);
      await actor.expect(`<iq type='result' id='i' from='${bot}'/>`);
      actor.send(`<presence type='subscribe' to='${friend}'/>`);
      await gateway.expect(`<presence type='subscribe' from='${actor.bare}' to='${friend}'/>`);
      gateway.send(`<presence type='subscribed' from='${friend}' to='${actor.bare}'/>`);
      await actor.expect(`<presence type='subscribed' from='${friend}'/>`);
      gateway.send(`<presence type='subscribe' from='${friend}' to='${actor.bare}'/>`);
      await actor.expect(`<presence type='subscribe' from='${friend}'/>`);
      actor.send(`<presence type='subscribed' to='${friend}'/>`);
      await gateway.expect(`<presence type='subscribed' from='${actor.bare}' to='${friend}'/>`);
      await gateway.expect(`<presence from='${actor.full}' to='${friend}'/>`);
    }
    gateway.send(`<message id='n' from='x@${bot}' to='nobody@localhost'><body>x</body></message>`);
    await gateway.expect(`<message type='error' id='n' from='nobody@localhost' to='x@${bot}'/>`);
    gateway.wire.cut();
  });

  for (const how of ['kill', 'stop'] as const)
    void it(`its connection outlives the server that owns it (${how}), and nothing is lost or doubled`, async () => {
      const gateway = await enter(0);
      const said = new Map(actors.map((actor) => [actor, 0]));
      let told = 0;
      let going = true;
      const talk = (async () => {
        while (going) {
          for (const actor of actors) {
            const n = said.get(actor)!;
            said.set(actor, n + 1);
            gateway.send(
              `<message from='${how}@${bot}' to='${actor.bare}' type='chat'><body>down ${n}</body></message>`,
            );
            actor.send(`<message to='${how}@${bot}' type='chat'><body>up ${n}</body></message>`);
            told += 1;
          }
          // oxlint-disable-next-line no-await-in-loop -- some every moment
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
      })();
      await poll(
        () => (told > 200 ? true : undefined),
        () => 'no talk',
      );
      const victim = await ownerOf(bot);
      await victim[how]();
      const until = told + 400;
      await poll(
        () => (told > until ? true : undefined),
        () => 'no talk',
        20_000,
      );
      await victim.start();
      await victim.ready();
      going = false;
      await talk;
      for (const actor of actors) {
        const from = `${how}@${bot}`;
        const got = () =>
          actor.inbox.filter((one) => one.localName === 'message' && attr(one, 'from') === from).map(number);
        const wanted = Array.from({ length: said.get(actor)! }, (_, n) => `down ${n}`);
        await poll(
          () => (got().length >= wanted.length ? true : undefined),
          () => `${actor.bare} has ${got().length} of ${wanted.length}`,
          30_000,
        );
        assert.deepEqual(got(), wanted, actor.bare);
      }
      const up = new Map<string, string[]>();
      const all = [...said.values()].reduce((sum, one) => sum + one, 0);
      for (let n = 0; n < all; n++) {
        const one = await gateway.expect(
          `<message type='chat' to='${how}@${bot}'><body>{any}</body></message>`,
        );
        const from = attr(one, 'from')!;
        up.set(from, [...(up.get(from) ?? []), number(one)]);
      }
      for (const actor of actors)
        assert.deepEqual(
          up.get(actor.full),
          Array.from({ length: said.get(actor)! }, (_, n) => `up ${n}`),
          actor.bare,
        );
      // A new owner may say presence once more.
      const more = gateway.rest().map(({ localName }) => localName);
      assert.deepEqual(
        more.filter((name) => name !== 'presence'),
        [],
      );
      gateway.wire.cut();
    });

  void it('comes back by another mux when its own is gone', async () => {
    const gateway = await enter(0);
    const [ann] = actors as [Actor];
    ann.send(`<iq type='get' id='open' to='${bot}'><query xmlns='jabber:iq:version'/></iq>`);
    await gateway.expect(`<iq type='get' id='open'/>`);
    await muxes[0]!.kill();
    await gateway.wire.ended();
    await ann.expect(
      `<iq type='error' id='open' from='${bot}'><error type='wait'><remote-server-timeout xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>`,
    );
    const again = await enter(1);
    ann.send(`<message to='x@${bot}' type='chat'><body>again</body></message>`);
    await again.expect(`<message to='x@${bot}' type='chat'><body>again</body></message>`);
    again.wire.cut();
    for (const { log } of [...servers, ...muxes])
      assert.ok(!(await readFile(log, 'utf8')).includes(secret), log);
  });
});
