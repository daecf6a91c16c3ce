import assert from 'node:assert/strict';
import { createHmac, randomUUID } from 'node:crypto';
import { test } from 'node:test';
import type { Env } from '../../src/account/env.ts';
import { Logins } from '../../src/account/login.ts';
import { removeAccount } from '../../src/account/remove.ts';
import { Work } from '../../src/account/work.ts';
import { systemClock, type Clock } from '../../src/base/clock.ts';
import { extensions } from '../../src/base/extensions.ts';
import { systemRandom } from '../../src/base/random.ts';
import { openEmbeddedDirectory, type EmbeddedDirectory } from '../../src/directory/embedded.ts';
import type { Authed, Continue, Down, Past, Refused, Wishes } from '../../src/link/frames.ts';
import { clientKeys } from '../../src/xmpp/sasl/keys.ts';
import { Scram } from '../e2e/scram.ts';
import { Rig } from './rig.ts';

const none = 'HT-SHA-256-NONE';
const day = 86_400_000;

/** The owner of an account, with a directory and tokens in its store, and a wall clock that the test moves. */
class Stage {
  readonly rig: Rig;
  readonly directory: EmbeddedDirectory;
  readonly logins: Logins;
  ahead = 0;
  #conn = 0;
  #got = new Map<number, (frame: Down) => void>();

  constructor(rig: Rig) {
    this.rig = rig;
    const { partition, lane, volume } = rig;
    const clock: Clock = { ...systemClock, now: () => Date.now() + this.ahead };
    const partitionOf = (address: string) => (address.endsWith('@example.org') ? partition.id : undefined);
    this.directory = openEmbeddedDirectory({
      store: volume,
      laneOf: () => ({ lane, fences: partition.fences }),
      clock,
      random: systemRandom,
      partitionOf,
      newId: () => 0,
      iterations: 10,
    });
    const env = {
      ...partition.env,
      clock,
      partitionOf,
      directory: this.directory,
      secret: new Uint8Array(32).fill(1),
      mesh: {
        self: 'one/1',
        send: (_to: string, _service: string, frame: Down) => {
          const { conn } = frame as Authed;
          this.#got.get(conn)?.(frame);
        },
      },
    } as unknown as Env;
    this.logins = new Logins(env, (id) => (id === partition.id ? partition : undefined));
  }

  static async open(): Promise<Stage> {
    const stage = new Stage(await Rig.open());
    await stage.directory.setPassword('alice@example.org', 'secret');
    await stage.directory.setPassword('bob@example.org', 'secret');
    return stage;
  }

  /** What answers a first message, or the next one of `conn`. */
  say(
    mechanism: string,
    data: string | Uint8Array,
    wishes: Partial<Wishes> = {},
    bindings: [string, Uint8Array][] = [],
    past?: Past,
  ) {
    const conn = ++this.#conn;
    const { id: partition, epoch } = this.rig.partition;
    const answer = this.#answer(conn);
    this.logins.auth('mux/1', {
      t: 'auth',
      partition,
      epoch,
      conn,
      mechanism,
      data: Buffer.from(data),
      info: {
        domain: 'example.org',
        address: '192.0.2.1',
        secure: true,
        tls: undefined,
        transport: 'tcp',
        lang: undefined,
      },
      bindings,
      certificate: undefined,
      offered: [mechanism],
      sasl2: { agent: undefined, fast: undefined, token: undefined, upgrades: [], ...wishes },
      past,
    });
    return answer;
  }

  next(conn: number, data: Uint8Array): Promise<Down> {
    const { id: partition, epoch } = this.rig.partition;
    const answer = this.#answer(conn);
    this.logins.next('mux/1', { t: 'auth-next', partition, epoch, conn, data });
    return answer;
  }

  #answer(conn: number): Promise<Down> {
    return new Promise((resolve) => this.#got.set(conn, resolve));
  }

  /** A token by password. */
  async token(agent: string, mechanism = none): Promise<string> {
    const answer = await this.say('PLAIN', '\0alice\0secret', { agent, token: mechanism });
    return (answer as Authed).token!.token;
  }

  /** A login with a token: the frame that ends it. */
  async use(
    token: string,
    agent: string,
    fast: Partial<Wishes['fast']> = {},
    wishes: Partial<Wishes> = {},
    mechanism = none,
    binding?: [string, Uint8Array],
  ): Promise<Authed | Refused> {
    const proof = createHmac('sha256', token)
      .update('Initiator')
      .update(binding?.[1] ?? '')
      .digest();
    const data = Buffer.concat([Buffer.from('alice\0'), proof]);
    const all = { agent, fast: { count: undefined, invalidate: false, ...fast }, ...wishes };
    return (await this.say(mechanism, data, all, binding && [binding])) as Authed | Refused;
  }

  tokens(): number {
    return this.rig.model.rows('select 1 from token').length;
  }

  keys(): string[] {
    const sql = `select c.mechanism from credential c join account a on a.id = c.account where a.local = 'alice' order by 1`;
    return this.rig.model.rows<{ mechanism: string }>(sql).map(({ mechanism }) => mechanism);
  }

  /** As an account of an older release: without the keys of this mechanism. */
  async without(mechanism: string): Promise<void> {
    const { partition, lane } = this.rig;
    const statement = { text: 'delete from credential where partition = $1 and mechanism = $2' };
    await new Promise<void>((resolve, reject) =>
      lane.submit({
        ops: [{ statement, params: [partition.id, mechanism] }],
        fences: partition.fences,
        done: () => resolve(),
        failed: (_reason, _op, error) => reject(error),
      }),
    );
  }
}

const condition = (frame: Down): string => (frame.t === 'refused' ? frame.condition : frame.t);

test('a token that is older than a day brings a new one; both hold until that is used', async () => {
  const stage = await Stage.open();
  const agent = randomUUID();
  const first = await stage.token(agent);
  assert.equal(((await stage.use(first, agent)) as Authed).token, undefined);
  stage.ahead = day + 1000;
  const lost = ((await stage.use(first, agent)) as Authed).token!;
  assert.ok(lost.expiry > Date.now() + stage.ahead + 20 * day);
  const second = ((await stage.use(first, agent)) as Authed).token!.token;
  assert.equal(condition(await stage.use(lost.token, agent)), 'not-authorized', 'nobody knows it');
  assert.equal(condition(await stage.use(second, agent)), 'authed');
  assert.equal(condition(await stage.use(first, agent)), 'not-authorized');
  assert.equal(stage.tokens(), 1);
  await stage.rig.close();
});

test('a token expires, and is told apart from a wrong one', async () => {
  const stage = await Stage.open();
  const agent = randomUUID();
  const token = await stage.token(agent);
  stage.ahead = 22 * day;
  assert.equal(condition(await stage.use(token, agent)), 'credentials-expired');
  assert.equal(condition(await stage.use('x', agent)), 'not-authorized');
  await stage.rig.close();
});

test('a token that is bound to the channel is good there alone, and with its mechanism', async () => {
  const stage = await Stage.open();
  const agent = randomUUID();
  const exporter = 'HT-SHA-256-EXPR';
  const token = await stage.token(agent, exporter);
  const here: [string, Uint8Array] = ['tls-exporter', Buffer.from('here')];
  const there: [string, Uint8Array] = ['tls-exporter', Buffer.from('there')];
  const good = (await stage.use(token, agent, {}, {}, exporter, here)) as Authed;
  const proof = createHmac('sha256', token).update('Responder').update('here').digest('hex');
  assert.equal(Buffer.from(good.data!).toString('hex'), proof);
  const data = Buffer.concat([
    Buffer.from('alice\0'),
    createHmac('sha256', token).update('Initiator').update('here').digest(),
  ]);
  const fast = { count: undefined, invalidate: false };
  assert.equal(condition(await stage.say(exporter, data, { agent, fast }, [there])), 'not-authorized');
  assert.equal(condition(await stage.say(exporter, data, { agent, fast })), 'invalid-mechanism');
  assert.equal(condition(await stage.use(token, agent)), 'not-authorized', 'downgrade (§3.4)');
  const end: [string, Uint8Array] = ['tls-server-end-point', Buffer.from('here')];
  assert.equal(condition(await stage.use(token, agent, {}, {}, 'HT-SHA-256-ENDP', end)), 'not-authorized');
  await stage.rig.close();
});

test('giving a token up forgets every one of the client, and brings one only where it is asked for', async () => {
  const stage = await Stage.open();
  const agent = randomUUID();
  const token = await stage.token(agent);
  stage.ahead = day + 1000;
  await stage.use(token, agent);
  const spare = ((await stage.use(token, agent)) as Authed).token!.token;
  const left = (await stage.use(token, agent, { invalidate: true })) as Authed;
  assert.equal(left.token, undefined);
  assert.equal(stage.tokens(), 0);
  assert.equal(condition(await stage.use(spare, agent)), 'not-authorized');
  const next = await stage.token(agent);
  const changed = (await stage.use(next, agent, { invalidate: true }, { token: none })) as Authed;
  assert.equal(condition(await stage.use(next, agent)), 'not-authorized');
  assert.equal(condition(await stage.use(changed.token!.token, agent)), 'authed');
  await stage.rig.close();
});

test('a use that was seen before gives nothing up', async () => {
  const stage = await Stage.open();
  const agent = randomUUID();
  const token = await stage.token(agent);
  assert.equal(condition(await stage.use(token, agent, { count: 5 })), 'authed');
  assert.equal(condition(await stage.use(token, agent, { count: 5, invalidate: true })), 'not-authorized');
  assert.equal(condition(await stage.use(token, agent, { count: 6 })), 'authed');
  await stage.rig.close();
});

test('an account has tokens for so many clients; the oldest makes room', async () => {
  const stage = await Stage.open();
  const agents = Array.from({ length: extensions.tokenClients.value + 3 }, () => randomUUID());
  const tokens: string[] = [];
  for (const agent of agents) {
    stage.ahead += 1000;
    tokens.push(await stage.token(agent));
  }
  assert.equal(stage.tokens(), extensions.tokenClients.value);
  assert.equal(condition(await stage.use(tokens[2]!, agents[2]!)), 'not-authorized');
  assert.equal(condition(await stage.use(tokens[3]!, agents[3]!)), 'authed');
  assert.equal(condition(await stage.use(tokens.at(-1)!, agents.at(-1)!)), 'authed');
  await stage.rig.close();
});

test('tokens end with the password and with the account; further keys do not touch them', async () => {
  const stage = await Stage.open();
  const agent = randomUUID();
  const token = await stage.token(agent);
  await stage.directory.setPassword('bob@example.org', 'other');
  await stage.directory.addKeys('alice@example.org', 'SCRAM-SHA-512', {
    salt: new Uint8Array(1),
    iterations: 1,
    storedKey: new Uint8Array(64),
    serverKey: new Uint8Array(64),
  });
  assert.equal(condition(await stage.use(token, agent)), 'authed');
  await stage.directory.setPassword('alice@example.org', 'new');
  assert.equal(condition(await stage.use(token, agent)), 'not-authorized');
  await stage.directory.setPassword('alice@example.org', 'secret');
  const again = await stage.token(agent);
  assert.equal(stage.tokens(), 1);
  const account = await stage.rig.account('alice');
  Object.assign(account.partition.env, { directory: stage.directory });
  account.mailbox.run(async () => {
    const work = new Work(account);
    await removeAccount(account, work);
    work.commit();
  });
  await stage.rig.still();
  assert.equal(stage.tokens(), 0);
  assert.equal(condition(await stage.use(again, agent)), 'not-authorized');
  await stage.rig.close();
});

test('nothing of a token is in the store that lets anybody in', async () => {
  const stage = await Stage.open();
  const agent = randomUUID();
  const token = await stage.token(agent);
  const rows = JSON.stringify(stage.rig.model.rows('select * from token'));
  assert.ok(!rows.includes(token) && !rows.includes(agent));
  await stage.rig.close();
});

test('what is no message of the mechanism is refused', async () => {
  const stage = await Stage.open();
  const agent = randomUUID();
  const fast = { count: undefined, invalidate: false };
  for (const data of ['', 'alice', '\0proof', 'alice\0', '\xff\0x'])
    assert.equal(
      condition(await stage.say(none, Buffer.from(data, 'latin1'), { agent, fast })),
      'malformed-request',
    );
  for (const name of ["alice' or 1=1 --", 'nobody', 'alice@example.org', 'a/b'])
    assert.equal(condition(await stage.say(none, `${name}\0proof`, { agent, fast })), 'not-authorized');
  await stage.rig.close();
});

// ── the owner changes in the middle ─────────────────────────────────────────────────────────────────────────────────

/** A SCRAM exchange whose challenge is another owner's; what becomes of the answer at the next one. */
async function goesOn(stage: Stage, password: string, between?: () => Promise<void>): Promise<Down> {
  const client = new Scram('SCRAM-SHA-256', 'alice', password);
  const { data: challenge } = (await stage.say('SCRAM-SHA-256', client.first)) as Continue & {
    data: Uint8Array;
  };
  const past = { challenge, answer: Buffer.from(client.answer(Buffer.from(challenge).toString())) };
  await between?.();
  const end = await stage.say('SCRAM-SHA-256', client.first, {}, [], past);
  if (end.t === 'authed') client.check(Buffer.from(end.data!).toString());
  return end;
}

test('the next owner goes on with an exchange that another one began', async () => {
  const stage = await Stage.open();
  assert.equal(condition(await goesOn(stage, 'secret')), 'authed');
  assert.equal(condition(await goesOn(stage, 'wrong')), 'not-authorized');
  await stage.rig.close();
});

test('a password that changed in the middle is for another try', async () => {
  const stage = await Stage.open();
  const changes = () => stage.directory.setPassword('alice@example.org', 'other');
  assert.equal(condition(await goesOn(stage, 'secret', changes)), 'temporary-auth-failure');
  assert.equal(condition(await goesOn(stage, 'other')), 'authed');
  await stage.rig.close();
});

test('an answer counts with the challenge that it was given for', async () => {
  const stage = await Stage.open();
  const client = new Scram('SCRAM-SHA-256', 'alice', 'secret');
  const { data: challenge } = (await stage.say('SCRAM-SHA-256', client.first)) as Continue & {
    data: Uint8Array;
  };
  const answer = Buffer.from(client.answer(Buffer.from(challenge).toString()));
  for (const other of ['', 'r=', `${Buffer.from(challenge).toString()},x=y`]) {
    const past = { challenge: Buffer.from(other), answer };
    const end = await stage.say('SCRAM-SHA-256', client.first, {}, [], past);
    assert.equal(condition(end), 'temporary-auth-failure', other);
  }
  await stage.rig.close();
});

// ── further keys (XEP-0480) ─────────────────────────────────────────────────────────────────────────────────────────

test('missing keys are asked for one after the other, and then are there', async () => {
  const stage = await Stage.open();
  await stage.without('SCRAM-SHA-512');
  await stage.without('SCRAM-SHA-256');
  assert.deepEqual(stage.keys(), ['SCRAM-SHA-1']);
  const client = new Scram('SCRAM-SHA-1', 'alice', 'secret');
  const wishes = { agent: randomUUID(), token: none, upgrades: ['SCRAM-SHA-512', 'SCRAM-SHA-256'] };
  const challenge = (await stage.say('SCRAM-SHA-1', client.first, wishes)) as {
    conn: number;
    data: Uint8Array;
  };
  const { conn } = challenge;
  let answer = await stage.next(conn, Buffer.from(client.answer(Buffer.from(challenge.data).toString())));
  client.check(Buffer.from((answer as Continue).data!).toString());
  for (const [mechanism, hash] of [
    ['SCRAM-SHA-512', 'SHA-512'],
    ['SCRAM-SHA-256', 'SHA-256'],
  ] as const) {
    assert.equal(answer.t, 'continue');
    assert.equal(stage.tokens(), 0, 'not before everything is done (XEP-0484 §3.3)');
    const { salt, iterations, mechanism: wanted } = answer as Continue;
    assert.equal(wanted, mechanism);
    assert.ok(iterations >= 4096 && salt.length >= 16);
    answer = await stage.next(conn, await salted(hash, salt, iterations));
  }
  assert.equal(answer.t, 'authed');
  assert.equal((answer as Authed).data, undefined, 'it was told with the first task');
  assert.ok((answer as Authed).token);
  assert.deepEqual(stage.keys(), ['SCRAM-SHA-1', 'SCRAM-SHA-256', 'SCRAM-SHA-512']);
  // They are the password's.
  const { keys } = (await stage.directory.keys('alice@example.org', 'SCRAM-SHA-512'))!;
  const own = await clientKeys('SHA-512', 'secret', keys.salt, keys.iterations);
  assert.deepEqual(Buffer.from(keys.storedKey), own.storedKey);
  assert.deepEqual(Buffer.from(keys.serverKey), own.serverKey);
  await stage.rig.close();
});

test('nothing is asked for where nothing is missing, nor of who shows a token', async () => {
  const stage = await Stage.open();
  const agent = randomUUID();
  const upgrades = ['SCRAM-SHA-512'];
  const answer = await stage.say('PLAIN', '\0alice\0secret', { agent, upgrades, token: none });
  assert.equal(answer.t, 'authed');
  await stage.without('SCRAM-SHA-512');
  assert.equal((await stage.use((answer as Authed).token!.token, agent, {}, { upgrades })).t, 'authed');
  await stage.rig.close();
});

test('a hash that cannot be one is refused, and one that is late replaces nothing', async () => {
  const stage = await Stage.open();
  await stage.without('SCRAM-SHA-512');
  const ask = () => stage.say('PLAIN', '\0alice\0secret', { upgrades: ['SCRAM-SHA-512'] });
  for (const size of [1, 32, 63, 65]) {
    const { conn } = (await ask()) as Continue;
    assert.equal(condition(await stage.next(conn, new Uint8Array(size))), 'malformed-request');
  }
  assert.deepEqual(stage.keys(), ['SCRAM-SHA-1', 'SCRAM-SHA-256']);
  const { conn } = (await ask()) as Continue;
  await stage.directory.setPassword('alice@example.org', 'new');
  assert.equal(condition(await stage.next(conn, new Uint8Array(64))), 'authed');
  const { keys } = (await stage.directory.keys('alice@example.org', 'SCRAM-SHA-512'))!;
  const own = await clientKeys('SHA-512', 'new', keys.salt, keys.iterations);
  assert.deepEqual(Buffer.from(keys.storedKey), own.storedKey);
  await stage.rig.close();
});

test('a wrong password is given no task', async () => {
  const stage = await Stage.open();
  await stage.without('SCRAM-SHA-512');
  const answer = await stage.say('PLAIN', '\0alice\0wrong', {
    upgrades: ['SCRAM-SHA-512'],
    token: none,
    agent: randomUUID(),
  });
  assert.equal(condition(answer), 'not-authorized');
  assert.equal(stage.tokens(), 0);
  await stage.rig.close();
});

/** SaltedPassword (RFC 5802 §3) of `secret`. */
async function salted(hash: 'SHA-256' | 'SHA-512', salt: Uint8Array, iterations: number): Promise<Buffer> {
  const { pbkdf2Sync } = await import('node:crypto');
  return pbkdf2Sync('secret', salt, iterations, hash === 'SHA-512' ? 64 : 32, hash.replace('-', ''));
}
