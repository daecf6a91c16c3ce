import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { Actor } from './actor.ts';
import { poll } from './child.ts';
import { Httpbind, type Answer } from './httpbind.ts';
import { openTarget, type Target } from './server.ts';
import { attr, child, children, text } from './xml.ts';

const told = ({ body }: Answer, name: string) => (body === undefined ? undefined : attr(body, name));
const ended = (answer: Answer, condition?: string) => {
  assert.equal(answer.status, 200);
  assert.equal(told(answer, 'type'), 'terminate', answer.text);
  assert.equal(told(answer, 'condition'), condition, answer.text);
};

void describe('BOSH (XEP-0124, XEP-0206)', { timeout: 120_000 }, () => {
  let target: Target;
  before(async () => {
    target = await openTarget();
    await target.users([
      'ann',
      'bert',
      'cleo',
      'dora',
      'emil',
      'fay',
      'gus',
      'hal',
      'ida',
      'jan',
      'kim',
      'lou',
    ]);
  });
  after(() => target?.[Symbol.asyncDispose]());
  const open = () => new Httpbind(target);

  void it('makes a session with what it will keep to, and offers the stream’s features', async () => {
    const client = open();
    const answer = await client.create({ wait: '3600', hold: '1', ack: '1', route: 'xmpp:elsewhere:1' });
    assert.equal(answer.headers.get('content-type'), 'text/xml; charset=utf-8');
    assert.equal(answer.headers.get('access-control-allow-origin'), '*');
    assert.match(told(answer, 'sid')!, /^[\w-]{24}$/);
    assert.equal(told(answer, 'requests'), '2');
    assert.equal(told(answer, 'hold'), '1');
    assert.equal(told(answer, 'wait'), '60');
    assert.equal(told(answer, 'ver'), '1.11');
    assert.equal(told(answer, 'from'), target.domain);
    assert.equal(told(answer, 'ack'), String(client.rid - 1));
    assert.match(answer.text, / xmpp:version="1\.0" xmpp:restartlogic="true"/);
    const features = child(answer.body!, 'features', 'http://etherx.jabber.org/streams');
    assert.ok(child(features!, 'mechanisms'));
    const other = open();
    assert.equal(told(await other.create({ ver: '1.6' }), 'ver'), '1.6');
    assert.notEqual(client.sid, other.sid);
  });

  void it('says what is wrong with a session that cannot be', async () => {
    ended(await open().create({ to: '' }), 'improper-addressing');
    ended(await open().create({ to: 'unknown.example' }), 'host-unknown');
    ended(await open().create({ rid: '0' }), 'bad-request');
    ended(await open().create({ rid: '9007199254740992' }), 'bad-request');
    ended(await open().create({ content: 'text/html&#13;&#10;x: y' }), 'bad-request');
    ended(await open().ask('', { sid: 'nobody-has-this-one' }), 'item-not-found');
    ended(await open().create({ 'xmpp:version': '0.9' }), 'remote-stream-error');
  });

  void it('messages go both ways, in order', async () => {
    const ann = open();
    await ann.login('ann', { wait: '1' });
    assert.equal(ann.full, `ann@${target.domain}/bosh`);
    const bert = await Actor.login(target, { user: 'bert', resource: 'tcp' });
    bert.send('<presence/>');
    await bert.expect(`<presence from='${bert.full}'/>`);
    const held = ann.ask();
    // XEP-0206 §2: also where a client leaves the namespace out.
    for (const n of [1, 2])
      await ann.ask(`<message to='${bert.full}' type='chat'><body>number ${n}</body></message>`);
    for (const n of [1, 2])
      await bert.expect(`<message from='${ann.full}' type='chat'><body>number ${n}</body></message>`);
    await held;
    bert.send(`<message to='${ann.full}' type='chat'><body>back</body></message>`);
    const message = await ann.wants('message');
    assert.equal(message.namespaceURI, 'jabber:client');
    assert.equal(text(child(message, 'body')!), 'back');
    await bert.close();
  });

  void it('takes requests in by their rid, and answers in that order', async () => {
    const cleo = open();
    await cleo.login('cleo');
    const dora = await Actor.login(target, { user: 'dora', resource: 'tcp' });
    const say = (n: number) => cleo.document(`<message to='${dora.full}'><body>${n}</body></message>`);
    const [first, second] = [say(1), say(2)];
    const late = cleo.post(second);
    let answered = false;
    void late.then(() => (answered = true));
    await new Promise((resolve) => setTimeout(resolve, 100));
    assert.equal(answered, false);
    await cleo.post(first);
    for (const n of [1, 2]) await dora.expect(`<message><body>${n}</body></message>`);
    await dora.close();
    cleo.document();
    cleo.document();
    ended(await cleo.ask(), 'item-not-found');
    ended(await cleo.ask(), 'item-not-found');
  });

  void it('gives the answer to a request again, also one that nobody read', async () => {
    const emil = open();
    await emil.login('emil', { wait: '1' });
    const ping = (id: string) => `<iq type='get' id='${id}'><ping xmlns='urn:xmpp:ping'/></iq>`;
    const document = emil.document(ping('one'));
    const once = await emil.post(document);
    assert.equal((await emil.post(document)).text, once.text);
    assert.match(once.text, /id="one"/);
    const lost = new AbortController();
    const held = emil.document();
    const waiting = emil.post(held, lost.signal).catch(() => undefined);
    const again = emil.post(held);
    assert.equal(told((await waiting)!, 'type'), 'error', 'the one before is told that it is not the last');
    lost.abort();
    const answer = emil.post(emil.document(ping('two')));
    const texts = [(await again).text, (await answer).text];
    assert.equal(texts.filter((one) => one.includes('id="two"')).length, 1);
    for (let n = 0; n < 3; n++) await emil.ask(ping(`${n}`));
    ended(await emil.post(document), 'item-not-found');
  });

  void it('a message that came while no request was open waits for the next one', async () => {
    const fay = open();
    await fay.login('fay');
    const gus = await Actor.login(target, { user: 'gus', resource: 'tcp' });
    gus.send(`<message to='${fay.full}' type='chat'><body>waiting</body></message>`);
    await gus.ask('get', "<ping xmlns='urn:xmpp:ping'/>");
    assert.equal(text(child(await fay.wants('message'), 'body')!), 'waiting');
    const broken = new AbortController();
    const dead = fay.post(fay.document(), broken.signal).catch(() => undefined);
    await poll(
      async () => (await fay.ask("<presence xmlns='jabber:client'/>")).status === 200 || undefined,
      () => 'no answer',
    );
    broken.abort();
    await dead;
    gus.send(`<message to='${fay.full}' type='chat'><body>after the cut</body></message>`);
    assert.equal(text(child(await fay.wants('message'), 'body')!), 'after the cut');
    await gus.close();
  });

  void it('holds no longer than it said, and answers at once where it is not to wait', async () => {
    const client = open();
    await client.create({ wait: '1' });
    const from = performance.now();
    const answer = await client.ask();
    assert.ok(performance.now() - from > 900);
    assert.equal(children(answer.body!).length, 0);
    const poller = open();
    await poller.create({ hold: '0' });
    assert.equal((await poller.ask()).text, '<body xmlns="http://jabber.org/protocol/httpbind"/>');
    ended(await poller.ask(), 'policy-violation');
  });

  void it('an empty request beside one that is held comes too soon', async () => {
    const client = open();
    await client.create({});
    const [held, second] = [client.document(), client.document()];
    const first = client.post(held);
    ended(await client.post(second), 'policy-violation');
    ended(await first, 'other-request');
  });

  void it('a pause is answered at once, without what waits', async () => {
    const client = open();
    await client.login('ida');
    const held = client.post(client.document());
    const [pause, other] = await Promise.all([client.ask('', { pause: '60' }), held]);
    for (const answer of [pause, other])
      assert.equal(
        answer.text.replace(/ ack="\d+"/, ''),
        '<body xmlns="http://jabber.org/protocol/httpbind"/>',
      );
    assert.equal((await client.ask("<presence xmlns='jabber:client'/>")).status, 200);
    ended(await client.ask('', { pause: '100000' }), 'policy-violation');
  });

  void it('ends when its client says so, with what stands beside that', async () => {
    const hal = open();
    await hal.login('hal');
    const gus = await Actor.login(target, { user: 'gus', resource: 'end' });
    const held = hal.post(hal.document());
    const bye = `<message to='${gus.full}' xmlns='jabber:client'><body>bye</body></message>`;
    const last = hal.ask(bye, { type: 'terminate' });
    await gus.expect(`<message><body>bye</body></message>`);
    ended(await held);
    assert.equal(told(await last, 'type'), undefined);
    ended(await hal.ask(), 'item-not-found');
    await gus.close();
  });

  void it('a stream error ends it, as one', async () => {
    const client = open();
    await client.login('jan');
    const answer = await client.ask(
      "<message from='other@example.org' xmlns='jabber:client'><body>x</body></message>",
    );
    const final = told(answer, 'type') === 'terminate' ? answer : await client.ask();
    ended(final, 'remote-stream-error');
    const error = child(final.body!, 'error', 'http://etherx.jabber.org/streams');
    assert.ok(child(error!, 'invalid-from'));
    assert.match(final.text, /<body [^>]*xmlns:stream="http:\/\/etherx\.jabber\.org\/streams"/);
  });

  void it('keys protect what others can read', async () => {
    const keys = ['seed'];
    for (let n = 0; n < 6; n++) keys.push(hash('sha1', keys.at(-1)!, 'hex'));
    const client = open();
    await client.create({ newkey: keys.pop()!.toUpperCase(), wait: '1' });
    const fine = { ping: "<presence xmlns='jabber:client' type='x'/>" };
    assert.equal(told(await client.ask('', { key: keys.pop()! }), 'type'), undefined);
    const [document] = [client.document('', { key: keys[0]! })];
    ended(await client.post(document), 'item-not-found');
    const without = open();
    await without.create({ newkey: keys.pop()! });
    ended(await without.ask(fine.ping), 'item-not-found');
  });

  void it('a session is resumed on another connection (XEP-0198)', async () => {
    const kim = open();
    await kim.login('kim');
    await kim.ask("<enable xmlns='urn:xmpp:sm:3' resume='true'/>");
    const id = attr(await kim.wants('enabled'), 'id')!;
    const lou = await Actor.login(target, { user: 'lou', resource: 'tcp' });
    lou.send(`<message to='${kim.full}' type='chat'><body>one</body></message>`);
    assert.equal(text(child(await kim.wants('message'), 'body')!), 'one');
    // Its tab is closed: nothing says so. The client comes back elsewhere.
    const again = open();
    await again.authenticate('kim');
    await again.ask(`<resume xmlns='urn:xmpp:sm:3' previd='${id}' h='0'/>`);
    assert.equal(attr(await again.wants('resumed'), 'previd'), id);
    assert.equal(text(child(await again.wants('message'), 'body')!), 'one');
    lou.send(`<message to='${kim.full}' type='chat'><body>two</body></message>`);
    assert.equal(text(child(await again.wants('message'), 'body')!), 'two');
    ended(await kim.ask(), 'remote-stream-error');
    await lou.close();
  });

  void it('refuses what is no XML of ours, and only that', async () => {
    const bad = [
      'not xml',
      "<!DOCTYPE body [<!ENTITY a 'b'>]><body xmlns='http://jabber.org/protocol/httpbind' rid='5' to='x'/>",
      "<body xmlns='http://jabber.org/protocol/httpbind' rid='5' to='x'><!-- no --></body>",
      "<body xmlns='http://jabber.org/protocol/httpbind' rid='5' to='x'><?no pi?></body>",
      "<body xmlns='http://jabber.org/protocol/httpbind' rid='5' to='x'>text</body>",
      "<body xmlns='http://jabber.org/protocol/httpbind' rid='5' to='x'>&unknown;</body>",
      "<body xmlns='other' rid='5' to='x'/>",
      "<body xmlns='http://jabber.org/protocol/httpbind' rid='5' to='x'/><body/>",
    ];
    for (const one of bad) ended(await open().post(one), 'bad-request');
    ended(await open().post(new Uint8Array([0x3c, 0xff, 0xfe])), 'bad-request');
    const deep = `${'<a>'.repeat(100)}${'</a>'.repeat(100)}`;
    ended(await open().create({ junk: 'x'.repeat(20_000) }), 'policy-violation');
    ended(await open().ask(deep, { to: target.domain }), 'policy-violation');
    const client = open();
    await client.create();
    ended(await client.ask(`<auth>${'x'.repeat(9000)}</auth>`), 'policy-violation');
    ended(await client.ask(), 'item-not-found');
    const restricted = open();
    await restricted.create();
    ended(await restricted.ask('<!-- no -->'), 'bad-request');
  });

  void it('a body may be as big as a member’s stanza, once there is one', async () => {
    const ann = open();
    await ann.login('ann', {}, 'big');
    const big = 'x'.repeat(200_000);
    await ann.ask(`<message to='${ann.full}' xmlns='jabber:client'><body>${big}</body></message>`);
    assert.equal(text(child(await ann.wants('message'), 'body')!).length, big.length);
    ended(
      await ann.ask(`<message xmlns='jabber:client'><body>${big.repeat(4)}</body></message>`),
      'policy-violation',
    );
  });

  void it('clients of the first days understand the status of HTTP', async () => {
    const client = open();
    const document = client.document('', { to: target.domain, wait: '5', hold: '1' });
    const made = await client.post(document);
    client.sid = told(made, 'sid')!;
    assert.equal(told(made, 'ver'), undefined);
    client.rid += 10;
    assert.equal((await client.ask()).status, 404);
  });

  void it('pages of other origins may ask, and no browser takes an answer for a page', async () => {
    const { url } = open();
    const asked = await fetch(url, { method: 'OPTIONS' });
    assert.equal(asked.status, 204);
    assert.equal(asked.headers.get('access-control-allow-origin'), '*');
    assert.match(asked.headers.get('access-control-allow-methods')!, /POST/);
    assert.match(asked.headers.get('access-control-allow-headers')!, /content-type/);
    assert.equal((await fetch(url)).status, 405);
    const answer = await open().create({ content: 'text/html' });
    assert.equal(answer.headers.get('content-type'), 'text/html');
    assert.match(answer.headers.get('content-security-policy')!, /sandbox/);
  });

  void it('comes back after a crash of the server: the session is gone, and so the client logs in', async () => {
    const ann = open();
    await ann.login('ann', {}, 'crash');
    await target.kill('worker');
    await target.ready();
    ended(await ann.ask(), 'item-not-found');
    const again = open();
    await again.login('ann', {}, 'crash');
  });
});
