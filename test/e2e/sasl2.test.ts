import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { Actor, settle } from './actor.ts';
import { openTarget, type Target } from './server.ts';
import {
  bind2,
  carbons,
  encode,
  enterAt,
  fast,
  plainBind,
  quiet,
  sasl2,
  sm,
  Speaker,
  whole,
} from './sasl2.ts';
import { bind, expectElement, type Way } from './stream.ts';
import { attr, child, children, show, text } from './xml.ts';
import type { Wire } from './wire.ts';

const none = 'HT-SHA-256-NONE';
const wantToken = `<request-token xmlns='${fast}' mechanism='${none}'/>`;

/** The condition of a stream error, or the name of what came instead. */
async function streamError(wire: Wire): Promise<string> {
  const answer = await expectElement(wire, 'error', 'success', 'failure', 'challenge');
  if (answer.localName !== 'error') return answer.localName!;
  await wire.ended();
  return children(answer)[0]!.localName!;
}

void describe('SASL2, Bind 2, FAST', () => {
  let target: Target;
  let made = 0;
  const names = Array.from({ length: 60 }, (_, n) => `s${n}`);
  const fresh = (): string => names[made++]!;
  const open = (user: string, way?: Way, from?: string) => Speaker.open(target, user, way, from);
  const enter = (user: string, agent: string | undefined = randomUUID(), more = whole) =>
    enterAt(target, user, agent, more);
  before(async () => {
    target = await openTarget();
    await target.users(names);
  });
  after(async () => {
    await target?.[Symbol.asyncDispose]();
  });

  for (const way of ['plain', 'tls', 'ws'] as Way[])
    void it(`everything in one go, over ${way}`, async () => {
      const user = fresh();
      const speaker = await open(user, way);
      const success = await speaker.success({ agent: randomUUID(), more: whole });
      assert.match(success.jid, new RegExp(`^${user}@${target.domain}/Test/[\\w-]{12}$`));
      assert.ok(success.enabled);
      // XEP-0388 §2.6.1: features of the same stream; what is done is not offered again.
      const features = await expectElement(speaker.wire, 'features');
      assert.deepEqual(
        ['bind', 'sm', 'mechanisms', 'authentication'].filter((name) => child(features, name)),
        [],
      );
      assert.ok(child(features, 'ver'));
      assert.deepEqual(await quiet(speaker.wire), []);
      assert.equal(speaker.trips, 3, 'header, first message, proof');
      speaker.cut();
    });

  void it('the features name everything that can be done inline (XEP-0388 §2.1, 0386 §3.1, 0484 §3.1)', async () => {
    const user = fresh();
    const speaker = await open(user);
    const offered = speaker.authentication!;
    const inline = child(offered, 'inline', sasl2)!;
    const binding = child(inline, 'bind', bind2)!;
    const vars = children(child(binding, 'inline', bind2)!, 'feature').map((one) => attr(one, 'var'));
    assert.deepEqual(vars, [carbons, 'urn:xmpp:csi:0', sm]);
    assert.ok(child(inline, 'sm', sm));
    assert.deepEqual(children(child(inline, 'fast', fast)!, 'mechanism').map(text), [none]);
    assert.equal(attr(child(inline, 'fast', fast)!, 'tls-0rtt'), undefined);
    const mechanisms = children(offered, 'mechanism').map(text);
    assert.deepEqual(mechanisms, children(child(speaker.features, 'mechanisms')!, 'mechanism').map(text));
    assert.ok(children(offered, 'upgrade').map(text).includes('UPGR-SCRAM-SHA-512'));
    // Nobody learns from them who has an account.
    const other = await open('nobody');
    assert.equal(show(other.features), show(speaker.features));
    speaker.cut();
    other.cut();
  });

  void it('without a bind the address is bare, and the stream goes on without a new header', async () => {
    const user = fresh();
    const speaker = await open(user);
    const success = await speaker.success({ mechanism: 'PLAIN' });
    assert.equal(success.jid, `${user}@${target.domain}`);
    assert.equal(success.bound, undefined);
    const features = await expectElement(speaker.wire, 'features');
    assert.ok(child(features, 'bind'));
    assert.equal(await bind(speaker.wire, 'old'), `${success.jid}/old`);
    assert.deepEqual(await quiet(speaker.wire), []);
    speaker.cut();
  });

  void it('carbons that were enabled inline copy the first message', async () => {
    const [user, friend] = [fresh(), fresh()];
    const { wire } = await enter(user);
    const other = await Actor.login(target, { user, resource: 'other' });
    other.send('<presence/>');
    await settle([other]);
    other.send(`<message to='${friend}@${target.domain}' type='chat' id='c'><body>hi</body></message>`);
    await settle([other]);
    const [copy] = (await quiet(wire)).filter((one) => one.localName === 'message');
    assert.ok(copy && child(copy, 'sent', carbons));
    await other.close();
    wire.cut();
  });

  void it('a client that begins inactive is left alone until it is active (XEP-0386 §3.2, XEP-0352)', async () => {
    const [user, friend] = [fresh(), fresh()];
    const asleep = `<bind xmlns='${bind2}'><inactive xmlns='urn:xmpp:csi:0'/></bind>`;
    const { wire, success } = await enterAt(target, user, undefined, asleep);
    const other = await Actor.login(target, { user: friend });
    other.send(
      `<message to='${success.jid}' type='chat'><composing xmlns='http://jabber.org/protocol/chatstates'/></message>`,
    );
    await settle([other]);
    assert.deepEqual(wire.items, []);
    wire.write("<active xmlns='urn:xmpp:csi:0'/>");
    assert.equal(children(await expectElement(wire, 'message'))[0]?.localName, 'composing');
    await other.close();
    wire.cut();
  });

  void it('carbons and the session outlive the server: both were in the commit that success told of', async () => {
    const [user, friend] = [fresh(), fresh()];
    const agent = randomUUID();
    const { success } = await enter(user, agent);
    await target.kill('worker');
    await target.ready();
    const again = await open(user);
    const resume = `<resume xmlns='${sm}' previd='${success.enabled}' h='0'/>`;
    assert.ok((await again.success({ agent, more: resume })).resumed);
    const other = await Actor.login(target, { user, resource: 'other' });
    other.send(`<message to='${friend}@${target.domain}' type='chat' id='c'><body>hi</body></message>`);
    await settle([other]);
    const [copy] = (await quiet(again.wire)).filter((one) => one.localName === 'message');
    assert.ok(copy && child(copy, 'sent', carbons));
    await other.close();
    again.cut();
  });

  void it('resumes inline: no features, and what was missed comes (XEP-0198 §9.2)', async () => {
    const [user, friend] = [fresh(), fresh()];
    const agent = randomUUID();
    const { success, wire } = await enter(user, agent);
    wire.write("<presence xmlns='jabber:client'/>");
    await quiet(wire);
    wire.cut();
    const sender = await Actor.login(target, { user: friend });
    sender.send(`<message to='${user}@${target.domain}' type='chat' id='gap'><body>missed</body></message>`);
    await settle([sender]);
    const again = await open(user);
    const resume = `<resume xmlns='${sm}' previd='${success.enabled}' h='2'/>`;
    const resumed = await again.success({ agent, more: resume + whole });
    assert.equal(resumed.jid, success.jid);
    assert.equal(attr(resumed.resumed!, 'h'), '2');
    assert.equal(attr(resumed.resumed!, 'previd'), success.enabled);
    assert.equal(resumed.bound, undefined, 'the bind is passed over');
    const [message, ...more] = (await quiet(again.wire)).filter(({ localName }) => localName !== 'r');
    assert.deepEqual([message && attr(message, 'id'), more.length], ['gap', 0]);
    again.cut();
    await sender.close();
  });

  void it('a resume that fails is told, and the bind is done', async () => {
    const user = fresh();
    for (const resume of [
      `<resume xmlns='${sm}' previd='1-abcdefghijklmnopqrstuv' h='0'/>`,
      `<resume xmlns='${sm}' previd='; drop table session; --' h='0'/>`,
      `<resume xmlns='${sm}' previd='1-abcdefghijklmnopqrstuv' h='-1'/>`,
      `<resume xmlns='${sm}' h='0'/>`,
    ]) {
      const speaker = await open(user);
      const success = await speaker.success({ agent: randomUUID(), more: resume + whole });
      const why = children(success.failed!)[0]!.localName;
      assert.match(why!, /^(item-not-found|bad-request)$/);
      assert.ok(success.enabled);
      assert.match(success.jid, /\/Test\//);
      await expectElement(speaker.wire, 'features');
      assert.deepEqual(await quiet(speaker.wire), []);
      speaker.cut();
    }
    const alone = await open(user);
    const success = await alone.success({
      more: `<resume xmlns='${sm}' previd='1-abcdefghijklmnopqrstuv' h='0'/>`,
    });
    assert.ok(success.failed);
    assert.equal(success.jid, `${user}@${target.domain}`);
    assert.ok(child(await expectElement(alone.wire, 'features'), 'bind'));
    alone.cut();
  });

  void it('somebody else’s session is not resumed', async () => {
    const [user, thief] = [fresh(), fresh()];
    const { success, wire } = await enter(user);
    const other = await open(thief);
    const stolen = await other.success({
      more: `<resume xmlns='${sm}' previd='${success.enabled}' h='0'/>${plainBind}`,
    });
    assert.equal(children(stolen.failed!)[0]!.localName, 'item-not-found');
    assert.match(stolen.jid, new RegExp(`^${thief}@`));
    assert.deepEqual(await quiet(wire), [], 'its owner goes on');
    wire.cut();
    other.cut();
  });

  void it('a later login of the same client keeps the resource and ends the older session (XEP-0386 §3.2)', async () => {
    const [user, stranger] = [fresh(), fresh()];
    const agent = randomUUID();
    const first = await enter(user, agent);
    const second = await enter(user, agent.toUpperCase());
    assert.equal(second.success.jid, first.success.jid);
    assert.equal(await streamError(first.wire), 'conflict');
    // Another tag is the same client, too.
    const third = await enter(user, agent, `<bind xmlns='${bind2}'><tag>New &lt;'"&amp;</tag></bind>`);
    assert.equal(await streamError(second.wire), 'conflict');
    const own = third.success.jid.split('/').at(-1)!;
    assert.equal(third.success.jid, `${user}@${target.domain}/New <'"&/${own}`);
    assert.equal(first.success.jid, `${user}@${target.domain}/Test/${own}`);
    for (const part of agent.split('-')) assert.ok(!own.includes(part));
    const other = await enter(user);
    const elsewhere = await enter(stranger, agent);
    assert.ok(!other.success.jid.endsWith(own), 'another client');
    assert.ok(!elsewhere.success.jid.endsWith(own), 'nobody sees that two accounts are on one phone');
    assert.deepEqual(await quiet(third.wire), []);
    for (const { wire } of [third, other, elsewhere]) wire.cut();
  });

  void it('a tag that no address can have, and an id that is none, are passed over', async () => {
    const user = fresh();
    for (const tag of ['&#x7f;', ' ', 'x'.repeat(1024), 'a&#x202e;']) {
      const { wire, success } = await enter(
        user,
        randomUUID(),
        `<bind xmlns='${bind2}'><tag>${tag}</tag></bind>`,
      );
      assert.match(success.jid, new RegExp(`^${user}@${target.domain}/[\\w-]{12}$`), tag.slice(0, 9));
      wire.cut();
    }
    for (const id of [
      'x',
      "' or 1=1 --".replaceAll("'", '&apos;'),
      randomUUID().slice(1),
      `${randomUUID()}0`,
    ]) {
      const { wire, success } = await enter(user, id, plainBind + wantToken);
      assert.equal(success.token, undefined, 'no token for nobody');
      wire.cut();
    }
  });

  void it('offline messages are left to the archive, whose ends are told (XEP-0386 §3.2)', async () => {
    const [user, friend] = [fresh(), fresh()];
    const empty = await enter(user);
    const metadata = child(empty.success.bound!, 'metadata', 'urn:xmpp:mam:2')!;
    assert.equal(children(metadata).length, 0);
    empty.wire.write("<presence xmlns='jabber:client' type='unavailable'/></stream:stream>");
    await empty.wire.ended();
    const sender = await Actor.login(target, { user: friend });
    for (const id of ['one', 'two'])
      sender.send(`<message to='${user}@${target.domain}' type='chat' id='${id}'><body>x</body></message>`);
    await settle([sender]);
    const later = await enter(user);
    const ends = child(later.success.bound!, 'metadata', 'urn:xmpp:mam:2')!;
    assert.deepEqual(
      children(ends).map((one) => [
        one.localName,
        /^\d+$/.test(attr(one, 'id')!),
        attr(one, 'timestamp')!.length,
      ]),
      [
        ['start', true, 24],
        ['end', true, 24],
      ],
    );
    later.wire.write("<presence xmlns='jabber:client'/>");
    assert.deepEqual(
      (await quiet(later.wire)).filter(({ localName }) => localName === 'message'),
      [],
    );
    await sender.close();
    later.wire.cut();
  });

  // ── bad input ───────────────────────────────────────────────────────────────────────────────────────────────────

  void it('refuses what is doubled, malformed or in nobody’s name', async () => {
    const user = fresh();
    const speaker = async (from?: string) => open(user, 'plain', from);
    const refused = async (said: string, from?: string): Promise<string> => {
      const one = await speaker(from);
      one.wire.write(said);
      const answer = await one.next();
      one.cut();
      return answer.localName === 'failure' ? children(answer)[0]!.localName! : answer.localName!;
    };
    const first = `<initial-response>${encode(`\0${user}\0secret`)}</initial-response>`;
    const auth = (inner: string, mechanism = 'PLAIN') =>
      `<authenticate xmlns='${sasl2}' mechanism='${mechanism}'>${inner}</authenticate>`;
    assert.equal(await refused(auth(first)), 'success');
    assert.equal(await refused(auth(first.replace('>', '>\n  '))), 'success', 'white space (§2.3)');
    assert.equal(await refused(auth(first + first)), 'malformed-request');
    assert.equal(await refused(auth(first + plainBind + plainBind)), 'malformed-request');
    assert.equal(await refused(auth(`${first}<user-agent/><user-agent/>`)), 'malformed-request');
    assert.equal(await refused(auth(first, 'CRAM-MD5')), 'invalid-mechanism');
    assert.equal(await refused(auth(first).replace(" mechanism='PLAIN'", '')), 'invalid-mechanism');
    assert.equal(await refused(auth('<initial-response>%</initial-response>')), 'incorrect-encoding');
    assert.equal(await refused(auth('<initial-response>=</initial-response>')), 'incorrect-encoding');
    assert.equal(await refused(auth('<initial-response/>')), 'malformed-request');
    assert.equal(await refused(auth('')), 'challenge', 'asked for its first message');
    // §2.3: who acts for somebody names the same account in the header.
    const as = (authzid: string) =>
      auth(`<initial-response>${encode(`${authzid}\0${user}\0secret`)}</initial-response>`);
    assert.equal(await refused(as(`${user}@${target.domain}`)), 'success');
    assert.equal(await refused(as(`${user}@${target.domain}`), `other@${target.domain}`), 'invalid-authzid');
    assert.equal(await refused(as(`other@${target.domain}`)), 'invalid-authzid');
    // A condition is an element of SASL's namespace, in a failure of SASL2's.
    const one = await speaker();
    const failure = await one.authenticate({ password: 'wrong' });
    assert.deepEqual(
      [failure.namespaceURI, children(failure)[0]!.namespaceURI, children(failure)[0]!.localName],
      [sasl2, 'urn:ietf:params:xml:ns:xmpp-sasl', 'not-authorized'],
    );
    one.cut();
  });

  void it('a header of another domain’s address is refused (XEP-0388 §2.1)', async () => {
    const speaker = await open(fresh()).then((one) => (one.cut(), one));
    const next = new Speaker((await Speaker.open(target, speaker.user)).wire, speaker.user, target.domain);
    next.cut();
    await assert.rejects(open(speaker.user, 'plain', `${speaker.user}@elsewhere.example`), /invalid-from/);
  });

  void it('gives up on abort, and begins anew', async () => {
    const user = fresh();
    const speaker = await open(user);
    speaker.begin({});
    await expectElement(speaker.wire, 'challenge');
    speaker.wire.write(`<abort xmlns='${sasl2}'><text>no</text></abort>`);
    assert.equal(children(await expectElement(speaker.wire, 'failure'))[0]!.localName, 'aborted');
    await speaker.success({ more: whole });
    speaker.cut();
  });

  void it('in the middle nothing else may be said, and after success no second authentication (§2.4, §4.8)', async () => {
    const user = fresh();
    const first = `<authenticate xmlns='${sasl2}' mechanism='SCRAM-SHA-1'/>`;
    for (const said of [
      first,
      "<message xmlns='jabber:client'/>",
      `<next xmlns='${sasl2}' task='UPGR-SCRAM-SHA-512'/>`,
      `<task-data xmlns='${sasl2}'/>`,
      "<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>AAAA</response>",
      "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'/>",
      `<r xmlns='${sm}'/>`,
    ]) {
      const speaker = await open(user);
      speaker.begin({});
      await expectElement(speaker.wire, 'challenge');
      speaker.wire.write(said);
      assert.equal(await streamError(speaker.wire), 'not-authorized', said);
    }
    for (const said of [`<response xmlns='${sasl2}'>AAAA</response>`, `<abort xmlns='${sasl2}'/>`]) {
      const speaker = await open(user);
      speaker.wire.write(said);
      assert.equal(await streamError(speaker.wire), 'not-authorized', said);
    }
    for (const more of ['', whole]) {
      const speaker = await open(user);
      await speaker.success({ more });
      await expectElement(speaker.wire, 'features');
      speaker.wire.write(first);
      assert.match(await streamError(speaker.wire), /not-authorized|unsupported-stanza-type/);
    }
    const mixed = await open(user);
    mixed.wire.write("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='SCRAM-SHA-1'/>");
    await expectElement(mixed.wire, 'challenge');
    mixed.wire.write(first);
    assert.equal(await streamError(mixed.wire), 'not-authorized');
  });

  void it('failures count: after five the stream ends', async () => {
    const speaker = await open(fresh());
    for (let round = 0; round < 4; round++)
      assert.equal(await speaker.refused({ mechanism: 'PLAIN', password: 'x' }), 'not-authorized');
    assert.equal(await speaker.refused({ mechanism: 'PLAIN', password: 'x' }), 'not-authorized');
    assert.equal(await streamError(speaker.wire), 'policy-violation');
  });

  void it('what is too big ends the stream, and nobody else’s', async () => {
    const user = fresh();
    const { wire } = await enter(user);
    for (const more of [
      `<bind xmlns='${bind2}'><tag>${'x'.repeat(10_000)}</tag></bind>`,
      `<bind xmlns='${bind2}'>${"<x xmlns='urn:x'/>".repeat(100)}</bind>`,
      `<user-agent id='${'x'.repeat(10_000)}'/>`,
    ]) {
      const speaker = await open(user);
      speaker.begin({ more });
      assert.equal(await streamError(speaker.wire), 'policy-violation');
    }
    assert.deepEqual(await quiet(wire), []);
    wire.cut();
  });
});
