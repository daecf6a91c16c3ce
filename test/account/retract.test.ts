import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { NS } from '../../src/xmpp/namespaces.ts';
import { parseStored } from '../../src/xmpp/parser.ts';
import { Rig, type Client } from './rig.ts';

const bob = 'bob@example.org';
const retract = (id: string, by = 'r1') =>
  `<message to="${bob}" type="chat" id="${by}"><retract xmlns="${NS.retract}" id="${id}"/><body>retracted</body></message>`;

void describe('a retracted message (XEP-0424 §5, §6)', () => {
  let rig: Rig;
  let a: Client;
  let b: Client;
  beforeEach(async () => {
    rig = await Rig.open();
    a = await rig.login('alice', 'phone');
    b = await rig.login('bob', 'desk');
    await a.says(
      `<message to="${bob}" type="chat" id="m1"><body>oops</body><x xmlns="urn:leak">oops</x></message>`,
    );
  });
  afterEach(() => rig.close());
  const archive = (local: string) =>
    rig.model
      .rows<{ xml: string }>(
        'select m.xml from message m join account a on a.id = m.account and a.partition = m.partition where a.address = ?1 order by m.id',
        `${local}@example.org`,
      )
      .map(({ xml }) => xml);

  void it('is a tombstone in both archives, beside its retraction', async () => {
    await a.says(retract('m1'));
    for (const local of ['alice', 'bob']) {
      const [stone, retraction, more] = archive(local);
      assert.equal(more, undefined);
      assert.ok(!stone!.includes('oops'), stone);
      const { attrs, children } = parseStored(stone!);
      assert.deepEqual([attrs['id'], attrs['from'], attrs['to']], ['m1', 'alice@example.org/phone', bob]);
      const [retracted, other] = children;
      assert.ok(other === undefined && typeof retracted === 'object');
      assert.ok(retracted.is('retracted', NS.retract));
      assert.equal(retracted.attrs['id'], 'r1');
      assert.match(retracted.attrs['stamp']!, /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
      assert.match(retraction!, /<retract /);
    }
    b.take();
    await b.asks('set', `<query xmlns="${NS.mam}"/>`);
    const told = b.take().join();
    assert.match(told, /<retracted /);
    assert.ok(!told.includes('oops'));
  });

  void it('in the same breath', async () => {
    a.send(`<message to="${bob}" type="chat" id="m2"><body>oops</body></message>`);
    await a.says(retract('m2'));
    assert.ok(!archive('bob')[1]!.includes('oops'));
  });

  void it('does not come out of the spool as it was', async () => {
    await rig.end(b);
    await a.says(`<message to="${bob}" type="chat" id="m3"><body>secret</body></message>`);
    await a.says(retract('m3'));
    b = await rig.login('bob', 'again');
    await rig.still();
    assert.ok(!archive('bob').join().includes('secret'));
  });

  void it('only by its author, and only once', async () => {
    const eve = await rig.login('carol', 'c');
    await eve.says(retract('m1'));
    await b.says(
      `<message to="alice@example.org" type="chat" id="r1"><retract xmlns="${NS.retract}" id="m1"/></message>`,
    );
    for (const local of ['alice', 'bob']) assert.match(archive(local)[0]!, /oops/, local);
    await a.says(retract('m1', 'r1'));
    await a.says(retract('m1', 'r2'));
    assert.match(archive('bob')[0]!, /id="r1"/);
    // A retraction stays.
    await a.says(retract('r1', 'r3'));
    assert.match(archive('alice').join(), /<retract [^>]*id="m1"/);
  });

  void it('what is not there, or has no name, is retracted by clients alone', async () => {
    for (const id of ['none', '', "m1' or '1'='1", 'm%', 'm_', '&quot;']) await a.says(retract(id));
    await a.says(`<message to="${bob}" type="chat"><retract xmlns="${NS.retract}" id="m1"/></message>`);
    await a.says(`<message to="${bob}" type="chat" id="x"><retract xmlns="${NS.retract}"/></message>`);
    for (const local of ['alice', 'bob']) assert.match(archive(local)[0]!, /oops/, local);
    assert.equal(archive('bob').length, 9);
  });

  void it('those of a room’s occupants by the same occupant alone (§6)', async () => {
    const x = `<x xmlns="${NS.mucUser}"/>`;
    const room = 'r@far.example';
    const say = (nick: string, inner: string, n: number) =>
      rig.arrives(
        'alice',
        `<message from="${room}/${nick}" to="alice@example.org/phone" type="chat" id="i${n}">${inner}</message>`,
        { source: 9, n, k: 0 },
        0,
      );
    await say('n1', `<body>whisper</body>${x}`, 1);
    await say('n2', `<retract xmlns="${NS.retract}" id="i1"/>${x}`, 2);
    assert.match(archive('alice').join(), /whisper/);
    await say('n1', `<retract xmlns="${NS.retract}" id="i1"/>${x}`, 3);
    assert.ok(!archive('alice').join().includes('whisper'));
  });
});
