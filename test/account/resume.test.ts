import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { adoptRecord, attach } from '../../src/account/attach.ts';
import { carriedOf } from '../../src/account/carry.ts';
import { receiveStanza } from '../../src/account/inbound.ts';
import { Stay } from '../../src/account/hall/stay.ts';
import { resume } from '../../src/account/resume.ts';
import { parseStored } from '../../src/xmpp/parser.ts';
import { Failure } from '../../src/base/failure.ts';
import { systemRandom, token } from '../../src/base/random.ts';
import type { Session } from '../../src/account/session.ts';
import { hashOf, previdOf, ticketFor } from '../../src/account/ticket.ts';
import type { Attach, Resume } from '../../src/link/frames.ts';
import { Scheduler } from '../../sim/scheduler.ts';
import { NS } from '../../src/xmpp/namespaces.ts';
import { until } from '../mesh/rig.ts';
import { Rig, type Client } from './rig.ts';

const secret = token(systemRandom);

interface Said {
  readonly t: string;
  readonly conn: number;
  readonly generation: number;
  readonly m: number;
  readonly text: string;
  readonly answers: number;
}

void describe('a session that is resumed (XEP-0198 §5)', () => {
  let rig: Rig;
  let phone: Client;
  let said: Said[];
  beforeEach(async () => {
    rig = await Rig.open();
    phone = await rig.login('alice', 'phone');
    phone.session.token = hashOf(secret);
    phone.session.enabled = { n: 0, m: 0 };
    said = [];
    const mesh = {
      self: 'one/1',
      peers: () => ['mux/1'],
      send: (_: string, __: string, frame: Said) => said.push(frame),
    };
    Object.assign(phone.session.partition.env, { mesh, secret: new Uint8Array(32) });
  });
  afterEach(() => rig.close());

  const ask = (conn: number, h = phone.session.unacked.m) => {
    const { session } = phone;
    const previd = previdOf(session.id, secret);
    const frame = { t: 'resume', conn, previd, h } as Resume;
    session.account.mailbox.run(() => resume(session.account, 'mux/1', frame));
  };
  const answers = () =>
    said.filter(({ t }) => t === 'resumed' || t === 'unresumed').map(({ t, conn }) => `${t} ${conn}`);

  void it('asked for twice by one connection while its commit is under way, is given to it once', async () => {
    // Something to commit first, so that the answer waits.
    phone.send('<message to="bob@example.org" type="chat" id="1"><body>1</body></message>');
    ask(7);
    ask(7);
    await rig.still();
    assert.deepEqual(answers(), ['resumed 7']);
    ask(7);
    await rig.still();
    assert.deepEqual(answers(), ['resumed 7', 'resumed 7'], 'later it is another resumption');
  });

  void it('goes to the last connection that asks, and the others are told', async () => {
    phone.send('<message to="bob@example.org" type="chat" id="1"><body>1</body></message>');
    ask(7);
    ask(8);
    await rig.still();
    assert.deepEqual(answers(), ['unresumed 7', 'resumed 8']);
  });

  // The later one may look just when the last mux has reported, and the earlier one a moment after.
  void it('waits for the muxes in the order of the connections that ask', async () => {
    const { partition } = phone.session;
    const scheduler = new Scheduler();
    let reported = false;
    const muxes = { settled: () => reported, list: () => [] };
    Object.assign(partition.env, { clock: scheduler.clock(), muxes });
    Object.assign(partition, { began: 0 });
    const went: number[] = [];
    const come = (number: number) => void partition.reports().then(() => went.push(number));
    come(1);
    await scheduler.run(10);
    come(2);
    await scheduler.run(25);
    reported = true;
    await scheduler.run(100);
    assert.deepEqual(went, [1, 2]);
  });

  // Both have what the client sent and nobody accepted: the one that had it last comes a moment later.
  void describe('and is shown by two muxes to a new owner', () => {
    let sent: string[];
    beforeEach(async () => {
      await rig.crash();
      sent = [];
      const send = (to: string, _: string, { t, text }: Said) =>
        void (t === 'out' && sent.push(`${to} ${text}`));
      const mesh = { self: 'one/1', peers: () => ['mux/1', 'mux/2'], send };
      Object.assign(rig.partition.env, { mesh, secret: new Uint8Array(32) });
    });

    const show = async (mux: string, generation: number, xml: string, open: Attach['open'] = []) => {
      const { partition } = rig;
      const account = await rig.account('alice');
      const [session] = account.sessions;
      const { id, resource } = session!;
      const frame = {
        ...{ t: 'attach', partition: partition.id, epoch: partition.epoch, session: id, generation },
        ticket: ticketFor(partition.env, mux, id, account.address, generation),
        ...{ account: account.address, resource, handled: shown, record: '', m: 0, acked: 0 },
        ...{ enabled: { n: 0, m: 0 }, feeds: [], unacked: [], open },
      } as unknown as Attach;
      account.mailbox.run(() => attach(account, mux, frame, assert.fail));
      account.mailbox.run(() => receiveStanza(session!, shown + 1, parseStored(xml)));
    };
    let shown = 0;
    beforeEach(async () => (shown = (await rig.account('alice')).sessions[0]!.committedN));

    void it('takes once what it sent', async () => {
      const xml = '<message to="bob@example.org" type="chat" id="1"><body>hello</body></message>';
      await show('mux/1', 1, xml);
      await show('mux/2', 2, xml);
      await rig.still();
      const kept = rig.model.rows(`select 1 from message where xml like '%hello%' and direction = 1`);
      assert.equal(kept.length, 1);
    });

    void it('is there for its contacts although the store cannot be asked for an answer, which comes later', async (t) => {
      const { env, refresher } = rig.partition;
      const refreshed: string[] = [];
      t.mock.method(refresher, 'refresh', ({ resource }: Session) => void refreshed.push(resource));
      const query: typeof env.store.query = env.store.query.bind(env.store);
      let away = true;
      const failing = (...asked: Parameters<typeof query>) =>
        away && asked[0].text.includes('from answer')
          ? Promise.reject(new Failure('store-unavailable', 'away'))
          : query(...asked);
      t.mock.method(env.store, 'query', failing);
      const ping = `<iq type="get" id="2"><ping xmlns="${NS.ping}"/></iq>`;
      shown = 1;
      await show('mux/1', 1, '<presence/>', [{ n: shown, stanza: parseStored(ping) }]);
      await rig.still();
      assert.deepEqual([refreshed, sent.filter((text) => text.includes('id="2"'))], [['phone'], []]);
      away = false;
      await until(() => sent.some((text) => text.includes('id="2"')));
    });

    void it('gives the last one what it had answered the other', async () => {
      const xml = `<iq type="get" id="2"><ping xmlns="${NS.ping}"/></iq>`;
      await show('mux/1', 1, xml);
      await rig.still();
      await show('mux/2', 2, xml);
      await rig.still();
      const answers = sent.filter((text) => text.includes('id="2"'));
      assert.deepEqual(
        answers.map((text) => text.slice(0, 5)),
        ['mux/1', 'mux/2'],
      );
    });
  });

  // A mux that was frozen shows its record late: the numbers go on from what the client has said.
  void it('does not go back to an older record that comes while it is resumed', async () => {
    const { session } = phone;
    const { account, partition, resource, id } = session;
    Object.assign(session, { dormant: true, mirrored: 0, generation: 2, mux: undefined });
    session.unacked.begin(0, 0);
    session.taken = session.inN = session.committedN + 1;
    ask(7, 150);
    const frame = {
      ...{ t: 'attach', partition: partition.id, epoch: partition.epoch, session: id, generation: 1 },
      ticket: ticketFor(partition.env, 'mux/2', id, account.address, 1),
      ...{ account: account.address, resource, handled: 0, record: '', m: 140, acked: 140 },
      ...{ enabled: { n: 0, m: 0 }, feeds: [], unacked: [], open: [] },
    } as unknown as Attach;
    account.mailbox.run(() => attach(account, 'mux/2', frame, () => {}));
    await rig.still();
    said = [];
    session.send('<message id="next"/>');
    assert.deepEqual(
      said.map(({ t, m }) => [t, m]),
      [['out', 151]],
    );
  });

  // Else its h, which counts what a lost link brought, acknowledges what nobody has sent it.
  void it('whose newest record died with its mux and owner is sent what was meant for it meanwhile', async () => {
    const { session } = phone;
    const { m } = session.unacked;
    const { mirrored: generation } = session;
    adoptRecord(session, {
      generation,
      handled: session.committedN,
      record: session.record(),
      m,
      acked: m,
      enabled: session.enabled,
      feeds: [],
      unacked: [],
    });
    session.mux = undefined;
    session.send('<message id="one"/>');
    session.send('<message id="two"/>');
    ask(7, m + 3);
    await rig.still();
    said = [];
    // Its answer was lost.
    ask(8, m + 3);
    await rig.still();
    const sent = said.filter(({ t }) => t === 'out').map(({ m: at, text }) => [at, text]);
    assert.deepEqual(sent, [
      [m + 4, '<message id="one"/>'],
      [m + 5, '<message id="two"/>'],
    ]);
    ask(9, m + 6);
    await rig.still();
    assert.deepEqual(answers(), ['resumed 8', 'unresumed 9'], 'now it is known what was sent');
  });

  // Else it is numbered like what the client had from the link that died, and dropped as that.
  void it('of which only the row is left is sent what was meant for it since, behind what its client counted', async () => {
    const { session } = phone;
    session.mux = undefined;
    session.dormant = true;
    session.unacked.begin(0, 0);
    session.send('<message id="one"/>');
    session.send('<message id="two"/>');
    ask(7, 40);
    ask(8, 40);
    await rig.still();
    const [resumed] = said.filter(({ t }) => t === 'resumed');
    assert.equal(resumed?.m, 40);
    assert.deepEqual(
      said.filter(({ t }) => t === 'out').map(({ m, text }) => [m, text]),
      [
        [41, '<message id="one"/>'],
        [42, '<message id="two"/>'],
      ],
    );
  });

  // A mux shows the link before the last, whose mux and owner died: its client acknowledged more since.
  void it('keeps what its row knows to be acknowledged, whatever an older record says', () => {
    const { session } = phone;
    session.dormant = true;
    session.generation = session.stored = 2;
    session.committedN = 9;
    session.cursor.pos = session.cursor.ackedPos = 70;
    session.cursor.rpos = session.cursor.ackedRpos = 71;
    session.rowPlaces = session.places = new Map([
      ['m:attic@conference.example.org', 72],
      ['p:attic@conference.example.org', 73],
    ]);
    const shown = (generation: number, handled: number, feeds: [string, number][]) =>
      adoptRecord(session, {
        ...{ generation, handled, feeds, record: '{}', m: 5, acked: 4, enabled: session.enabled },
        unacked: [{ m: 5, text: '<message/>', feed: 'a', pos: 60 }],
      });
    shown(1, 8, [
      ['a', 60],
      ['r', 61],
      ['m:attic@conference.example.org', 62],
      ['p:attic@conference.example.org', 63],
      ['m:cellar@conference.example.org', 64],
    ]);
    const known = [
      ['a', 70],
      ['s', 0],
      ['r', 71],
      ['m:attic@conference.example.org', 72],
      ['p:attic@conference.example.org', 73],
    ];
    assert.deepEqual(session.cursor.feeds(), known, 'nothing is taken back, and it left the cellar since');
    session.directed = new Set(['garden@conference.example.org/alice']);
    shown(1, 8, [['m:garden@conference.example.org', 75]]);
    const garden = session.cursor.feeds().find(([feed]) => feed === 'm:garden@conference.example.org');
    assert.equal(garden?.[1], 75, 'it is in the garden, and has not acknowledged that');
    session.acknowledge(5);
    assert.equal(session.cursor.ackedPos, 70, 'nor by the acknowledgement of what came before');
    shown(2, 9, [['m:attic@conference.example.org', 80]]);
    assert.deepEqual(session.cursor.feeds().slice(3), [['m:attic@conference.example.org', 80]]);
    shown(3, 9, [['m:attic@conference.example.org', 78]]);
    const attic = session.cursor.feeds().slice(3);
    assert.deepEqual(
      attic,
      [['m:attic@conference.example.org', 78]],
      'what an older link was sent says nothing',
    );
  });

  // Two muxes show their links one after the other: what the first one brought is under way when the second one comes.
  void it('takes nothing twice that two links of it bring', async () => {
    const { session } = phone;
    const { committedN } = session;
    await rig.still();
    phone.send('<message to="bob@example.org" type="chat" id="1"><body>1</body></message>');
    adoptRecord(session, {
      ...{
        generation: session.generation + 1,
        handled: committedN,
        record: session.record(),
        m: 0,
        acked: 0,
      },
      ...{ enabled: session.enabled, feeds: [], unacked: [] },
    });
    const again = parseStored('<message to="bob@example.org" type="chat" id="1"><body>1</body></message>');
    session.account.mailbox.run(() => receiveStanza(session, committedN + 1, again));
    await rig.still();
    const [rows] = rig.model.rows<{ n: number }>(
      `select count(*) as n from message where xml like '%<body>1<%'`,
    );
    assert.equal(rows!.n, 2, 'at Alice’s and at Bob’s');
  });

  // Else the next owner asks the room, which puts it out once more when it may be about to come in again.
  void it('is out of a room at the next owner once it acknowledges what the last one told it', () => {
    const { session } = phone;
    const [attic, cellar] = ['attic@conference.example.org', 'cellar@conference.example.org'];
    const left: string[] = [];
    Object.assign(session.partition, {
      halls: { left: (one: Session, room: string) => void (one.outs?.has(room) === true && left.push(room)) },
    });
    const over = { text: '<presence/>', pos: -1 };
    const { generation, committedN: handled, enabled } = session;
    adoptRecord(session, {
      ...{ generation, handled, record: '{}', m: 3, acked: 0, enabled, feeds: [] },
      unacked: [
        { ...over, m: 1, feed: `p:${attic}` },
        { ...over, m: 2, feed: `p:${cellar}` },
        { m: 3, text: '<presence/>', feed: `p:${cellar}`, pos: 5 },
      ],
    });
    session.acknowledge(3);
    assert.deepEqual(left, [attic], 'it has come into the cellar again');
    session.stored = generation + 1;
    adoptRecord(session, {
      ...{ generation, handled, record: '{}', m: 1, acked: 0, enabled, feeds: [] },
      unacked: [{ ...over, m: 1, feed: `p:${attic}` }],
    });
    session.acknowledge(1);
    assert.deepEqual(left, [attic], 'of the link after that its row knows');
    Object.assign(session.partition, { halls: undefined });
  });

  // An older record came first, and what was said since went to the mux of that.
  void it('hears in its rooms again what a newer record does not have', () => {
    const { session } = phone;
    const room = 'attic@conference.example.org';
    const stay = new Stay(session, { nick: 'alice', sees: false }, 5, 50, 50);
    Object.assign(stay, { pos: 9, v: 60, live: true, known: true });
    session.stays = new Map([[room, stay]]);
    const { generation, committedN: handled, enabled } = session;
    const record = { generation, handled, record: '{}', m: 3, acked: 3, enabled, feeds: [], unacked: [] };
    adoptRecord(session, record);
    assert.deepEqual([stay.pos, stay.v, stay.live, stay.known], [5, 50, false, true]);
    stay.ackedPos = -1;
    adoptRecord(session, record);
    assert.equal(stay.known, false, 'the room is asked');
    session.stays = undefined;
  });

  void it('that reads what its mux brings has no other one: it has not had more than it was sent', async () => {
    const { session } = phone;
    const { m } = session.unacked;
    session.takenOver = m;
    session.linked = true;
    session.send('<message id="one"/>');
    session.acknowledge(m + 1);
    ask(7, m + 3);
    await rig.still();
    assert.deepEqual(answers(), ['unresumed 7']);
  });

  void it('counts what no connection carried behind what its client has counted, also at the next owner', async () => {
    const { session } = phone;
    const { generation, committedN: handled, enabled } = session;
    const { m } = session.unacked;
    const sent = (at: number) => ({ m: at, text: `<message id="${at - m}"/>`, feed: undefined, pos: 0 });
    const unacked = [sent(m + 1)];
    adoptRecord(session, {
      generation,
      handled,
      record: '{}',
      m: m + 1,
      acked: m,
      enabled,
      feeds: [],
      unacked,
    });
    // Its connection is gone.
    session.send('<message id="2"/>');
    session.send('<message id="3"/>');
    const [carried] = carriedOf(rig.partition).filter((one) => one.session === session.id);
    adoptRecord(session, carried!.record!);
    session.lift(m + 2);
    session.acknowledge(m + 2);
    assert.deepEqual(
      [...session.unacked].map(({ text }) => text),
      ['<message id="2"/>', '<message id="3"/>'],
    );
    session.acknowledge(m + 4);
  });

  void it('runs a request that failed no second time, where its mux asks again and the answer is on its way', async () => {
    const { session } = phone;
    const bad = '<iq type="set" id="b"><nothing xmlns="urn:example"/></iq>';
    await phone.says(bad);
    const n = session.inN;
    await phone.says('<message to="bob@example.org" type="chat"><body>1</body></message>');
    said = [];
    session.account.mailbox.run(() => receiveStanza(session, n, parseStored(bad)));
    await rig.still();
    assert.deepEqual(
      said.filter(({ t }) => t === 'out').map(({ text }) => text),
      [],
    );
  });

  void it('is sent again what its mux has not got, with the number of the request that it answers', async () => {
    const { session } = phone;
    session.mux = undefined;
    await phone.says(
      `<iq type="set" id="b"><block xmlns="${NS.blocking}"><item jid="bob@example.org"/></block></iq>`,
    );
    const n = session.inN;
    session.mux = 'mux/1';
    session.resend();
    const result = said.find(({ t, text }) => t === 'out' && text.includes('id="b"'));
    assert.equal(result?.answers, n);
  });
});
