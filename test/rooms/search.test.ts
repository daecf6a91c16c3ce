import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NS } from '../../src/xmpp/namespaces.ts';
import { configure } from './configured.ts';
import { refusal, Rig } from './rig.ts';

const host = 'conference.example.org';
const byAddress = '{urn:xmpp:channel-search:0:order}address';

function ask(fields: Record<string, string>, set = ''): string {
  const all = { FORM_TYPE: NS.searchParams, ...fields };
  const inside = Object.entries(all).map(
    ([name, value]) => `<field var="${name}"><value>${value}</value></field>`,
  );
  const page = set === '' ? '' : `<set xmlns="${NS.rsm}">${set}</set>`;
  return `<search xmlns="${NS.search}">${page}<x xmlns="${NS.dataForms}" type="submit">${inside.join('')}</x></search>`;
}
const found = (text: string): string[] =>
  [...text.matchAll(/<item address="([^"@]*)@/g)].map(([, name]) => name!);

test('public rooms are found by words, by how many are in, in either order, page by page (XEP-0433)', async () => {
  const rig = await Rig.open();
  const accept = `<query xmlns="${NS.mucOwner}"><x xmlns="${NS.dataForms}" type="submit"/></query>`;
  const people = ['alice', 'bob', 'carol'].map((local) => rig.client(`${local}@example.org/home`));
  const [alice] = people;
  for (const [at, name] of ['garden', 'attic', 'cellar', 'hidden'].entries())
    for (const client of people.slice(0, at + 1)) {
      // oxlint-disable no-await-in-loop -- one after the other
      await client.enters(client.jid.local, `${name}@${host}`);
      if (client === alice) await client.asks('set', accept, `${name}@${host}`);
      // oxlint-enable no-await-in-loop
    }
  await configure(
    rig,
    { name: 'Green Garden', description: 'Rosen und Ähren', language: 'de' },
    `garden@${host}`,
  );
  await configure(rig, { name: 'Old 100% Things', membersOnly: true, whois: 'anyone' }, `attic@${host}`);
  await configure(rig, { public: false }, `hidden@${host}`);
  const search = (fields: Record<string, string>, set = '') => alice!.asks('get', ask(fields, set), host);

  const form = await alice!.asks('get', `<search xmlns="${NS.search}"/>`, host);
  for (const name of ['q', 'all', 'sinname', 'sindescription', 'sinaddress', 'min_users', 'types', 'key'])
    assert.ok(form.includes(`var="${name}"`), name);

  const all = await search({ all: 'true' });
  assert.deepEqual(found(all), ['cellar', 'attic', 'garden']);
  assert.match(
    all,
    /<item address="garden@[^>]*><name>Green Garden<\/name><description>Rosen und Ähren<\/description>/,
  );
  assert.match(all, /<nusers>3<\/nusers><service-type>xep-0045<\/service-type><is-open\/>/);
  assert.match(
    all,
    /<nusers>2<\/nusers><service-type>xep-0045<\/service-type><anonymity-mode>\{[^}]*\}none</,
  );
  assert.deepEqual(found(await search({ all: '1', key: byAddress })), ['attic', 'cellar', 'garden']);
  assert.deepEqual(found(await search({ all: '1', min_users: '2' })), ['cellar', 'attic']);
  assert.deepEqual(found(await search({ q: 'ROSEN ähren' })), ['garden']);
  assert.deepEqual(found(await search({ q: 'rosen', sindescription: '0' })), []);
  assert.deepEqual(found(await search({ q: '0%' })), ['attic']);
  assert.deepEqual(found(await search({ q: 'garden', sinname: 'false', sindescription: 'false' })), [
    'garden',
  ]);
  assert.deepEqual(found(await search({ all: '1', types: 'xep-0369' })), []);
  for (const key of [undefined, byAddress]) {
    const pages: string[] = [];
    for (let after = ''; pages.length < 5;) {
      // oxlint-disable-next-line no-await-in-loop -- a page after the other
      const page = await search({ all: '1', ...(key === undefined ? {} : { key }) }, `<max>1</max>${after}`);
      if (found(page).length === 0) break;
      pages.push(...found(page));
      after = `<after>${/<last>([^<]*)</.exec(page)![1]}</after>`;
    }
    assert.deepEqual(
      pages,
      key === undefined ? ['cellar', 'attic', 'garden'] : ['attic', 'cellar', 'garden'],
    );
  }
  const refused: [Record<string, string>, string, string][] = [
    [{}, 'bad-request', 'no-search-conditions'],
    [{ q: 'x', all: '1' }, 'bad-request', 'conflicting-fields'],
    [{ all: '1', key: 'x' }, 'feature-not-implemented', 'invalid-sort-key'],
    [{ q: 'a b c d e' }, 'bad-request', 'invalid-search-terms'],
  ];
  for (const [fields, condition, detail] of refused) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    const answer = await search(fields);
    assert.equal(refusal(answer), condition);
    assert.ok(answer.includes(`<${detail} xmlns="${NS.searchError}"`), answer);
  }
  await rig.close();
});
