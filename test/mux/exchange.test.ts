import assert from 'node:assert/strict';
import { test } from 'node:test';
import { b64, header, Rig, type Client } from './rig.ts';

const sasl = 'urn:ietf:params:xml:ns:xmpp-sasl';
const first = 'n,,n=alice,r=abc';
const failure = `<failure xmlns="${sasl}"><temporary-auth-failure/></failure>`;

interface Stage {
  readonly rig: Rig;
  readonly client: Client;
  readonly conn: number;
}

/** A SCRAM exchange whose challenge has come: it is the client's turn. */
function challenged(): Stage {
  const rig = new Rig();
  const client = rig.connect();
  client.send(header);
  client.send(`<auth xmlns='${sasl}' mechanism='SCRAM-SHA-256'>${b64(first)}</auth>`);
  const { conn } = rig.one('auth');
  client.read();
  rig.say({ t: 'challenge', conn, data: Buffer.from('r=abcdef') });
  assert.equal(client.read(), `<challenge xmlns="${sasl}">${b64('r=abcdef')}</challenge>`);
  return { rig, client, conn };
}

function answer({ client }: Stage): void {
  client.send(`<response xmlns='${sasl}'>${b64('c=biws')}</response>`);
}

/** The partition is b's now. */
function moved({ rig }: Stage): void {
  rig.mesh.up('b/1');
  rig.routes.set({ partition: 7, epoch: 2, server: 'b/1' });
  rig.clock.tick();
}

/** Whether b hears all of the exchange and lets the client in. */
function goesOn({ rig, client, conn }: Stage): void {
  const auth = rig.one('auth', 'b/1');
  assert.equal(auth.epoch, 2);
  assert.equal(Buffer.from(auth.data!).toString(), first);
  assert.equal(Buffer.from(auth.past!.challenge).toString(), 'r=abcdef');
  assert.equal(Buffer.from(auth.past!.answer).toString(), 'c=biws');
  assert.equal(client.read(), '', 'nobody says anything of it to the client');
  const account = 'alice@example.org';
  rig.say({ t: 'authed', conn, account, proof: 'p', data: Buffer.from('v=x') }, 'b/1', 2);
  assert.equal(client.read(), `<success xmlns="${sasl}">${b64('v=x')}</success>`);
}

test('an owner that dies while it looks at the answer is followed by the next one', () => {
  const stage = challenged();
  const { rig } = stage;
  answer(stage);
  rig.one('auth-next');
  rig.routes.set(undefined);
  rig.mesh.down('a/1');
  rig.clock.tick();
  moved(stage);
  goesOn(stage);
});

test('an owner that dies while the client thinks is followed by the next one, which need not be there yet', () => {
  for (const steps of [
    [moved, answer],
    [answer, moved],
  ]) {
    const stage = challenged();
    stage.rig.routes.set(undefined);
    stage.rig.mesh.down('a/1');
    stage.rig.clock.tick();
    for (const step of steps) step(stage);
    goesOn(stage);
  }
});

test('a partition that is handed over takes its exchanges along', () => {
  for (const steps of [
    [moved, answer],
    [answer, moved],
  ]) {
    const stage = challenged();
    for (const step of steps) step(stage);
    goesOn(stage);
  }
});

test('an owner that begins anew is not gone on with', () => {
  const stage = challenged();
  const { rig, client, conn } = stage;
  answer(stage);
  rig.routes.set(undefined);
  rig.mesh.down('a/1');
  moved(stage);
  rig.one('auth', 'b/1');
  rig.say({ t: 'challenge', conn, data: Buffer.from('r=abcxyz') }, 'b/1', 2);
  assert.equal(client.read(), failure);
  rig.one('gone', 'b/1');
});

test('what a client has to do after its proof is known to that owner alone', () => {
  const stage = challenged();
  const { rig, client, conn } = stage;
  answer(stage);
  // With SASL of RFC 6120 nothing can be asked for after the proof.
  const more = { mechanism: 'SCRAM-SHA-512', salt: new Uint8Array(16), iterations: 4096, data: undefined };
  rig.say({ t: 'continue', conn, ...more });
  assert.equal(client.read(), failure);
  rig.mesh.down('a/1');
  moved(stage);
  assert.deepEqual(rig.frames('b/1'), []);
});
