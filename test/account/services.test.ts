import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { systemClock } from '../../src/base/clock.ts';
import { isShown } from '../../src/account/archiving.ts';
import {
  accountHandlers,
  blindHandlers,
  features,
  services,
  serverHandlers,
  visitorHandlers,
} from '../../src/account/features.ts';
import type { Feature } from '../../src/account/iq.ts';
import { Item } from '../../src/account/item.ts';
import { Roster } from '../../src/account/roster.ts';
import type { Element } from '../../src/xmpp/element.ts';
import { Jid } from '../../src/xmpp/jid.ts';
import { NS } from '../../src/xmpp/namespaces.ts';
import { parseFragment } from '../../src/xmpp/parser.ts';
import { juliet, openStage, refused, textOf, type Stage } from './stage.ts';

/** All features as one. */
const everything: Feature = {
  account: Object.fromEntries(accountHandlers),
  server: Object.fromEntries(serverHandlers),
  visitors: Object.fromEntries(visitorHandlers),
  blind: Object.fromEntries(blindHandlers),
};
const info = `<query xmlns="${NS.discoInfo}"/>`;
const items = `<query xmlns="${NS.discoItems}"/>`;

function named(info: Element | undefined): string[] {
  return info!.elements('feature').map((feature) => feature.attrs['var']!);
}

void describe('services', () => {
  let stage: Stage;
  before(async () => {
    stage = await openStage({ ...systemClock, now: () => Date.parse('2026-11-20T13:51:18.042Z') });
  });
  after(() => stage.close());
  const ask = (type: 'get' | 'set', payload: string, where: 'account' | 'server' = 'account', to?: string) =>
    stage.ask(everything, type, payload, where, to);

  void it('the server says what it is and what it can (XEP-0030 §3.1)', async () => {
    const told = await ask('get', info, 'server');
    const identity = told!.child('identity')!.attrs;
    assert.deepEqual([identity['category'], identity['type'], identity['name']], ['server', 'im', 'Muster']);
    for (const feature of [
      NS.discoInfo,
      NS.discoItems,
      NS.carbons,
      NS.ping,
      NS.version,
      NS.time,
      NS.register,
      NS.offline,
    ])
      assert.ok(named(told).includes(feature), feature);
    assert.deepEqual(
      (await ask('get', items, 'server', 'capulet.example'))!
        .elements('item')
        .map(({ attrs }) => attrs['jid']),
      [...services.keys()].map((label) => `${label}.capulet.example`),
    );
  });

  void it('so does the account (XEP-0313 §7)', async () => {
    const told = await ask('get', info);
    assert.deepEqual(told!.child('identity')!.attrs, { category: 'account', type: 'registered' });
    for (const feature of [NS.discoInfo, NS.mam, NS.mamExtended, 'urn:xmpp:mam:2#groupchat-field'])
      assert.ok(named(told).includes(feature), feature);
    assert.equal(textOf(await ask('get', items)), items);
  });

  void it('what is announced is answered', async () => {
    const requests: Record<string, string> = {
      [NS.mam]: `<prefs xmlns="${NS.mam}"/>`,
      [NS.push]: `<disable xmlns="${NS.push}" jid="a.example"/>`,
      [NS.blocking]: `<blocklist xmlns="${NS.blocking}"/>`,
      [NS.ping]: `<ping xmlns="${NS.ping}"/>`,
      [NS.time]: `<time xmlns="${NS.time}"/>`,
      [NS.vcard]: `<vCard xmlns="${NS.vcard}"/>`,
      [NS.private]: `<query xmlns="${NS.private}"><a xmlns="n"/></query>`,
      [NS.carbons]: `<enable xmlns="${NS.carbons}"/>`,
      [NS.extdisco]: `<services xmlns="${NS.extdisco}"/>`,
    };
    const silent = new Set<string>([
      NS.vcard4,
      NS.pepVcardConversion,
      NS.bookmarksConversion,
      `${NS.bookmarks}#compat`,
      `${NS.bookmarks}#compat-pep`,
      NS.commands,
      NS.offline,
      NS.mamExtended,
      'urn:xmpp:mam:2#groupchat-field',
      NS.caps,
      NS.capsOptimize,
      NS.sid,
      NS.retract,
      `${NS.retract}#tombstone`,
    ]);
    for (const where of ['account', 'server'] as const) {
      const own = await ask('get', info, where);
      for (const name of named(own).filter(
        (feature) => !silent.has(feature) && !feature.startsWith(NS.pubsub),
      ))
        await ask(
          name === NS.carbons || name === NS.push ? 'set' : 'get',
          requests[name] ?? `<query xmlns="${name}"/>`,
          where,
          where === 'account' ? juliet : 'capulet.example',
        );
    }
    assert.ok(features.length > 8);
  });

  void it('there are no nodes (XEP-0030 §7)', async () => {
    for (const where of ['account', 'server'] as const)
      for (const ns of [NS.discoInfo, NS.discoItems])
        await refused(ask('get', `<query xmlns="${ns}" node="no'such"/>`, where), 'item-not-found');
  });

  void it('of an account it tells others nothing who may not see it (XEP-0030 §8)', async () => {
    const account = stage.account as { roster?: Roster };
    const sees = (contact: string, subscription: 'from' | 'to' | 'both' | 'none') =>
      Item.unknown(contact).with({ subscription, cn: 1 });
    account.roster = new Roster([
      sees('nurse@capulet.example', 'both'),
      sees('friar@capulet.example', 'from'),
      sees('tybalt@capulet.example', 'none'),
      sees('paris@capulet.example', 'to'),
    ]);
    try {
      const friends = ['nurse@capulet.example/a', 'friar@capulet.example', `${juliet}/other`];
      const strangers = ['tybalt@capulet.example/a', 'paris@capulet.example', 'romeo@montague.example/b'];
      for (const from of friends)
        assert.deepEqual(
          named(await stage.visit(everything, 'get', info, from)),
          named(await ask('get', info)),
        );
      for (const from of strangers)
        await refused(stage.visit(everything, 'get', info, from), 'service-unavailable');
      for (const from of [...friends, ...strangers])
        assert.equal(textOf(await stage.visit(everything, 'get', items, from)), items);
    } finally {
      delete account.roster;
    }
  });

  void it('answers small requests', async () => {
    const ping = `<ping xmlns="${NS.ping}"/>`;
    assert.equal(await ask('get', ping), undefined);
    assert.equal(await ask('get', ping, 'server'), undefined);
    assert.equal(
      textOf(await ask('get', `<query xmlns="${NS.version}"/>`, 'server')),
      `<query xmlns="${NS.version}"><name>Muster</name><version>1.2.3</version></query>`,
    );
    assert.equal(
      textOf(await ask('get', `<time xmlns="${NS.time}"/>`, 'server')),
      `<time xmlns="${NS.time}"><tzo>+00:00</tzo><utc>2026-11-20T13:51:18.042Z</utc></time>`,
    );
    const session = `<session xmlns="${NS.session}"/>`;
    assert.equal(await ask('set', session), undefined);
    assert.equal(await ask('set', session, 'server'), undefined);
  });

  void it('turns carbons on and off, as often as asked (XEP-0280 §10.1)', async () => {
    for (const [what, on] of [
      ['enable', true],
      ['enable', true],
      ['disable', false],
      ['disable', false],
    ] as const) {
      assert.equal(await ask('set', `<${what} xmlns="${NS.carbons}"/>`), undefined);
      assert.equal(stage.session.carbons, on);
    }
  });
});

void describe('what the archive shows', () => {
  let stage: Stage;
  before(async () => {
    stage = await openStage();
    stage.account.roster = new Roster([
      Item.unknown('romeo@montague.example').with({ subscription: 'none', cn: 1 }),
      Item.unknown('gone@montague.example').with({ subscription: 'removed', cn: 2 }),
    ]);
  });
  after(() => stage.close());

  void it('is decided by lists, roster and hints', async () => {
    const { account } = stage;
    const shown = async (peer: string, inner = ''): Promise<boolean> => {
      const message = parseFragment(`<message xmlns="jabber:client"><body>O</body>${inner}</message>`);
      return isShown(account, Jid.parse(peer)!, message);
    };
    assert.equal(await shown('anybody@x.example'), true);
    assert.equal(await shown('anybody@x.example', '<no-permanent-store xmlns="urn:xmpp:hints"/>'), false);
    account.preferences = { default: 'never', always: ['romeo@montague.example'], never: [] };
    assert.equal(await shown('anybody@x.example'), false);
    assert.equal(await shown('romeo@montague.example/x'), true);
    account.preferences = { default: 'roster', always: [], never: [] };
    assert.equal(await shown('romeo@montague.example/x'), true);
    assert.equal(await shown('gone@montague.example'), false);
    assert.equal(await shown('anybody@x.example'), false);
  });
});
