import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { header, link, plainAuth, Rig } from './rig.ts';

const inactive = '<inactive xmlns="urn:xmpp:csi:0"/>';
const active = '<active xmlns="urn:xmpp:csi:0"/>';
const ping = '<iq type="get" id="p"><ping xmlns="urn:xmpp:ping"/></iq>';
const frames = (rig: Rig, to?: string) =>
  rig.frames(to).map((frame) => (frame.t === 'csi' ? `csi ${frame.inactive}` : frame.t));

void describe('client state (XEP-0352)', () => {
  void it('is offered once the client has authenticated (§4.1)', () => {
    const rig = new Rig();
    const client = rig.connect();
    client.send(header);
    rig.clock.tick();
    assert.doesNotMatch(client.read(), /<csi /);
    client.send(plainAuth('alice'));
    const { conn } = rig.one('auth');
    rig.say({ t: 'authed', conn, account: 'alice@example.org', proof: 'p', data: undefined });
    client.read();
    client.send(header);
    rig.clock.tick();
    assert.match(client.read(), /<csi xmlns="urn:xmpp:csi:0"\/>/);
  });

  void it('comes to the owner in the order of the stanzas, and nothing answers it (§5.1)', () => {
    const rig = new Rig();
    const client = rig.login();
    client.send(ping + inactive + ping + active + ping);
    assert.deepEqual(frames(rig), ['stanza', 'csi true', 'stanza', 'csi false', 'stanza']);
    client.send(inactive);
    assert.deepEqual(frames(rig), ['csi true']);
    assert.equal(client.read(), '');
  });

  void it('a change of mind within a tick costs one frame, a repetition none', () => {
    const rig = new Rig();
    const client = rig.login();
    client.send(active + active);
    assert.deepEqual(frames(rig), []);
    client.send((inactive + active).repeat(100) + inactive);
    assert.deepEqual(frames(rig), ['csi true']);
    client.send(inactive);
    assert.deepEqual(frames(rig), []);
  });

  void it('a new owner learns it behind what was not handled', () => {
    const rig = new Rig();
    const client = rig.login();
    client.send(inactive + ping);
    rig.frames();
    rig.mesh.down('a/1');
    rig.mesh.up('b/1');
    rig.routes.set({ partition: 7, epoch: 2, server: 'b/1' });
    assert.deepEqual(frames(rig, 'b/1'), ['attach', 'stanza', 'csi true']);
    // Nobody to tell: it is told when there is somebody.
    rig.mesh.down('b/1');
    client.send(active);
    rig.mesh.up('c/1');
    rig.routes.set({ partition: 7, epoch: 3, server: 'c/1' });
    assert.deepEqual(frames(rig, 'c/1'), ['attach', 'stanza', 'csi false']);
  });

  void it('a resumed stream begins active (§5.2)', () => {
    const rig = new Rig();
    const client = rig.authenticate();
    client.send("<resume xmlns='urn:xmpp:sm:3' previd='x' h='0'/>");
    const { conn } = rig.one('resume');
    rig.say({
      t: 'resumed',
      conn,
      ...link(100, 2),
      n: 0,
      enabledN: 0,
      enabledM: 0,
      m: 0,
      previd: 'x',
      record: '{"i":1}',
      feeds: [],
      open: [],
    });
    client.read();
    client.send(active);
    assert.deepEqual(frames(rig), []);
    client.send(inactive);
    assert.deepEqual(frames(rig), ['csi true']);
  });

  void it('before there is a session, or as something else, it ends the stream', () => {
    const rig = new Rig();
    const early = rig.connect();
    early.send(header + inactive);
    rig.clock.tick();
    assert.match(early.read(), /not-authorized/);
    const odd = rig.login();
    odd.send('<asleep xmlns="urn:xmpp:csi:0"/>');
    rig.clock.tick();
    assert.match(odd.read(), /unsupported-stanza-type/);
  });
});
