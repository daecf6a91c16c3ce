import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { systemClock } from '../../src/base/clock.ts';
import { NS } from '../../src/xmpp/namespaces.ts';
import { affiliate, configure } from './configured.ts';
import { cave, refusal, Rig, type Client } from './rig.ts';

interface Result {
  readonly id: number;
  readonly body: string;
  readonly text: string;
}

interface Answer {
  readonly results: readonly Result[];
  readonly fin: string;
  readonly complete: boolean;
  readonly first: string | undefined;
  readonly last: string | undefined;
}

const query = (fields: Record<string, string | readonly string[]> = {}, set = '', more = ''): string => {
  const entries = Object.entries({ FORM_TYPE: NS.mam, ...fields }).map(
    ([name, values]) =>
      `<field var="${name}">${[values]
        .flat()
        .map((value) => `<value>${value}</value>`)
        .join('')}</field>`,
  );
  const page = set === '' ? '' : `<set xmlns="${NS.rsm}">${set}</set>`;
  return `<query xmlns="${NS.mam}" queryid="q"><x xmlns="${NS.dataForms}" type="submit">${entries.join('')}</x>${page}${more}</query>`;
};

let ids = 0;
async function ask(client: Client, payload: string): Promise<Answer> {
  const heard = await client.says(`<iq type="set" id="m${++ids}" to="${cave}">${payload}</iq>`);
  const results = heard.slice(0, -1).map((text) => ({
    id: Number(/<result [^>]*id="(\d+)"/.exec(text)?.[1]),
    body: /<body>([^<]*)</.exec(text)?.[1] ?? '',
    text,
  }));
  const fin = heard.at(-1)!;
  const [first, last] = ['first', 'last'].map((name) => new RegExp(`<${name}[^>]*>([^<]*)<`).exec(fin)?.[1]);
  return { results, fin, complete: fin.includes('complete="true"'), first, last };
}
const bodies = ({ results }: Answer): string[] => results.map(({ body }) => body);

test('the archive tells what was said, once each, from the room, with who said it for moderators (XEP-0313 §6.1.2)', async () => {
  const rig = await Rig.open();
  const [alice, bob] = await rig.gather('alice', 'bob');
  const live = await bob!.says('<message type="groupchat" id="m"><body>one</body></message>');
  await alice!.says('<message type="groupchat"><body>two</body></message>');
  await alice!.says('<message type="groupchat"><subject>tea</subject></message>');
  await alice!.says('<message to="cave@conference.example.org/bob" type="chat"><body>psst</body></message>');
  for (const client of [alice!, bob!]) client.take();

  const mine = await ask(bob!, query());
  assert.deepEqual(bodies(mine), ['one', 'two', '']);
  const stanzaId = /<stanza-id [^>]*id="(\d+)"/.exec(live.find((text) => text.includes('one'))!)![1];
  assert.equal(String(mine.results[0]!.id), stanzaId);
  const [shown] = mine.results;
  assert.match(
    shown!.text,
    /^<message from="cave@conference.example.org" to="bob@example.org\/home"><result /,
  );
  assert.match(
    shown!.text,
    /<forwarded [^>]*><delay [^>]*stamp="[^"]*"\/><message [^>]*from="[^"]*\/bob"><body>one</,
  );
  assert.ok(mine.complete);
  for (const { text } of mine.results)
    assert.doesNotMatch(text, /jid=|<message[^>]*><result.*<message[^>]* to=/);
  const seen = await ask(alice!, query());
  assert.match(
    seen.results[0]!.text,
    /<item affiliation="none" jid="bob@example.org\/home" role="participant"\/>/,
  );
  await configure(rig, { whois: 'anyone' });
  assert.match((await ask(bob!, query())).results[1]!.text, /jid="alice@example.org\/home"/);

  const metadata = await bob!.asks('get', `<metadata xmlns="${NS.mam}"/>`);
  const ends = [...metadata.matchAll(/ id="(\d+)"/g)].map(([, id]) => Number(id));
  assert.deepEqual(ends, [mine.results[0]!.id, mine.results[2]!.id]);
  const form = await bob!.asks('get', `<query xmlns="${NS.mam}"/>`);
  for (const name of ['with', 'start', 'end', 'before-id', 'after-id', 'ids'])
    assert.ok(form.includes(`var="${name}"`));
  await rig.close();
});

test('the archive is for who may enter at the time', async () => {
  const rig = await Rig.open();
  const [alice, bob] = await rig.gather('alice', 'bob');
  const eve = rig.client('eve@far.example/x');
  await alice!.says('<message type="groupchat"><body>one</body></message>');
  assert.equal(bodies(await ask(eve, query())).length, 1);
  const shut = async (client: Client) => {
    assert.equal(refusal((await ask(client, query())).fin), 'forbidden');
    assert.equal(refusal(await client.asks('get', `<metadata xmlns="${NS.mam}"/>`)), 'forbidden');
    assert.equal(refusal(await client.asks('get', `<query xmlns="${NS.mam}"/>`)), 'forbidden');
  };
  await configure(rig, { password: 'x' });
  await shut(eve);
  assert.equal(bodies(await ask(bob!, query())).length, 1);
  await configure(rig, { membersOnly: true, password: '' });
  await shut(eve);
  await affiliate(rig, 'eve@far.example', 'member');
  assert.equal(bodies(await ask(eve, query())).length, 1);
  await configure(rig, { membersOnly: false });
  await affiliate(rig, 'eve@far.example', 'outcast');
  await shut(eve);
  await rig.close();
});

test('with: an occupant for all, a real address for who may know', async () => {
  const rig = await Rig.open();
  const [alice, bob] = await rig.gather('alice', 'bob');
  const eve = rig.client('eve@far.example/x');
  for (const [client, text] of [
    [alice!, 'a1'],
    [bob!, 'b1'],
    [alice!, 'a2'],
  ] as const)
    // oxlint-disable-next-line no-await-in-loop -- in this order
    await client.says(`<message type="groupchat"><body>${text}</body></message>`);
  for (const client of [alice!, bob!]) client.take();
  assert.deepEqual(bodies(await ask(eve, query({ with: `${cave}/alice` }))), ['a1', 'a2']);
  assert.deepEqual(bodies(await ask(eve, query({ with: cave }))), ['a1', 'b1', 'a2']);
  assert.deepEqual(bodies(await ask(eve, query({ with: `${cave}/nobody` }))), []);
  assert.equal(refusal((await ask(eve, query({ with: 'alice@example.org' }))).fin), 'forbidden');
  assert.deepEqual(bodies(await ask(bob!, query({ with: 'bob@example.org' }))), ['b1']);
  assert.deepEqual(bodies(await ask(alice!, query({ with: 'alice@example.org' }, '<max>1</max><before/>'))), [
    'a2',
  ]);
  assert.deepEqual(bodies(await ask(alice!, query({ with: 'bob@example.org/home' }))), ['b1']);
  assert.deepEqual(bodies(await ask(alice!, query({ with: 'bob@example.org/other' }))), []);
  await rig.close();
});

test('what no archive is to keep is never shown, and nobody’s id is mistaken', async () => {
  const rig = await Rig.open();
  const [alice] = await rig.gather('alice');
  const say = (text: string) => alice!.says(`<message type="groupchat"><body>${text}</body></message>`);
  await say('kept');
  await configure(rig, { logging: false });
  await say('passing');
  await configure(rig, { logging: true });
  await say('again');
  alice!.take();
  const all = await ask(alice!, query());
  assert.deepEqual(bodies(all), ['kept', 'again']);
  const [kept] = all.results;
  assert.deepEqual(bodies(await ask(alice!, query({ 'after-id': String(kept!.id + 1) }))), ['again']);
  assert.equal(refusal((await ask(alice!, query({ ids: String(kept!.id + 1) }))).fin), 'item-not-found');
  assert.deepEqual(bodies(await ask(alice!, query({ ids: [String(kept!.id + 2), String(kept!.id)] }))), [
    'kept',
    'again',
  ]);
  for (const [name, id] of [
    ['after-id', '5'],
    ['before-id', 'x'],
    ['ids', String(kept!.id + 9)],
  ] as const)
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    assert.equal(refusal((await ask(alice!, query({ [name]: id }))).fin), 'item-not-found');
  assert.equal(refusal((await ask(alice!, query({ what: 'x' }))).fin), 'feature-not-implemented');
  assert.equal(refusal((await ask(alice!, query({ start: 'x' }))).fin), 'bad-request');
  assert.equal(refusal((await ask(alice!, query({}, '<index>1</index>'))).fin), 'feature-not-implemented');
  assert.match((await ask(alice!, query({}, '<max>0</max>'))).fin, /<count>2<\/count>/);
  await rig.close();
});

test('nobody finds in the archive what was not told to who is in', async () => {
  const rig = await Rig.open({ queries: 100 });
  const [alice] = await rig.gather('alice');
  for (let n = 0; n < 20; n++) {
    alice!.send(`<message type="groupchat"><body>${n}</body></message>`);
    alice!.send(`<iq type="set" id="n${n}" to="${cave}">${query({}, '<max>1</max><before/>')}</iq>`);
    // oxlint-disable-next-line no-await-in-loop -- more or less of it is stored meanwhile
    if (n % 3 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  await rig.still();
  const told = new Set<string>();
  let found = 0;
  for (const text of alice!.take()) {
    const body = /<body>(\d+)</.exec(text)?.[1];
    if (body === undefined) continue;
    if (!text.includes('<result')) told.add(body);
    else {
      found += 1;
      assert.ok(told.has(body), body);
    }
  }
  assert.equal(told.size, 20);
  assert.ok(found >= 10, String(found));
  await rig.close();
});

test('who asks for more than is answered at a time is refused the rest', async () => {
  const rig = await Rig.open({ queries: 2 });
  const [alice] = await rig.gather('alice');
  await alice!.says('<message type="groupchat"><body>x</body></message>');
  alice!.take();
  for (let n = 0; n < 5; n++) alice!.send(`<iq type="set" id="n${n}" to="${cave}">${query()}</iq>`);
  await rig.still();
  const answers = alice!.take().filter((text) => text.startsWith('<iq'));
  assert.equal(answers.filter((text) => refusal(text) === 'resource-constraint').length, 3);
  assert.equal(answers.length, 5);
  assert.equal(bodies(await ask(alice!, query())).length, 1);
  await rig.close();
});

test('pages are what was said: any size, either way, flipped, by id and by time', async () => {
  let now = Date.parse('2026-11-30T10:00:00Z');
  const rig = await Rig.open({}, { ...systemClock, now: () => now });
  const [alice, bob] = await rig.gather('alice', 'bob');
  const all: { id: number; body: string; at: number; by: string }[] = [];
  for (let n = 0; n < 30; n++) {
    const client = n % 3 === 0 ? bob! : alice!;
    // oxlint-disable-next-line no-await-in-loop -- in this order
    const heard = await client.says(`<message type="groupchat"><body>${n}</body></message>`);
    const id = Number(/<stanza-id [^>]*id="(\d+)"/.exec(heard.join(''))![1]);
    all.push({ id, body: String(n), at: now, by: client.jid.local });
    now += n % 4 === 0 ? 0 : 1000;
  }
  const stamp = (ms: number) => new Date(ms).toISOString();
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 12 }),
      fc.boolean(),
      fc.boolean(),
      fc.option(fc.constantFrom('alice', 'bob'), { nil: undefined }),
      fc.option(fc.nat(29), { nil: undefined }),
      fc.option(fc.nat(29), { nil: undefined }),
      fc.constantFrom('ids', 'times'),
      async (max, backwards, flip, by, low, high, how) => {
        const fields: Record<string, string> = {};
        if (by !== undefined) fields['with'] = `${cave}/${by}`;
        const wanted = all.filter(
          (one) =>
            (by === undefined || one.by === by) &&
            (low === undefined || (how === 'ids' ? one.id > all[low]!.id : one.at >= all[low]!.at)) &&
            (high === undefined || (how === 'ids' ? one.id < all[high]!.id : one.at <= all[high]!.at)),
        );
        if (low !== undefined)
          fields[how === 'ids' ? 'after-id' : 'start'] =
            how === 'ids' ? String(all[low]!.id) : stamp(all[low]!.at);
        if (high !== undefined)
          fields[how === 'ids' ? 'before-id' : 'end'] =
            how === 'ids' ? String(all[high]!.id) : stamp(all[high]!.at);
        const seen: string[] = [];
        let place = backwards ? '<before/>' : '';
        for (let pages = 0; pages < 40; pages++) {
          // oxlint-disable-next-line no-await-in-loop -- a page after the other
          const page = await ask(
            alice!,
            query(fields, `<max>${max}</max>${place}`, flip ? '<flip-page/>' : ''),
          );
          const told = flip ? bodies(page).toReversed() : bodies(page);
          if (backwards) seen.unshift(...told);
          else seen.push(...told);
          assert.ok(told.length <= max);
          if (page.complete) break;
          assert.equal(told.length, max);
          place = backwards ? `<before>${page.first}</before>` : `<after>${page.last}</after>`;
        }
        assert.deepEqual(
          seen,
          wanted.map(({ body }) => body),
        );
      },
    ),
    { numRuns: 60 },
  );
  await rig.close();
});
