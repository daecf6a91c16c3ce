import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { Failure } from '../../src/base/failure.ts';
import { quiet } from '../../src/base/log.ts';
import type { Env } from '../../src/account/env.ts';
import { serverHandlers } from '../../src/account/features.ts';
import type { Feature } from '../../src/account/iq.ts';
import { passwordMax, Registration } from '../../src/account/registration.ts';
import { Turnstile } from '../../src/account/turnstile.ts';
import { NS } from '../../src/xmpp/namespaces.ts';
import { parseFragment } from '../../src/xmpp/parser.ts';
import { openStage, refused, textOf, type Stage } from './stage.ts';

let now = 0;
const clock = { now: () => now, mono: () => now, after: () => ({ cancel() {} }), soon: () => undefined };
const info = {
  domain: 'capulet.example',
  address: '192.0.2.1',
  secure: true,
  tls: 'TLSv1.3',
  transport: 'tls',
  lang: undefined,
} as const;

/** Accounts with their passwords. */
let accounts: Map<string, string>;
let env: Env;
const known = new Failure('account-exists', 'there is such an account already');

function openEnv(registration: 'open' | 'closed' = 'open'): Env {
  accounts = new Map();
  return {
    clock,
    log: quiet,
    registration,
    domains: new Set(['capulet.example']),
    hosts: new Map(),
    directory: {
      add: async (address: string, password: string) => {
        if (accounts.has(address)) throw known;
        if (password === 'busy') throw new Failure('overloaded', 'too many');
        if (password === 'broken') throw new Error('secret detail');
        if (password === '\u0007') throw new Failure('password-unusable', 'the password cannot be used');
        accounts.set(address, password);
      },
      setPassword: async (address: string, password: string) => {
        if (password === 'busy') throw new Failure('overloaded', 'too many');
        accounts.set(address, password);
      },
    },
  } as unknown as Env;
}

const form = (user: string, password: string): string =>
  `<query xmlns="${NS.register}"><username>${user}</username><password>${password}</password></query>`;
const iq = (type: string, payload: string): string =>
  `<iq xmlns="jabber:client" type="${type}" id="reg1">${payload}</iq>`;

void describe('registration before authentication (XEP-0077 §3.1)', () => {
  let registration: Registration;
  before(() => {
    env = openEnv();
    registration = new Registration(env);
  });
  const ask = (type: string, payload: string, about: object = {}) =>
    registration.answer(parseFragment(iq(type, payload)), { ...info, ...about });
  const condition = async (answer: Promise<string>): Promise<string | undefined> =>
    / type="error"/.test(await answer)
      ? /<([a-z-]+) xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/.exec(await answer)?.[1]
      : undefined;

  void it('tells what it needs, makes an account, and does so once', async () => {
    const told = await ask('get', `<query xmlns="${NS.register}"/>`);
    assert.match(
      told,
      /^<iq id="reg1" type="result"><query xmlns="jabber:iq:register"><instructions>.*<username\/><password\/><\/query><\/iq>$/,
    );
    assert.equal(await ask('set', form('Bill', 'Calliope')), '<iq id="reg1" type="result"/>');
    assert.deepEqual([...accounts], [['bill@capulet.example', 'Calliope']]);
    const again = await ask('set', form('bill', 'm1cro$oft'));
    assert.match(again, /<error type="cancel" code="409"><conflict/);
    assert.doesNotMatch(again, /m1cro/);
    assert.equal(accounts.get('bill@capulet.example'), 'Calliope');
  });

  void it('refuses with the conditions of the standard', async () => {
    for (const [type, payload, expected] of [
      ['set', form('', 'x'), 'not-acceptable'],
      ['set', form('x', ''), 'not-acceptable'],
      ['set', `<query xmlns="${NS.register}"/>`, 'not-acceptable'],
      ['set', form('x@y', 'x'), 'not-acceptable'],
      ['set', form("a'b", 'x'), 'not-acceptable'],
      ['set', form('a/b', 'x'), 'not-acceptable'],
      ['set', form('x', 'y'.repeat(passwordMax + 1)), 'not-acceptable'],
      ['set', form('x', 'busy'), 'resource-constraint'],
      ['set', form('x', 'broken'), 'internal-server-error'],
      [
        'set',
        `<query xmlns="${NS.register}"><username>a</username><username>b</username></query>`,
        'bad-request',
      ],
      ['set', `<query xmlns="${NS.register}"><remove/></query>`, 'unexpected-request'],
      ['get', `<query xmlns="${NS.roster}"/>`, 'bad-request'],
      ['get', '', 'bad-request'],
    ] as const)
      assert.equal(await condition(ask(type, payload)), expected, payload.slice(0, 100));
    assert.doesNotMatch(await ask('set', form('x', 'broken')), /secret/);
    assert.equal(await condition(ask('set', form('x', 'y'), { secure: false })), 'not-authorized');
    assert.deepEqual([...accounts.keys()], ['bill@capulet.example']);
  });

  void it('is unknown where it is closed', async () => {
    const closed = new Registration(openEnv('closed'));
    for (const type of ['get', 'set'])
      assert.match(
        await closed.answer(parseFragment(iq(type, form('x', 'y'))), info),
        /<error type="cancel" code="503"><service-unavailable/,
      );
    assert.equal(accounts.size, 0);
  });

  void it('lets so many pass from one address, and from all', async () => {
    const fresh = new Registration(openEnv(), {
      address: { burst: 2, perSecond: 0.1 },
      all: { burst: 4, perSecond: 0.1 },
    });
    const from = async (address: string, name: string): Promise<string | undefined> =>
      condition(fresh.answer(parseFragment(iq('set', form(name, 'x'))), { ...info, address }));
    const answers: (string | undefined)[] = [];
    for (const address of ['192.0.2.1', '192.0.2.1', '192.0.2.1', '192.0.2.2', '192.0.2.3', '192.0.2.4'])
      answers.push(await from(address, `n${answers.length}`));
    const no = 'resource-constraint';
    assert.deepEqual(answers, [undefined, undefined, no, undefined, undefined, no]);
    now += 10_000;
    assert.equal(await from('192.0.2.1', 'later'), undefined);
    assert.equal(await from('192.0.2.1', 'still'), no);
  });

  void it('takes an IPv6 network for one address', () => {
    const turnstile = new Turnstile(clock, { burst: 1, perSecond: 0 }, { burst: 100, perSecond: 0 });
    assert.deepEqual(
      ['2001:db8::1', '2001:db8:0:0:7::1', '2001:db8:0:1::1', '::ffff:192.0.2.1', '::ffff:192.0.2.2'].map(
        (address) => turnstile.pass(address),
      ),
      [true, false, true, true, true],
    );
  });
});

const register: Feature = { server: Object.fromEntries(serverHandlers) };

void describe('registration with a session (XEP-0077 §3.2, §3.3)', () => {
  let stage: Stage;
  before(async () => {
    stage = await openStage();
    Object.assign(stage.account.partition.env, { directory: openEnv().directory });
  });
  void it('tells who is registered, changes the own password, and nobody else’s', async () => {
    const ask = (type: 'get' | 'set', payload: string) => stage.ask(register, type, payload, 'server');
    assert.equal(
      textOf(await ask('get', `<query xmlns="${NS.register}"/>`)),
      `<query xmlns="${NS.register}"><registered/><username>juliet</username><password/></query>`,
    );
    assert.equal(await ask('set', form('juliet', 'new')), undefined);
    assert.deepEqual([...accounts], [['juliet@capulet.example', 'new']]);
    for (const [payload, condition] of [
      [form('romeo', 'x'), 'not-allowed'],
      [form('juliet', ''), 'bad-request'],
      [form('', 'x'), 'bad-request'],
      [`<query xmlns="${NS.register}"><password>x</password></query>`, 'bad-request'],
      [form('juliet', 'busy'), 'resource-constraint'],
      [form('juliet', 'x'.repeat(passwordMax + 1)), 'not-acceptable'],
      [`<query xmlns="${NS.register}"><remove/><username>juliet</username></query>`, 'bad-request'],
    ] as const)
      await refused(ask('set', payload), condition);
    Object.assign(stage.session, { info: { ...info, secure: false } });
    await refused(ask('set', form('juliet', 'x')), 'not-authorized');
    Object.assign(stage.account.partition.env, { registration: 'closed' });
    await refused(ask('set', `<query xmlns="${NS.register}"><remove/></query>`), 'not-allowed');
    assert.deepEqual([...accounts], [['juliet@capulet.example', 'new']]);
    await stage.close();
  });
});
