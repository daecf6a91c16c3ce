import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Actor } from './actor.ts';
import { resident } from './child.ts';
import { Pair } from './pair.ts';
import { openTarget, type Target } from './server.ts';
import { authenticate, bind, connect, expectElement, open } from './stream.ts';
import { Wire } from './wire.ts';
import { attr, child, children, parse, text } from './xml.ts';

const standIn = process.env['TARGET'] ?? 'muster';
const todo = (why: string): { todo?: string } => (standIn === 'prosody' ? { todo: why } : {});
const names = "xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'";

/**
 * Invariant 11: bad input ends at worst its own session, with the standard's error. An innocent pair of clients talks
 * all the while; after each attack it must not have lost or doubled a word, nor have been disconnected.
 */
void describe('what the server must withstand', () => {
  let target: Target;
  let pair: Pair;
  before(async () => {
    // What is behind the pace of a connection is attacked, too.
    target = await openTarget({ set: ['limits.pace=10000'] });
    await target.users(['innocent-a', 'innocent-b', 'mallory', 'victim']);
    pair = await Pair.open(target, 'innocent-a', 'innocent-b');
  });
  after(async () => {
    await pair?.close();
    await target?.[Symbol.asyncDispose]();
  });

  /** An attack: afterwards the server still runs in the same processes and the pair went on talking. */
  function attack(name: string, options: { todo?: string }, run: () => Promise<void>): void {
    void it(name, options, async () => {
      const pids = await target.pids();
      const said = pair.said;
      await run();
      await pair.check(said);
      assert.deepEqual(await target.pids(), pids, 'a process was restarted');
    });
  }

  type Stage = 'start' | 'stream' | 'session';
  /** A connection at this stage, taken there properly. */
  async function at(stage: Stage): Promise<Wire> {
    const wire = await Wire.tcp(target.ports.xmpp);
    if (stage === 'start') return wire;
    const features = await open(wire, target.domain);
    if (stage === 'stream') return wire;
    await authenticate(wire, target.domain, features, 'mallory', 'secret');
    await bind(wire);
    return wire;
  }

  /** The condition of the stream error that ends the connection; '' where it just ends. */
  async function ending(wire: Wire): Promise<string> {
    for (;;) {
      const item = await wire.until(
        () => wire.items.shift() ?? (wire.closed ? null : undefined),
        () => 'the server neither answers nor closes',
      );
      if (!item) return '';
      if (item.kind !== 'element') continue;
      const element = parse(item.text);
      if (element.localName !== 'error') continue;
      await wire.ended();
      return children(element)[0]?.localName ?? '';
    }
  }

  const header = (): string => `<?xml version='1.0'?><stream:stream to='${target.domain}' ${names}>`;
  const message = (inner: string): string =>
    `<message to='victim@${target.domain}'><body>${inner}</body></message>`;
  const badXml = /^(not-well-formed|bad-format|restricted-xml|unsupported-encoding|invalid-xml)$/;

  // [what, the bytes, the conditions that the standard allows]
  const broken: readonly [string, () => string | Uint8Array, RegExp][] = [
    ['a tag that closes another', () => '<message><body></message></body>', badXml],
    ['an unquoted attribute', () => '<message to=romeo/>', badXml],
    ['an attribute twice', () => "<message to='a@b' to='c@d'/>", badXml],
    [
      'an undeclared prefix',
      () => '<message><x:y/></message>',
      /^(not-well-formed|bad-format|bad-namespace-prefix)$/,
    ],
    ['a bare ampersand', () => message('a & b'), badXml],
    ['an unknown entity (RFC 6120 §11.1)', () => message('&nbsp;'), badXml],
    ['a CDATA that closes too early', () => message('a ]]> b <'), badXml],
    ['a processing instruction (RFC 6120 §11.1)', () => `<?php echo 1 ?>${message('x')}`, badXml],
    ['a comment (RFC 6120 §11.1)', () => message('<!-- x -->'), badXml],
    ['a document type in the stream (RFC 6120 §11.1)', () => '<!DOCTYPE lolz [<!ENTITY a "b">]>', badXml],
    ['a second XML declaration', () => "<?xml version='1.0'?><message/>", badXml],
    ['NUL', () => message('a\0b'), badXml],
    ['a control character', () => message('a\u0001b'), badXml],
    ['a character reference to NUL', () => message('&#0;'), badXml],
    ['a character reference beyond Unicode', () => message('&#x110000;'), badXml],
    ['a surrogate as a reference', () => message('&#xD800;'), badXml],
    [
      'UTF-8 cut short',
      () =>
        Buffer.concat([
          Buffer.from('<message><body>'),
          Buffer.from([0xe2, 0x28, 0xa1]),
          Buffer.from('</body></message>'),
        ]),
      badXml,
    ],
    [
      'UTF-8 longer than needed',
      () =>
        Buffer.concat([
          Buffer.from('<message><body>'),
          Buffer.from([0xc0, 0xaf]),
          Buffer.from('</body></message>'),
        ]),
      badXml,
    ],
    [
      'surrogates in UTF-8',
      () =>
        Buffer.concat([
          Buffer.from('<message><body>'),
          Buffer.from([0xed, 0xa0, 0x80]),
          Buffer.from('</body></message>'),
        ]),
      badXml,
    ],
    ['UTF-16 (RFC 6120 §11.6)', () => Buffer.from('<message/>', 'utf16le'), badXml],
  ];
  for (const stage of ['stream', 'session'] as const)
    for (const [what, bytes, wanted] of broken)
      attack(`${what}, ${stage === 'stream' ? 'before authentication' : 'in a session'}`, {}, async () => {
        const wire = await at(stage);
        wire.write(bytes());
        // A parser may rightly wait for more of what looks unfinished.
        wire.write('<message/><message/>');
        assert.match(await ending(wire), wanted);
      });

  attack('a document type with entities before the header (CVE-2011-1753)', {}, async () => {
    const wire = await at('start');
    const entities = Array.from(
      { length: 20 },
      (_, n) => `<!ENTITY e${n + 1} "${`&e${n};`.repeat(10)}">`,
    ).join('');
    wire.write(
      `<?xml version='1.0'?><!DOCTYPE x [<!ENTITY e0 "x">${entities}]><stream:stream to='&e20;' ${names}>`,
    );
    assert.match(await ending(wire), badXml);
  });
  attack('nothing that is XML', {}, async () => {
    const wire = await at('start');
    wire.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await wire.ended();
  });
  attack('a TLS hello on the plain port', {}, async () => {
    const wire = await at('start');
    wire.write(Buffer.from('16030100c4010000c00303', 'hex'));
    wire.write(Buffer.alloc(200, 0xff));
    await wire.ended();
  });
  for (const stage of ['stream', 'session'] as const)
    attack(
      `10,000 levels of nesting, ${stage}`,
      stage === 'session' ? todo('has no bound on depth') : {},
      async () => {
        const wire = await at(stage);
        wire.write(`<message>${'<a>'.repeat(10_000)}`);
        assert.match(await ending(wire), /^(policy-violation|not-well-formed|bad-format)?$/);
      },
    );
  for (const stage of ['stream', 'session'] as const)
    attack(`100,000 attributes, ${stage}`, {}, async () => {
      const wire = await at(stage);
      const many = Array.from({ length: 100_000 }, (_, n) => `a${n}='x'`).join(' ');
      await wire.push(`<message ${many}/>`);
      assert.match(await ending(wire), /^(policy-violation|not-well-formed|bad-format)$/);
    });
  attack('an attribute without end', {}, async () => {
    const wire = await at('session');
    for (let i = 0; i < 64 && !wire.closed; i++)
      await wire.push(i === 0 ? "<message a='" : 'x'.repeat(16_384));
    assert.match(await ending(wire), /^(policy-violation|not-well-formed)$/);
  });
  attack('a name without end', {}, async () => {
    const wire = await at('session');
    for (let i = 0; i < 64 && !wire.closed; i++) await wire.push(i === 0 ? '<m' : 'm'.repeat(16_384));
    assert.match(await ending(wire), /^(policy-violation|not-well-formed)$/);
  });

  attack('more than 8 KiB before authentication', todo('allows more'), async () => {
    const wire = await at('stream');
    await wire.push(`<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>${'A'.repeat(9000)}`);
    assert.equal(await ending(wire), 'policy-violation');
  });
  attack('more than 32 elements before authentication', todo('allows more'), async () => {
    const wire = await at('stream');
    wire.write(`<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>${'<a/>'.repeat(40)}</auth>`);
    assert.equal(await ending(wire), 'policy-violation');
  });
  attack('a stanza above 256 KiB (RFC 6120 §13.12)', {}, async () => {
    const wire = await at('session');
    await wire.push(message('x'.repeat(300_000)));
    assert.equal(await ending(wire), 'policy-violation');
  });
  attack('a stanza of 200 KiB is still carried', {}, async () => {
    const actor = await Actor.login(target, { user: 'victim', resource: 'big' });
    const body = 'x'.repeat(200_000);
    actor.send(`<message to='${actor.full}' id='big'><body>${body}</body></message>`);
    const got = await actor.expect("<message id='big'/>");
    assert.equal(text(child(got, 'body')!), body);
    await actor.close();
  });
  attack('byte by byte, with characters cut in the middle', {}, async () => {
    const wire = await at('session');
    const bytes = Buffer.from(`<iq type='get' id='slow-ü€😀'><ping xmlns='urn:xmpp:ping'/></iq>`);
    for (const byte of bytes) await wire.push(Buffer.from([byte]));
    assert.equal(attr(await expectElement(wire, 'iq'), 'id'), 'slow-ü€😀');
    wire.cut();
  });
  attack('truncated and cut off', {}, async () => {
    for (const part of [`<?xml version='1.0`, header().slice(0, 40), `${header()}<auth xmlns='urn`]) {
      const wire = await at('start');
      wire.write(part);
      await new Promise<void>((resolve) => setImmediate(resolve));
      wire.cut();
    }
  });

  attack('bytes smuggled before STARTTLS are thrown away (RFC 6120 §5.4.3.3)', {}, async () => {
    await using secure = await openTarget({ tls: 'starttls' });
    const wire = await Wire.tcp(secure.ports.xmpp);
    await open(wire, secure.domain);
    const smuggled = `<iq type='get' id='smuggled'><query xmlns='jabber:iq:register'/></iq>`;
    wire.write(`<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>${header()}${smuggled}`);
    const fate = await wire.until(
      () => (wire.closed ? 'closed' : wire.items.shift()?.text),
      () => 'no answer',
    );
    // Ending the connection is as good as throwing the bytes away.
    if (!fate.includes('proceed')) return;
    try {
      await wire.startTls();
      await open(wire, secure.domain);
    } catch {
      return;
    }
    assert.ok(!wire.items.some((one) => one.text.includes('smuggled')), 'answered inside TLS');
    // The stream inside TLS is a new one: whatever comes next answers what comes next.
    wire.write("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='X-NONE'/>");
    await expectElement(wire, 'failure');
    wire.cut();
  });

  const base64 = (data: string): string => Buffer.from(data).toString('base64');
  attack('PLAIN in the name of another (authzid, RFC 4616 §2)', {}, async () => {
    const wire = await connect(target, 'tls');
    await open(wire, target.domain);
    const plain = `victim@${target.domain}\0mallory\0secret`;
    wire.write(`<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>${base64(plain)}</auth>`);
    const answer = await expectElement(wire, 'success', 'failure');
    if (answer.localName === 'failure') {
      assert.match(children(answer)[0]?.localName ?? '', /^(invalid-authzid|not-authorized)$/);
    } else {
      // Ignoring it is safe only if the session is the one of the credentials.
      await open(wire, target.domain);
      assert.match(await bind(wire), /^mallory@/);
    }
    wire.cut();
  });
  attack('a stanza in the name of another', {}, async () => {
    const victim = await Actor.login(target, { user: 'victim', resource: 'home' });
    const mallory = await Actor.login(target, { user: 'mallory', resource: 'lair' });
    mallory.send(`<message from='${pair.one.full}' to='${victim.full}' id='forged'><body>x</body></message>`);
    const fate = await Promise.any([
      mallory
        .expect(
          "<stream:error xmlns:stream='http://etherx.jabber.org/streams'><invalid-from xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>",
        )
        .then(() => 'ended'),
      victim.expect(`<message from='${mallory.full}' id='forged'/>`).then(() => 'stamped'),
      mallory.expect("<message type='error' id='forged'/>").then(() => 'refused'),
    ]);
    assert.ok(fate);
    assert.equal(victim.inbox.filter((one) => attr(one, 'from') === pair.one.full).length, 0);
    mallory.wire.cut();
    await victim.close();
  });
  attack('a change of domain after authentication', {}, async () => {
    const wire = await Wire.tcp(target.ports.xmpp);
    const features = await open(wire, target.domain);
    await authenticate(wire, target.domain, features, 'mallory', 'secret');
    wire.restart();
    wire.write(`<?xml version='1.0'?><stream:stream to='other.example' ${names}>`);
    await wire.ended();
  });
  attack('20 guesses of a password, then the right one somewhere else', {}, async () => {
    for (let i = 0; i < 20; i++) {
      const wire = await Wire.tcp(target.ports.xmpp);
      const features = await open(wire, target.domain);
      await assert.rejects(authenticate(wire, target.domain, features, 'mallory', `guess${i}`));
      wire.cut();
    }
    const right = await Actor.login(target, { user: 'victim' });
    await right.close();
  });
  attack('a flood of requests for nothing', {}, async () => {
    const wire = await at('session');
    const ping = "<iq type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>".repeat(100);
    for (let i = 0; i < 50 && !wire.closed; i++) await wire.push(ping);
    await wire.until(
      () => (wire.items.length >= 5000 || wire.closed ? true : undefined),
      () => `${wire.items.length} answers`,
      30_000,
    );
    wire.cut();
  });

  attack('a reader that never reads', {}, async () => {
    const pids = await target.pids();
    const memory = async (): Promise<number> =>
      (await Promise.all(pids.map(resident))).reduce((sum, one) => sum + one, 0);
    const slow = await Wire.tcp(target.ports.xmpp);
    const features = await open(slow, target.domain);
    await authenticate(slow, target.domain, features, 'victim', 'secret');
    const full = await bind(slow, 'slow');
    slow.write('<presence/>');
    await expectElement(slow, 'presence');
    slow.reading(false);
    const mallory = await Actor.login(target, { user: 'mallory', resource: 'gun' });
    const before_ = await memory();
    // 40 MB of headlines: nobody keeps those for later, so only a queue could hold them.
    const shot = `<message type='headline' to='${full}'><body>${'x'.repeat(20_000)}</body></message>`.repeat(
      10,
    );
    for (let i = 0; i < 200 && !mallory.wire.closed; i++) await mallory.wire.push(shot);
    if (!mallory.wire.closed)
      assert.equal(attr(await mallory.ask('get', "<ping xmlns='urn:xmpp:ping'/>"), 'type'), 'result');
    const grown = (await memory()) - before_;
    assert.ok(
      grown < 64 * 2 ** 20,
      `memory grew by ${Math.round(grown / 2 ** 20)} MiB for 38 MiB that nobody read`,
    );
    mallory.wire.cut();
    slow.cut();
  });

  void describe('over a WebSocket', () => {
    for (const [what, bytes] of [
      ['two elements in a message (RFC 7395 §3.3)', '<message/><message/>'],
      ['half an element', "<message to='x'"],
      ['a binary message (RFC 7395 §3.2)', Buffer.from('<message/>')],
      ['a document type', '<!DOCTYPE x><message/>'],
      ['a comment', '<message><!-- x --></message>'],
      ['text alone', 'hello'],
      ['512 KiB', `<message>${'x'.repeat(524_288)}</message>`],
    ] as const)
      attack(what, todo('more lenient'), async () => {
        const wire = await Wire.ws(target.websocket);
        await open(wire, target.domain);
        wire.write(bytes);
        await wire.ended();
      });
  });

  attack(
    '5,000 half-open connections',
    todo('its other clients wait more than the patience meanwhile'),
    async () => {
      const wires: Wire[] = [];
      try {
        for (let i = 0; i < 5000; i += 100) {
          const more = await Promise.all(
            Array.from({ length: 100 }, async (_, n) => {
              const wire = await Wire.tcp(target.ports.xmpp);
              // A third says nothing, a third begins, a third stops in the middle of authentication.
              if (n % 3 === 1) wire.write(header());
              if (n % 3 === 2) wire.write(`${header()}<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mecha`);
              return wire;
            }),
          );
          wires.push(...more);
        }
        const late = await Actor.login(target, { user: 'victim', resource: 'late' });
        assert.equal(attr(await late.ask('get', "<ping xmlns='urn:xmpp:ping'/>"), 'type'), 'result');
        await late.close();
      } finally {
        for (const wire of wires) wire.cut();
      }
    },
  );
});
