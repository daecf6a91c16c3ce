import assert from 'node:assert/strict';
import { dirname, join } from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Actor } from './actor.ts';
import { Child, poll } from './child.ts';
import { Gateway } from './gateway.ts';
import { freePorts, openTarget, type Target } from './server.ts';
import { attr, child, children, show, text } from './xml.ts';

const secret = 'not-to-be-told-to-anybody';
const bot = 'bot.localhost';
const ping = "<ping xmlns='urn:xmpp:ping'/>";
const failed = (condition: string) =>
  `<error type='cancel|wait|modify|auth'><${condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>`;

void describe('external components (XEP-0114)', { timeout: 120_000 }, () => {
  let target: Target;
  let port: number;
  before(async () => {
    [port] = (await freePorts(1)) as [number];
    target = await openTarget({
      set: [
        `components=[{ domain: ${bot}, secret: ${secret}, name: A bot }, { domain: chat.example.net, secret: another-secret-of-16 }]`,
        `listen.component={ host: 127.0.0.1, port: ${port}, tls: off }`,
      ],
    });
    await target.users(['ann', 'bert', 'cleo', 'dora', 'emil', 'fay', 'slix']);
  });
  after(() => target?.[Symbol.asyncDispose]());

  const open: { close(): Promise<void> | void }[] = [];
  afterEach(async () => {
    for (const one of open.splice(0)) await one.close();
  });
  const enter = async (): Promise<Gateway> => {
    const gateway = await Gateway.enter(port, bot, secret);
    open.push({ close: () => gateway.wire.cut() });
    return gateway;
  };
  const login = async (user: string, resource = 'desk'): Promise<Actor> => {
    const actor = await Actor.login(target, { user, resource });
    open.push(actor);
    await actor.ask('get', "<query xmlns='jabber:iq:roster'/>");
    actor.send('<presence/>');
    await actor.expect(`<presence from='${actor.full}'/>`);
    return actor;
  };

  void it('lets nobody in who does not know the secret', async () => {
    const wrong = await Gateway.open(port, bot);
    assert.match(wrong.id, /^[\w-]{16}$/);
    wrong.shake('something else');
    await wrong.fails('not-authorized');
    const other = await Gateway.open(port, bot);
    other.shake('another-secret-of-16');
    await other.fails('not-authorized');
    for (const bytes of [
      "<message from='x@bot.localhost' to='ann@localhost'><body>too early</body></message>",
      '<handshake/>',
      `<handshake>${'0'.repeat(400)}</handshake>`,
      "<handshake xmlns='other'>aaee83c26aeeafcbabeabfcbcd50df997e0a2a1e</handshake>",
    ]) {
      const early = await Gateway.open(port, bot);
      early.send(bytes);
      await early.fails('not-authorized');
    }
    assert.ok(!target.log().includes(secret));
  });

  void it('serves no other names, no other namespaces, no restricted XML', async () => {
    for (const name of ['nobody.localhost', 'localhost', 'pubsub.localhost', ''])
      await (await Gateway.open(port, name)).fails('host-unknown');
    await (await Gateway.open(port, bot, 'jabber:client')).fails('invalid-namespace');
    for (const bad of ['<!DOCTYPE x>', '<!-- x -->', '<?x y?>', '<a>&b;</a>']) {
      const one = await Gateway.open(port, bot);
      one.send(bad);
      await one.fails('restricted-xml');
    }
    const big = await Gateway.open(port, bot);
    big.send(`<handshake>${'x'.repeat(10_000)}</handshake>`);
    await big.fails('policy-violation');
  });

  void it('messages go both ways, to and from any address there, in order', async () => {
    const [gateway, ann] = [await enter(), await login('ann')];
    for (const to of [bot, `somebody@${bot}`, `somebody@${bot}/there`]) {
      ann.send(`<message to='${to}' type='chat' id='1'><body>to ${to}</body></message>`);
      await gateway.expect(
        `<message to='${to}' from='${ann.full}' type='chat' id='1'><body>to ${to}</body></message>`,
      );
      gateway.send(`<message from='${to}' to='${ann.bare}' type='chat'><body>from ${to}</body></message>`);
      await ann.expect(
        `<message from='${to}' to='${ann.bare}' type='chat'><body>from ${to}</body></message>`,
      );
    }
    for (let n = 0; n < 100; n++)
      gateway.send(`<message from='x@${bot}' to='${ann.full}'><body>${n}</body></message>`);
    for (let n = 0; n < 100; n++) {
      const next = await ann.wire.until(
        () => {
          const at = ann.inbox.findIndex((one) => one.localName === 'message');
          return at < 0 ? undefined : ann.inbox.splice(at, 1)[0];
        },
        () => `number ${n} did not come`,
      );
      assert.equal(text(child(next, 'body')!), String(n));
    }
    // A room of a gateway has a bare address, and what is said there is not for an archive.
    ann.send(`<message to='room@${bot}' type='groupchat'><body>to all</body></message>`);
    await gateway.expect(`<message to='room@${bot}' type='groupchat'><body>to all</body></message>`);
  });

  void it('may speak only for itself, and to somebody', async () => {
    const ann = await login('ann');
    for (const from of [
      ann.bare,
      'localhost',
      'other.example',
      `x@chat.example.net`,
      '@',
      `bot.localhost.evil.example`,
    ]) {
      const gateway = await enter();
      gateway.send(`<message from='${from}' to='${ann.full}'><body>forged</body></message>`);
      await gateway.fails('invalid-from');
    }
    for (const attrs of [`to='${ann.full}'`, `from='${bot}'`]) {
      const gateway = await enter();
      gateway.send(`<message ${attrs}><body>whose</body></message>`);
      await gateway.fails('improper-addressing');
    }
    const gateway = await enter();
    gateway.send(`<iq type='get' id='j' from='${bot}' to='@@@'>${ping}</iq>`);
    await gateway.expect(`<iq type='error' id='j' to='${bot}'>${failed('jid-malformed')}</iq>`);
    gateway.send(`<message id='f' from='x@${bot}' to='a@elsewhere.example'><body>x</body></message>`);
    await gateway.expect(
      `<message type='error' id='f' to='x@${bot}'>${failed('remote-server-not-found')}</message>`,
    );
    gateway.send(`<message id='n' from='x@${bot}' to='nobody@localhost'><body>x</body></message>`);
    await gateway.expect(
      `<message type='error' id='n' from='nobody@localhost' to='x@${bot}'>${failed('service-unavailable')}</message>`,
    );
    gateway.send('<unknown/>');
    await gateway.fails('unsupported-stanza-type');
    assert.deepEqual(
      ann.inbox.filter((one) => one.localName === 'message'),
      [],
    );
  });

  void it('requests find their answers, both ways', async () => {
    const [gateway, ann] = [await enter(), await login('ann')];
    for (const to of [bot, `somebody@${bot}`, `somebody@${bot}/there`]) {
      ann.send(
        `<iq type='get' id='same' to='${to}'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>`,
      );
      await gateway.expect(
        `<iq type='get' id='same' from='${ann.full}' to='${to}'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>`,
      );
      gateway.send(
        `<iq type='result' id='same' from='${to}' to='${ann.full}'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>`,
      );
      await ann.expect(`<iq type='result' id='same' from='${to}'/>`);
    }
    for (const from of [`a@${bot}`, `b@${bot}/r`]) {
      gateway.send(`<iq type='get' id='q' from='${from}' to='${ann.full}'>${ping}</iq>`);
      await ann.expect(`<iq type='get' id='q' from='${from}'/>`);
      ann.send(`<iq type='result' id='q' to='${from}'/>`);
      await gateway.expect(`<iq type='result' id='q' from='${ann.full}' to='${from}'/>`);
    }
    gateway.send(`<iq type='get' id='g' from='x@${bot}' to='${ann.bare}/gone'>${ping}</iq>`);
    await gateway.expect(
      `<iq type='error' id='g' to='x@${bot}' from='${ann.bare}/gone'>${failed('service-unavailable')}</iq>`,
    );
    gateway.send(
      `<iq type='get' id='n' from='x@${bot}' to='nobody@localhost'><query xmlns='jabber:iq:version'/></iq>`,
    );
    await gateway.expect(`<iq type='error' id='n' to='x@${bot}'>${failed('service-unavailable')}</iq>`);
    gateway.send(
      `<iq type='get' id='s' from='x@${bot}' to='localhost'><query xmlns='jabber:iq:version'/></iq>`,
    );
    await gateway.expect(
      `<iq type='result' id='s' to='x@${bot}' from='localhost'><query xmlns='jabber:iq:version'/></iq>`,
    );
    // What is about an account is not for those who have none.
    gateway.send(
      `<iq type='set' id='r' from='${bot}' to='localhost'><query xmlns='jabber:iq:register'><remove/></query></iq>`,
    );
    await gateway.expect(`<iq type='error' id='r' from='localhost'>${failed('service-unavailable')}</iq>`);
    await gateway.settle();
  });

  void it('components reach each other', async () => {
    const one = await enter();
    const other = await Gateway.enter(port, 'chat.example.net', 'another-secret-of-16');
    open.push({ close: () => other.wire.cut() });
    const [a, b] = [`a@${bot}/r`, 'b@chat.example.net'];
    one.send(`<message from='${a}' to='${b}' type='chat'><body>there</body></message>`);
    await other.expect(`<message from='${a}' to='${b}' type='chat'><body>there</body></message>`);
    other.send(`<iq type='get' id='i' from='${b}' to='${bot}'>${ping}</iq>`);
    await one.expect(`<iq type='get' id='i' from='${b}' to='${bot}'/>`);
    one.send(`<iq type='result' id='i' from='${bot}' to='${b}'/>`);
    await other.expect(`<iq type='result' id='i' from='${bot}' to='${b}'/>`);
    one.send(`<presence type='subscribe' from='${a}' to='${b}'/>`);
    await other.expect(`<presence type='subscribe' from='a@${bot}' to='${b}'/>`);
    other.send(`<presence from='${b}/r' to='${a}'/>`);
    await one.expect(`<presence from='${b}/r' to='${a}'/>`);
    other.wire.cut();
    await one.settle();
    one.send(`<iq type='get' id='gone' from='${a}' to='${b}'>${ping}</iq>`);
    await one.expect(
      `<iq type='error' id='gone' from='${b}' to='${a}'>${failed('remote-server-timeout')}</iq>`,
    );
  });

  void it('the domain lists it, with the name that it was given', async () => {
    const bert = await login('bert');
    const answer = await bert.ask(
      'get',
      "<query xmlns='http://jabber.org/protocol/disco#items'/>",
      'localhost',
    );
    const items = children(child(answer, 'query')!).map((one) => [attr(one, 'jid'), attr(one, 'name')]);
    assert.deepEqual(
      items.filter(([jid]) => jid === bot),
      [[bot, 'A bot']],
    );
    assert.deepEqual(
      items.filter(([jid]) => jid === 'chat.example.net'),
      [['chat.example.net', undefined]],
    );
  });

  void it('presence: a contact there sees and is seen', async () => {
    const [gateway, cleo] = [await enter(), await login('cleo')];
    const friend = `friend@${bot}`;
    cleo.send(`<presence type='subscribe' to='${friend}'/>`);
    await gateway.expect(`<presence type='subscribe' from='${cleo.bare}' to='${friend}'/>`);
    gateway.send(`<presence type='subscribed' from='${friend}' to='${cleo.bare}'/>`);
    gateway.send(`<presence from='${friend}/mobile' to='${cleo.bare}'><show>away</show></presence>`);
    await cleo.expect(`<presence type='subscribed' from='${friend}'/>`);
    await cleo.expect(`<presence from='${friend}/mobile'><show>away</show></presence>`);
    gateway.send(`<presence type='subscribe' from='${friend}' to='${cleo.bare}'/>`);
    await cleo.expect(`<presence type='subscribe' from='${friend}'/>`);
    cleo.send(`<presence type='subscribed' to='${friend}'/>`);
    await gateway.expect(`<presence type='subscribed' from='${cleo.bare}' to='${friend}'/>`);
    await gateway.expect(`<presence from='${cleo.full}' to='${friend}'/>`);
    cleo.send('<presence><show>dnd</show></presence>');
    await gateway.expect(`<presence from='${cleo.full}' to='${friend}'><show>dnd</show></presence>`);
    gateway.send(`<presence type='probe' from='${friend}' to='${cleo.bare}'/>`);
    await gateway.expect(`<presence from='${cleo.full}' to='${friend}'><show>dnd</show></presence>`);
    await cleo.close();
    await gateway.expect(`<presence type='unavailable' from='${cleo.full}' to='${friend}'/>`);
    gateway.send(`<presence type='probe' from='${friend}' to='${cleo.bare}'/>`);
    await gateway.expect(`<presence type='unavailable' from='${cleo.bare}' to='${friend}'/>`);
    gateway.send(`<presence type='probe' from='other@${bot}' to='${cleo.bare}'/>`);
    await gateway.expect(`<presence type='unsubscribed' from='${cleo.bare}' to='other@${bot}'/>`);
    gateway.send(`<presence type='probe' from='other@${bot}' to='nobody@localhost'/>`);
    await gateway.expect(`<presence type='unsubscribed' from='nobody@localhost' to='other@${bot}'/>`);
    const again = await login('cleo', 'again');
    await gateway.expect(`<presence type='probe' from='${again.full}' to='${friend}'/>`);
    await gateway.expect(`<presence from='${again.full}' to='${friend}'/>`);
    again.send(`<presence to='room@${bot}/nick'/>`);
    await gateway.expect(`<presence from='${again.full}' to='room@${bot}/nick'/>`);
    gateway.send(`<presence type='subscribe' from='x@${bot}' to='nobody@localhost'/>`);
    await gateway.expect(`<presence type='unsubscribed' from='nobody@localhost' to='x@${bot}'/>`);
    again.send(
      `<iq type='set' id='rm'><query xmlns='jabber:iq:roster'><item jid='${friend}' subscription='remove'/></query></iq>`,
    );
    await gateway.expect(`<presence type='unsubscribe' from='${again.bare}' to='${friend}'/>`);
    await gateway.expect(`<presence type='unsubscribed' from='${again.bare}' to='${friend}'/>`);
  });

  void it('while it is not there everything is answered with an error, and nothing waits', async () => {
    const dora = await login('dora');
    const gone = failed('remote-server-timeout');
    dora.send(`<message id='m' to='x@${bot}' type='chat'><body>anybody?</body></message>`);
    await dora.expect(`<message type='error' id='m' from='x@${bot}'>${gone}</message>`);
    dora.send(
      `<message id='c' to='x@${bot}' type='chat'><active xmlns='http://jabber.org/protocol/chatstates'/></message>`,
    );
    await dora.expect(`<message type='error' id='c' from='x@${bot}'>${gone}</message>`);
    for (const to of [bot, `x@${bot}`, `x@${bot}/y`]) {
      const answer = await dora.ask('get', ping, to);
      assert.equal(attr(answer, 'type'), 'error');
      assert.equal(attr(answer, 'from'), to);
    }
    dora.send(`<presence id='p' to='room@${bot}/nick'/>`);
    await dora.expect(`<presence type='error' id='p' from='room@${bot}/nick'>${gone}</presence>`);
    dora.send(`<presence id='s' type='subscribe' to='x@${bot}'/>`);
    await dora.expect(`<presence type='error' from='x@${bot}'>${gone}</presence>`);
    const gateway = await enter();
    await gateway.settle();
    assert.deepEqual(gateway.rest().map(show), []);
    dora.send(`<iq type='get' id='late' to='${bot}'>${ping}</iq>`);
    await gateway.expect(`<iq type='get' id='late'/>`);
    gateway.wire.cut();
    await dora.expect(`<iq type='error' id='late' from='${bot}'>${gone}</iq>`);
  });

  void it('the newest connection takes over', async () => {
    const emil = await login('emil');
    const first = await enter();
    const second = await enter();
    await first.fails('conflict');
    emil.send(`<message to='${bot}'><body>to the newest</body></message>`);
    await second.expect(`<message><body>to the newest</body></message>`);
    second.send(`</stream:stream>`);
    await second.wire.ended();
    emil.send(`<message to='${bot}' id='x'><body>to nobody</body></message>`);
    await emil.expect(`<message type='error' id='x'>${failed('remote-server-timeout')}</message>`);
  });

  void it('what a component said is delivered although its user comes later, once', async () => {
    const gateway = await enter();
    for (let n = 0; n < 3; n++)
      gateway.send(
        `<message from='news@${bot}' to='fay@localhost' type='chat'><body>news ${n}</body></message>`,
      );
    await gateway.settle();
    await target.kill('worker');
    await target.ready();
    await gateway.wire.ended();
    const fay = await login('fay');
    for (let n = 0; n < 3; n++)
      await fay.expect(`<message from='news@${bot}' type='chat'><body>news ${n}</body></message>`);
    const again = await enter();
    await again.settle();
    assert.deepEqual(
      fay.inbox.filter((one) => one.localName === 'message'),
      [],
    );
  });

  void it('a bot made with slixmpp', async () => {
    const slix = await login('slix');
    const script = join(dirname(fileURLToPath(import.meta.url)), 'bot.py');
    const child = new Child('/usr/bin/python3', [script, String(port), bot, secret, slix.full]);
    open.push({ close: () => child.end().then(() => undefined) });
    const step = (name: string) =>
      poll(
        () =>
          child.output
            .split('\n')
            .filter((line) => line.startsWith('{'))
            .map((line) => JSON.parse(line) as Record<string, unknown>)
            .find((line) => line['step'] === name),
        () => `no ${name}: ${child.output}`,
      );
    const echo = `echo@${bot}`;
    const pinged = await slix.expect(`<iq type='get' from='${echo}/bot'>${ping}</iq>`);
    slix.send(`<iq type='result' id='${attr(pinged, 'id')}' to='${echo}/bot'/>`);
    const asked = await step('asked');
    assert.equal(asked['ping'], true);
    assert.equal(asked['version'], 'Muster');
    assert.ok((asked['items'] as string[]).includes(bot));
    await slix.expect(`<presence type='subscribe' from='${echo}'/>`);
    slix.send(`<presence type='subscribed' to='${echo}'/>`);
    await step('subscribed');
    slix.send(`<presence type='subscribe' to='${echo}'/>`);
    await slix.expect(`<presence type='subscribed' from='${echo}'/>`);
    slix.send(`<message to='${echo}' type='chat'><body>hello</body></message>`);
    await slix.expect(`<message from='${echo}' type='chat'><body>echo hello</body></message>`);
    const version = await slix.ask('get', "<query xmlns='jabber:iq:version'/>", bot);
    assert.equal(text(inside(version, 'query', 'name')), 'Echo');
    const info = await slix.ask('get', "<query xmlns='http://jabber.org/protocol/disco#info'/>", bot);
    assert.ok(children(inside(info, 'query')).some((one) => attr(one, 'category') === 'gateway'));
    assert.equal(attr(await slix.ask('get', ping, bot), 'type'), 'result');
    slix.send(`<message to='${echo}' type='chat'><body>quit</body></message>`);
    await step('end');
  });
});

function inside(of: Parameters<typeof child>[0], ...path: string[]): Parameters<typeof child>[0] {
  let at = of;
  for (const name of path) at = child(at, name)!;
  return at;
}
