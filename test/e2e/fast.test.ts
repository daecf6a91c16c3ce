import assert from 'node:assert/strict';
import { createHash, createHmac, randomUUID } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { openTarget, type Target } from './server.ts';
import { encode, enterAt, fast, plainBind, quiet, sasl2, sm, Speaker, whole } from './sasl2.ts';
import { expectElement, type Way } from './stream.ts';
import { attr, child, children, text } from './xml.ts';
import type { Wire } from './wire.ts';

const none = 'HT-SHA-256-NONE';
const wantToken = `<request-token xmlns='${fast}' mechanism='${none}'/>`;
const using = (more = '') => `<fast xmlns='${fast}'${more}/>`;

/** What both ends export (RFC 9266), or the server's certificate (RFC 5929). */
function bindingOf({ secured }: Wire, type: 'tls-exporter' | 'tls-server-end-point'): Buffer {
  return type === 'tls-exporter'
    ? secured.exportKeyingMaterial(32, 'EXPORTER-Channel-Binding', Buffer.alloc(0))
    : createHash('sha256').update(secured.getPeerCertificate().raw).digest();
}

void describe('tokens for fast logins (XEP-0484)', () => {
  let target: Target;
  let made = 0;
  const names = Array.from({ length: 20 }, (_, n) => `f${n}`);
  const fresh = (): string => names[made++]!;
  const open = (user: string, way?: Way) => Speaker.open(target, user, way);
  const enter = (user: string, agent: string, more: string) => enterAt(target, user, agent, more);
  before(async () => {
    target = await openTarget();
    await target.users(names);
  });
  after(async () => {
    await target?.[Symbol.asyncDispose]();
  });

  void it('a token lets its client in with one message, and the server proves itself (XEP-0484)', async () => {
    const user = fresh();
    const agent = randomUUID();
    const { success, wire } = await enter(user, agent, whole + wantToken);
    const token = success.token!;
    assert.ok(Date.parse(token.expiry) > Date.now() + 86_400_000);
    wire.cut();
    for (let round = 1; round <= 2; round++) {
      const speaker = await open(user);
      const again = await speaker.success({
        mechanism: none,
        token: token.token,
        agent,
        more: using() + whole,
      });
      assert.equal(speaker.trips, 2, 'header and token');
      assert.equal(again.jid, success.jid);
      assert.ok(again.enabled);
      const proof = createHmac('sha256', token.token).update('Responder').digest('base64');
      assert.equal(text(child(again.element, 'additional-data')!), proof);
      assert.equal(again.token, undefined, 'it is new enough');
      speaker.cut();
    }
  });

  void it('a token that is bound to the channel lets in where that is, and nowhere else', async () => {
    for (const [mechanism, type] of [
      ['HT-SHA-256-EXPR', 'tls-exporter'],
      ['HT-SHA-256-ENDP', 'tls-server-end-point'],
    ] as const) {
      const user = fresh();
      const agent = randomUUID();
      const first = await open(user, 'tls');
      const inline = child(child(first.authentication!, 'inline', sasl2)!, 'fast', fast)!;
      assert.deepEqual(children(inline, 'mechanism').map(text), ['HT-SHA-256-EXPR', 'HT-SHA-256-ENDP', none]);
      const more = `<request-token xmlns='${fast}' mechanism='${mechanism}'/>`;
      const { token } = (await first.success({ agent, more })).token!;
      const wanted = { mechanism, token, agent, more: using() };
      const second = await open(user, 'tls');
      assert.equal(await second.refused(wanted), 'not-authorized', 'without its data');
      assert.equal(await second.refused({ ...wanted, mechanism: none }), 'not-authorized', 'downgraded');
      const binding = bindingOf(second.wire, type);
      const success = await second.success({ ...wanted, binding });
      const proof = createHmac('sha256', token).update('Responder').update(binding).digest('base64');
      assert.equal(text(child(success.element, 'additional-data')!), proof);
      const other = await open(user, 'tls');
      // What somebody in the middle has seen of one connection is worth nothing on another.
      if (type === 'tls-exporter')
        assert.equal(await other.refused({ ...wanted, binding }), 'not-authorized');
      for (const { wire } of [first, second, other]) wire.cut();
    }
  });

  void it('a token resumes a session', async () => {
    const user = fresh();
    const agent = randomUUID();
    const { success, wire } = await enter(user, agent, whole + wantToken);
    wire.cut();
    const speaker = await open(user);
    const again = await speaker.success({
      mechanism: none,
      token: success.token!.token,
      agent,
      more: `${using()}<resume xmlns='${sm}' previd='${success.enabled}' h='0'/>${whole}`,
    });
    assert.ok(again.resumed);
    assert.deepEqual(await quiet(speaker.wire), []);
    speaker.cut();
  });

  void it('a token is for its client, its account, its mechanism, and SASL2 alone', async () => {
    const [user, other] = [fresh(), fresh()];
    const agent = randomUUID();
    const { success, wire } = await enter(user, agent, plainBind + wantToken);
    wire.cut();
    const { token } = success.token!;
    const attempt = async (as: string, wanted: object): Promise<string> => {
      const speaker = await open(as);
      const answer = await speaker.refused({ mechanism: none, token, agent, more: using(), ...wanted });
      speaker.cut();
      return answer;
    };
    assert.equal(await attempt(user, { agent: randomUUID() }), 'not-authorized');
    assert.equal(await attempt(user, { agent: undefined }), 'malformed-request');
    assert.equal(await attempt(user, { more: '' }), 'malformed-request');
    assert.equal(await attempt(user, { token: `${token}x` }), 'not-authorized');
    assert.equal(await attempt(other, {}), 'not-authorized');
    assert.equal(await attempt('nobody', {}), 'not-authorized');
    assert.equal(await attempt(user, { mechanism: 'HT-SHA-256-EXPR' }), 'invalid-mechanism');
    assert.equal(await attempt(user, { mechanism: 'HT-SHA3-512-NONE' }), 'invalid-mechanism');
    assert.equal(await attempt(user, { more: using(" count='x'") }), 'malformed-request');
    assert.equal(await attempt(user, { more: using(" count='0'") }), 'malformed-request');
    assert.equal(await attempt(user, { more: using() + using() }), 'malformed-request');
    const old = await open(user);
    const said = encode(
      Buffer.concat([Buffer.from(`${user}\0`), createHmac('sha256', token).update('Initiator').digest()]),
    );
    old.wire.write(`<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='${none}'>${said}</auth>`);
    assert.equal(children(await expectElement(old.wire, 'failure'))[0]!.localName, 'invalid-mechanism');
    old.cut();
    const own = await open(user);
    await own.success({ mechanism: none, token, agent, more: using() });
    own.cut();
  });

  void it('a count is good once, and nothing below it', async () => {
    const user = fresh();
    const agent = randomUUID();
    const { success, wire } = await enter(user, agent, plainBind + wantToken);
    wire.cut();
    const { token } = success.token!;
    const attempt = async (count: number): Promise<string> => {
      const speaker = await open(user);
      const answer = await speaker.authenticate({
        mechanism: none,
        token,
        agent,
        more: using(` count='${count}'`),
      });
      speaker.cut();
      return answer.localName === 'failure' ? children(answer)[0]!.localName! : answer.localName!;
    };
    assert.equal(await attempt(5), 'success');
    assert.equal(await attempt(5), 'not-authorized');
    assert.equal(await attempt(4), 'not-authorized');
    assert.equal(await attempt(6), 'success');
    const race = await Promise.all([7, 7, 7, 7].map(attempt));
    assert.deepEqual(race.sort(), ['not-authorized', 'not-authorized', 'not-authorized', 'success']);
  });

  void it('a token that was given up is worth nothing (§3.6)', async () => {
    const user = fresh();
    const agent = randomUUID();
    const { success, wire } = await enter(user, agent, plainBind + wantToken);
    wire.cut();
    const wanted = { mechanism: none, token: success.token!.token, agent };
    const leaving = await open(user);
    const left = await leaving.success({ ...wanted, more: using(" invalidate='true'") });
    assert.equal(left.token, undefined);
    leaving.cut();
    const again = await open(user);
    assert.equal(await again.refused({ ...wanted, more: using() }), 'not-authorized');
    // On the same stream the password still is good, and brings a new one.
    const back = await again.success({ agent, more: wantToken });
    assert.ok(back.token);
    again.cut();
  });

  void it('the old token holds until the new one is used', async () => {
    const user = fresh();
    const agent = randomUUID();
    const { success, wire } = await enter(user, agent, plainBind + wantToken);
    wire.cut();
    const first = success.token!.token;
    const using_ = async (token: string, more = ''): Promise<string | undefined> => {
      const speaker = await open(user);
      const answer = await speaker.success({ mechanism: none, token, agent, more: using() + more });
      speaker.cut();
      return answer.token?.token;
    };
    const refused = async (token: string) => {
      const speaker = await open(user);
      assert.equal(await speaker.refused({ mechanism: none, token, agent, more: using() }), 'not-authorized');
      speaker.cut();
    };
    const lost = (await using_(first, wantToken))!;
    // Its success never came: the client has the first one only.
    const second = (await using_(first, wantToken))!;
    await refused(lost);
    assert.equal(await using_(first), undefined);
    assert.equal(await using_(second), undefined);
    await refused(first);
    assert.equal(await using_(second), undefined);
  });

  void it('tokens survive the crash of the server, and end with the password', async () => {
    const user = fresh();
    const agent = randomUUID();
    const { success, wire } = await enter(user, agent, plainBind + wantToken);
    wire.cut();
    const wanted = {
      mechanism: none,
      token: success.token!.token,
      agent,
      more: using(" count='1'") + plainBind,
    };
    const before = await open(user);
    await before.success(wanted);
    await target.kill('all');
    await target.start();
    const replay = await open(user);
    assert.equal(await replay.refused(wanted), 'not-authorized', 'its count, too');
    const { jid } = await replay.success({ ...wanted, more: using(" count='2'") + plainBind });
    await expectElement(replay.wire, 'features');
    assert.equal(jid, success.jid);
    replay.wire.write(
      `<iq xmlns='jabber:client' type='set' id='pw'><query xmlns='jabber:iq:register'>` +
        `<username>${user}</username><password>other</password></query></iq>`,
    );
    assert.equal(attr(await expectElement(replay.wire, 'iq'), 'type'), 'result');
    replay.cut();
    const late = await open(user);
    assert.equal(await late.refused({ ...wanted, more: using(" count='3'") }), 'not-authorized');
    await late.success({ password: 'other' });
    late.cut();
  });
});
