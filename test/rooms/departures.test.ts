import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fixed } from '../../src/base/fixed.ts';
import type { ToHall } from '../../src/link/rooms.ts';
import { hearReport } from '../../src/rooms/reports.ts';
import { open } from './forms.ts';
import { cave, type Client, type Rig } from './rig.ts';

void describe('departures', () => {
  void it('that nobody was told of are told by the next owner, also of a nickname that was changed', async () => {
    await using rig = await open();
    const [alice, bob] = (await rig.gather('alice', 'bob')) as [Client, Client];
    rig.deaf = true;
    await bob.says(`<presence to="${cave}/robert"/>`);
    rig.deaf = false;
    await rig.restart();
    const told = alice.take();
    assert.ok(
      told.some((text) => text.includes('/bob"') && text.includes('type="unavailable"')),
      told.join('\n'),
    );
    assert.ok(told.some((text) => text.includes('/robert"') && !text.includes('unavailable')));
  });

  // Its row says that it is in: whoever sees it by the old one, and has moved to a server that never did, is told by nobody.
  void it('are kept of a nickname that is nobody’s since, also of who has come in again by another one', async () => {
    await using rig = await open();
    const [, bob] = (await rig.gather('alice', 'bob')) as [Client, Client];
    await bob.leaves('bob');
    await bob.says(`<presence to="${cave}/robert"><x xmlns="http://jabber.org/protocol/muc"/></presence>`);
    await rig.restart();
    const room = await rig.room();
    const { partition } = rig;
    const told: ToHall[] = [];
    const { mesh } = partition.env;
    const send = mesh.send.bind(mesh);
    mesh.send = (to, service, frame) =>
      to === 'other' ? void told.push(frame as ToHall) : send(to, service, frame);
    const head = { partition: partition.id, epoch: partition.epoch, room: room.address };
    hearReport(partition, 'other', { t: 'report', ...head, number: 1, stays: [] });
    await rig.still();
    const shown = told.flatMap((frame) => (frame.t === 'mirror' ? frame.shown : []));
    assert.deepEqual(
      shown.map(({ nick, gone }) => `${nick} ${gone === true ? 'is gone' : 'is there'}`),
      ['alice is there', 'bob is gone', 'robert is there'],
    );
  });

  // Else nobody tells it that it is out, once the server that speaks for it is not heard of any more.
  void it('are told where the session is, whatever its last owner says that does not know better', async () => {
    await using rig = await open();
    const [, bob] = (await rig.gather('alice', 'bob')) as [Client, Client];
    const room = await rig.room();
    const stays = [{ jid: bob.jid.full, epoch: 0, nick: 'bob' }];
    const { partition } = rig;
    const head = { partition: partition.id, epoch: partition.epoch, room: cave };
    hearReport(partition, 'stale', { t: 'report', ...head, number: 1, stays });
    hearReport(partition, 'stale', { t: 'absent', ...head, sessions: stays });
    await rig.still();
    room.company.lost('stale');
    assert.match((await bob.leaves('bob')).join(), /type="unavailable".*code="110"/);
  });

  void it('of one session by many nicknames are bounded', async () => {
    await using rig = await open();
    const [alice, bob] = (await rig.gather('alice', 'bob')) as [Client, Client];
    for (let n = 0; n < fixed.departures.value * 2; n++) bob.send(`<presence to="${cave}/b${n}"/>`);
    await rig.still();
    const told = await retold(rig, alice);
    assert.ok(told <= fixed.departures.value, `${told} departures`);
    assert.ok(told >= fixed.departures.value / 2, `${told} departures`);
  });

  void it('of many sessions by one nickname leave a bounded number of rows', async () => {
    await using rig = await open();
    const [alice] = (await rig.gather('alice')) as [Client];
    for (let n = 0; n < fixed.departures.value * 2; n++) {
      const bob = rig.client(`bob@example.org/${n}`);
      bob.send(`<presence to="${cave}/bob"><x xmlns="http://jabber.org/protocol/muc"/></presence>`);
      bob.send(`<presence to="${cave}/bob" type="unavailable"/>`);
      if (n % 100 === 0) await rig.still();
    }
    await rig.still();
    const [row] = rig.model.rows<{ n: number }>('select count(*) as n from room_occupant where gone = 1');
    assert.ok(row!.n <= fixed.departures.value, `${row!.n} rows`);
    assert.equal(await retold(rig, alice), 1);
  });
});

/** Departures of which a server that comes new is told. */
async function retold(rig: Rig, { jid }: Client): Promise<number> {
  const room = await rig.room();
  rig.frames.length = 0;
  room.company.report('one', {
    t: 'report',
    partition: rig.partition.id,
    epoch: rig.partition.epoch,
    room: cave,
    number: 77,
    stays: [{ jid: jid.full, epoch: 1, nick: 'alice' }],
  })();
  return rig.frames
    .flatMap((frame) => (frame.t === 'mirror' ? frame.shown : []))
    .filter(({ gone }) => gone === true).length;
}
