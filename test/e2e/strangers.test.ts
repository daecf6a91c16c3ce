import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Actor } from './actor.ts';
import { Gateway } from './gateway.ts';
import { Httpbind } from './httpbind.ts';
import { Speaker } from './sasl2.ts';
import { freePorts, openTarget, type Target } from './server.ts';
import { expectElement, open } from './stream.ts';
import { Raw } from './upload.ts';
import { Wire } from './wire.ts';
import { attr } from './xml.ts';

const bot = 'bot.localhost';
const secret = 'known-to-nobody-else';
const streams = "xmlns:stream='http://etherx.jabber.org/streams'";

/** One of the ways in, for somebody who has not logged in. */
interface Way {
  readonly name: string;
  /** A stream that was opened. */
  open(): Promise<Stranger>;
}
interface Stranger {
  /** Says this and resolves with everything that came until the other side ended the stream. */
  ends(said: string | Uint8Array): Promise<string>;
  cut(): void;
}

/** docs/security.md names the classes; what has no better place is here. */
void describe(
  'what strangers may try',
  { timeout: 180_000, skip: process.env['TARGET'] === 'prosody' },
  () => {
    let target: Target;
    let port: number;
    let ways: Way[];
    before(async () => {
      [port] = (await freePorts(1)) as [number];
      target = await openTarget({
        set: [
          `components=[{ domain: ${bot}, secret: ${secret} }]`,
          `listen.component={ host: 127.0.0.1, port: ${port}, tls: off }`,
          'limits.unauthenticated=200',
          // Attempts that nobody ends count as failures, and all come from one address.
          ...['failures', 'failuresAccount', 'failuresAddress'].map((name) => `limits.${name}=10000`),
        ],
      });
      await target.users(['alice', 'bob', 'carol', 'dave']);
      ways = [
        {
          name: 'TCP',
          open: () => streamed(Wire.tcp(target.ports.xmpp), (wire) => open(wire, target.domain)),
        },
        {
          name: 'WebSocket',
          open: () => streamed(Wire.ws(target.websocket), (wire) => open(wire, target.domain)),
        },
        { name: 'component', open: async () => streamed(Gateway.open(port, bot).then(({ wire }) => wire)) },
        { name: 'BOSH', open: () => bosh(target) },
      ];
    });
    after(() => target?.[Symbol.asyncDispose]());

    /** Lines of the log that an administrator would look into. */
    const complaints = (): string[] =>
      target
        .log()
        .split('\n')
        .filter((line) => /"level":[4-6]0/.test(line));

    const every = (name: string, run: (way: Way) => Promise<void>): void => {
      for (const [at, way] of ['TCP', 'WebSocket', 'component', 'BOSH'].entries())
        void it(`${name}: ${way}`, () => run(ways[at]!));
    };

    every('restricted XML, bad encodings and false names end the stream', async (way) => {
      const bad: (string | Uint8Array)[] = [
        '<!DOCTYPE x>',
        "<!DOCTYPE x [<!ENTITY a 'b'>]><x>&a;</x>",
        '<?php echo 1 ?>',
        '<!-- x -->',
        '<x><!-- x --></x>',
        '<x>&nbsp;</x>',
        '<x>&#0;</x>',
        '<x>\0</x>',
        '<x:y/>',
        "<x xmlns:xml='urn:other'/>",
        "<x xmlns:y=''/>",
        "<x xmlns:xmlns='urn:other'/>",
        "<x a='1' a='2'/>",
        "<x xmlns:a='u' xmlns:b='u' a:n='1' b:n='2'/>",
        '<x></y>',
      ];
      for (const bytes of [[0xc0, 0xaf], [0xed, 0xa0, 0x80], [0xf5, 0x80, 0x80, 0x80], [0xfe]])
        bad.push(Buffer.concat([Buffer.from('<x>'), Buffer.from(bytes), Buffer.from('</x>')]));
      for (const said of bad) {
        if (said instanceof Uint8Array && way.name === 'WebSocket') continue; // a text frame is checked by ws
        const stranger = await way.open();
        const heard = await stranger.ends(said);
        assert.match(
          heard,
          /not-well-formed|bad-format|restricted-xml|unsupported-encoding|invalid-xml|bad-namespace-prefix|bad-request/,
          `${String(said)}: ${heard}`,
        );
      }
    });

    every('what costs a parser much ends early, before anybody is known', async (way) => {
      const much: Record<string, string> = {
        '10,000 levels': '<a>'.repeat(10_000),
        '100,000 attributes': `<a ${Array.from({ length: 100_000 }, (_, n) => `a${n}='x'`).join(' ')}/>`,
        'a name of 1 MiB': `<${'n'.repeat(2 ** 20)}/>`,
        'an attribute without end': `<a b='${'x'.repeat(2 ** 20)}`,
        '10,000 namespaces': `<a ${Array.from({ length: 10_000 }, (_, n) => `xmlns:a${n}='u${n}'`).join(' ')}/>`,
        'text of 1 MiB': `<a>${'x'.repeat(2 ** 20)}</a>`,
        '10,000 elements': `<a>${'<b/>'.repeat(10_000)}</a>`,
      };
      for (const [what, said] of Object.entries(much)) {
        const stranger = await way.open();
        assert.match(await stranger.ends(said), /policy-violation|^$/, what);
      }
    });

    void it('and nobody of them writes into the log', () => {
      assert.deepEqual(complaints(), []);
    });

    void it('byte after byte: BOSH and components wait for the whole, and no longer than they must', async () => {
      const client = new Httpbind(target);
      const document = client.document('', { to: target.domain, wait: '5', hold: '1' });
      const raw = new Raw(client.url);
      const { pathname, host } = new URL(client.url);
      raw.write(`POST ${pathname} HTTP/1.1\r\nhost: ${host}\r\ncontent-length: ${document.length}\r\n\r\n`);
      for (const byte of document) raw.write(byte);
      assert.equal(await raw.status(), 200);
      raw.cut();
      const wire = await Wire.tcp(port);
      for (const byte of `<stream:stream xmlns='jabber:component:accept' ${streams} to='${bot}'>`)
        await wire.push(byte);
      await wire.until(
        () => wire.items.find(({ kind }) => kind === 'open'),
        () => 'no stream header',
      );
      wire.cut();
    });

    void it('streams that are opened and left at any stage leave nothing in memory', async () => {
      const stages: (() => Promise<void>)[] = [
        async () => (await Wire.tcp(target.ports.xmpp)).cut(),
        async () => (await ways[0]!.open()).cut(),
        async () => (await ways[1]!.open()).cut(),
        async () => (await ways[2]!.open()).cut(),
        async () => (await ways[3]!.open()).cut(),
        async () => {
          const speaker = await Speaker.open(target, 'alice');
          speaker.begin({});
          await expectElement(speaker.wire, 'challenge');
          speaker.cut();
        },
        async () => {
          const wire = await Wire.tcp(target.ports.xmpp);
          await open(wire, target.domain);
          wire.write(
            `<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='SCRAM-SHA-256'>${btoa('n,,n=alice,r=abc')}</auth>`,
          );
          await expectElement(wire, 'challenge');
          wire.cut();
        },
        async () => (await Actor.authenticated(target, { user: 'bob' })).wire.cut(),
      ];
      const round = async (): Promise<void> => {
        for (const stage of stages) await Promise.all(Array.from({ length: 150 }, stage));
      };
      const metric = async (name: string): Promise<number> => {
        const all = await (await fetch(`${target.page}metrics`)).text();
        return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(all)?.[1] ?? 0);
      };
      const heap = (): Promise<number> => metric('nodejs_heap_size_used_bytes');
      // What a server needs once (compiled code, pools) it has after the first rounds.
      await round();
      await round();
      const first = await heap();
      // Garbage lies there until it is collected; what is kept would be there afterwards, too.
      let least = Infinity;
      let rounds = 0;
      while (rounds < 6 || (least > first && rounds < 40)) {
        await round();
        rounds += 1;
        // The later rounds say it: a leak has grown by then.
        if (rounds >= 6) least = Math.min(least, await heap());
      }
      const grown = Math.round((least - first) / 2 ** 20);
      assert.ok(grown <= 0, `${grown} MiB more after ${rounds * 150 * stages.length} further streams`);
      assert.equal(await metric('muster_sessions'), 0);
    });

    void it('BOSH sessions of strangers are so many: the oldest makes room', async () => {
      const first = new Httpbind(target);
      await first.create({ wait: '1' });
      const all = Array.from({ length: 250 }, () => new Httpbind(target));
      for (let at = 0; at < all.length; at += 50)
        await Promise.all(all.slice(at, at + 50).map((one) => one.create({ wait: '1' })));
      assert.equal(attr((await first.ask()).body!, 'type'), 'terminate', 'the oldest is gone');
      const sids = new Set(all.map(({ sid }) => sid));
      assert.equal(sids.size, all.length);
      // 18 random bytes each: no two begin alike.
      assert.equal(new Set([...sids].map((sid) => sid.slice(0, 6))).size, all.length);
    });

    void it('the plane of administrators is not reached from a page or by a path', async () => {
      const paths = [
        'admin/users',
        'admin/status',
        '%61dmin/users',
        'x/../admin/users',
        'x/%2e%2e/admin/users',
        '//admin/users',
        'admin%2fusers',
      ];
      for (const path of paths)
        for (const method of ['GET', 'POST', 'PUT', 'DELETE', 'OPTIONS']) {
          const raw = new Raw(target.page);
          const { host } = new URL(target.page);
          raw.write(
            `${method} /${path} HTTP/1.1\r\nhost: ${host}\r\norigin: https://evil.example\r\ncookie: token=x\r\n` +
              'content-type: text/plain\r\ncontent-length: 0\r\nconnection: close\r\n\r\n',
          );
          const status = await raw.status();
          assert.ok(status >= 400 || status === 204, `${method} /${path}: ${status}`);
          assert.doesNotMatch(raw.text, /alice|access-control-allow-credentials/i, `${method} /${path}`);
          raw.cut();
        }
    });
  },
);

/** Everything that comes over a wire. */
async function streamed(opening: Promise<Wire>, begin?: (wire: Wire) => Promise<unknown>): Promise<Stranger> {
  const wire = await opening;
  await begin?.(wire);
  return {
    ends: async (said) => {
      await (wire.websocket ? Promise.resolve(wire.write(said)) : wire.push(said));
      // What looks unfinished may rightly be waited for.
      if (!wire.websocket) wire.write('<message/><message/>');
      await wire.ended();
      return wire.items.map((item) => item.text).join('');
    },
    cut: () => wire.cut(),
  };
}

async function bosh(target: Target): Promise<Stranger> {
  const client = new Httpbind(target);
  await client.create({ wait: '1' });
  return {
    ends: async (said) => {
      const [head, tail] = client.document('|').split('|') as [string, string];
      const answer = await client.post(
        Buffer.concat([Buffer.from(head), Buffer.from(said), Buffer.from(tail)]),
      );
      return /type=["']terminate/.test(answer.text) ? answer.text : `goes on: ${answer.text}`;
    },
    cut: () => {},
  };
}
