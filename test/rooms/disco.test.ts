import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { NS } from '../../src/xmpp/namespaces.ts';
import { affiliate, configure } from './configured.ts';
import { cave, refusal, Rig, type Client } from './rig.ts';

const host = 'conference.example.org';
const info = (node = '') => `<query xmlns="${NS.discoInfo}"${node === '' ? '' : ` node="${node}"`}/>`;
const items = (set = '') => `<query xmlns="${NS.discoItems}">${set}</query>`;
const page = (inside: string) => `<set xmlns="${NS.rsm}">${inside}</set>`;

const jids = (text: string): string[] =>
  [...text.matchAll(/<item [^>]*jid="([^"@]*)[@"]/g)].map(([, jid]) => jid!);
const value = (text: string, name: string): string | undefined =>
  new RegExp(`var="${name}"[^>]*><value>([^<]*)<`).exec(text)?.[1];
const features = (text: string): Set<string> =>
  new Set([...text.matchAll(/<feature var="([^"]*)"/g)].map(([, name]) => name!));

/** Rooms by their names; the creator goes in and has them accepted. */
async function rooms(client: Client, names: readonly string[]): Promise<void> {
  for (const name of names) {
    // oxlint-disable no-await-in-loop -- one after the other
    const room = `${name}@${host}`;
    await client.enters('maker', room);
    await client.asks(
      'set',
      `<query xmlns="${NS.mucOwner}"><x xmlns="${NS.dataForms}" type="submit"/></query>`,
      room,
    );
    // oxlint-enable no-await-in-loop
  }
}

test('the service says what it is, and that nothing is at a node (XEP-0045 §6.2)', async () => {
  const rig = await Rig.open();
  const alice = rig.client('alice@example.org/home');
  const told = await alice.asks('get', info(), host);
  assert.match(told, /<identity category="conference" name="Rooms" type="text"\/>/);
  const wanted = [NS.muc, `${NS.muc}#stable_id`, NS.search, NS.rsm, NS.ping, NS.discoItems];
  for (const one of wanted) assert.ok(features(told).has(one), one);
  assert.equal(refusal(await alice.asks('get', info('x'), host)), 'item-not-found');
  assert.equal(refusal(await alice.asks('get', info(), `nowhere@${host}`)), 'item-not-found');
  assert.match(await alice.asks('get', `<ping xmlns="${NS.ping}"/>`, host), /type="result"/);
  assert.match(await alice.asks('get', `<query xmlns="${NS.version}"/>`, host), /<name>Muster<\/name>/);
  assert.match(await alice.asks('get', `<time xmlns="${NS.time}"/>`, host), /<tzo>\+00:00</);
  await rig.close();
});

test('rooms are listed page by page, forward and back; what is hidden or locked is not (§6.3)', async () => {
  const rig = await Rig.open();
  const alice = rig.client('alice@example.org/home');
  const eve = rig.client('eve@far.example/x');
  await rooms(alice, ['c', 'a', 'e', 'b', 'd']);
  await alice.enters('maker', `locked@${host}`);
  await configure(rig, { public: false, name: 'Secret' }, `d@${host}`);
  await configure(rig, { name: 'The Letter' }, `b@${host}`);
  const all = await eve.asks('get', items(), host);
  assert.deepEqual(jids(all), ['a', 'b', 'c', 'e']);
  assert.match(all, /name="The Letter"/);
  assert.doesNotMatch(all, /<set/);
  // Who is known to it finds the hidden one.
  assert.deepEqual(jids(await alice.asks('get', items(), host)), ['a', 'b', 'c', 'd', 'e']);
  const two = await alice.asks('get', items(page('<max>2</max>')), host);
  assert.deepEqual(jids(two), ['a', 'b']);
  assert.match(two, /<first index="0">a@.*<last>b@.*<count>5<\/count>/);
  const next = await alice.asks('get', items(page(`<max>2</max><after>b@${host}</after>`)), host);
  assert.deepEqual(jids(next), ['c', 'd']);
  const last = await alice.asks('get', items(page('<max>2</max><before/>')), host);
  assert.deepEqual(jids(last), ['d', 'e']);
  const back = await alice.asks('get', items(page(`<max>2</max><before>d@${host}</before>`)), host);
  assert.deepEqual(jids(back), ['b', 'c']);
  assert.match(await eve.asks('get', items(page('<max>0</max>')), host), /<count>4<\/count>/);
  // Banned is not known.
  await affiliate(rig, 'eve@far.example', 'outcast', { room: `d@${host}` });
  assert.deepEqual(jids(await eve.asks('get', items(), host)), ['a', 'b', 'c', 'e']);
  assert.equal(
    refusal(await eve.asks('get', items(page('<index>1</index>')), host)),
    'feature-not-implemented',
  );
  await rig.close();
});

test('a room says what kind it is, and to who may look inside what goes on there (§6.4, §14.4)', async () => {
  const rig = await Rig.open();
  const [alice] = await rig.gather('alice', 'bob');
  const eve = rig.client('eve@far.example/x');
  await alice!.says('<message type="groupchat"><subject>tea</subject></message>');
  await configure(rig, {
    name: 'Cave',
    description: 'dark',
    language: 'en',
    avatar: 'abc',
    contacts: ['alice@example.org'],
  });
  const open = await eve.asks('get', info());
  assert.match(open, /<identity category="conference" name="Cave" type="text"\/>/);
  const kinds = (text: string) => [...features(text)].filter((name) => name.startsWith('muc_'));
  const usual = [
    'muc_open',
    'muc_public',
    'muc_semianonymous',
    'muc_temporary',
    'muc_unmoderated',
    'muc_unsecured',
  ];
  assert.deepEqual(kinds(open), usual);
  const wanted = [
    NS.mam,
    NS.mamExtended,
    NS.sid,
    NS.moderate,
    NS.retract,
    `${NS.muc}#self-ping-optimization`,
  ];
  for (const one of wanted) assert.ok(features(open).has(one), one);
  assert.equal(value(open, 'FORM_TYPE'), `${NS.muc}#roominfo`);
  assert.equal(value(open, 'muc#roominfo_description'), 'dark');
  assert.equal(value(open, 'muc#roominfo_avatarhash'), 'abc');
  assert.equal(value(open, 'muc#roominfo_contactjid'), 'alice@example.org');
  assert.equal(value(open, 'muc#roominfo_occupants'), '2');
  assert.equal(value(open, 'muc#roominfo_subject'), 'tea');
  assert.equal(value(open, 'muc#maxhistoryfetch'), '20');
  assert.equal(value(open, 'muc#roomconfig_roomname'), 'Cave');
  assert.equal(value(open, 'muc#roomconfig_allowpm'), 'anyone');
  assert.equal(value(open, 'muc#roomconfig_allowinvites'), '1');
  await configure(rig, {
    membersOnly: true,
    moderated: true,
    password: 'x',
    persistent: true,
    public: false,
    whois: 'anyone',
  });
  const closed = await eve.asks('get', info());
  assert.deepEqual(kinds(closed), [
    'muc_hidden',
    'muc_membersonly',
    'muc_moderated',
    'muc_nonanonymous',
    'muc_passwordprotected',
    'muc_persistent',
  ]);
  assert.equal(value(closed, 'muc#roominfo_subject'), undefined);
  assert.equal(value(closed, 'muc#roominfo_occupants'), undefined);
  assert.equal(value(await alice!.asks('get', info()), 'muc#roominfo_subject'), 'tea');
  await affiliate(rig, 'eve@far.example', 'member');
  assert.equal(value(await eve.asks('get', info()), 'muc#roominfo_subject'), 'tea');
  await rig.close();
});

test('who is in is told to who is in (§6.5), and the own nickname to who registered one (§7.12)', async () => {
  const rig = await Rig.open();
  const [alice] = await rig.gather('alice', 'bob', 'carol');
  const eve = rig.client('eve@far.example/x');
  const nicks = (text: string) => [...text.matchAll(/jid="[^"]*\/(\w+)"/g)].map(([, nick]) => nick);
  assert.deepEqual(nicks(await alice!.asks('get', items())), ['alice', 'bob', 'carol']);
  assert.deepEqual(nicks(await alice!.asks('get', items(page('<max>1</max><after>alice</after>')))), ['bob']);
  assert.deepEqual(nicks(await alice!.asks('get', items(page('<max>2</max><before/>')))), ['bob', 'carol']);
  assert.match(await eve.asks('get', items()), /<query xmlns="[^"]*"\/>/);
  const node = 'x-roomuser-item';
  assert.match(await eve.asks('get', info(node)), /<query [^>]*node="x-roomuser-item"\/>/);
  await affiliate(rig, 'eve@far.example', 'member', { nick: 'Eve' });
  assert.match(await eve.asks('get', info(node)), /node="x-roomuser-item"><identity [^>]*name="Eve"/);
  assert.equal(refusal(await eve.asks('get', info('other'))), 'item-not-found');
  assert.equal(refusal(await eve.asks('get', info(), `${cave}/alice`)), 'bad-request');
  await rig.close();
});

test('pages of rooms are the rooms, whatever their size and direction', async () => {
  const rig = await Rig.open();
  const alice = rig.client('alice@example.org/home');
  const eve = rig.client('eve@far.example/x');
  const names = ['b', 'zz', 'a', 'é', 'c1', 'c', 'ß', '漢', 'c2', '0', 'ω', 'm'];
  await rooms(alice, names);
  const hidden = names.filter((_, n) => n % 3 === 0);
  for (const name of hidden)
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    await configure(rig, { public: false }, `${name}@${host}`);
  const ordered = names.toSorted((a, b) => Buffer.compare(Buffer.from(`${a}@`), Buffer.from(`${b}@`)));
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 14 }),
      fc.boolean(),
      fc.boolean(),
      async (max, back, known) => {
        const wanted = ordered.filter((name) => known || !hidden.includes(name));
        const seen: string[] = [];
        let place = back ? '<before/>' : '';
        for (let pages = 0; pages <= names.length; pages++) {
          // oxlint-disable-next-line no-await-in-loop -- a page after the other
          const answer = await (known ? alice : eve).asks(
            'get',
            items(page(`<max>${max}</max>${place}`)),
            host,
          );
          assert.match(answer, new RegExp(`<count>${wanted.length}</count>`));
          const told = jids(answer);
          if (told.length === 0) break;
          if (back) seen.unshift(...told);
          else seen.push(...told);
          const [first, last] = ['first', 'last'].map(
            (end) => new RegExp(`<${end}[^>]*>([^<]*)<`).exec(answer)![1],
          );
          place = back ? `<before>${first}</before>` : `<after>${last}</after>`;
        }
        assert.deepEqual(seen, wanted);
      },
    ),
    { numRuns: 40 },
  );
  await rig.close();
});
