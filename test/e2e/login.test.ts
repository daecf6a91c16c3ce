import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { ConnectionOptions } from 'node:tls';
import { Authority } from '../mux/authority.ts';
import { poll } from './child.ts';
import { proves, says } from './entrant.ts';
import { issuer, Issuer } from './issuer.ts';
import type { Binding } from './scram.ts';
import { openTarget, type Target } from './server.ts';
import { bind, expectElement, mechanisms, open } from './stream.ts';
import { Wire } from './wire.ts';
import { attr, child, children, show, text, type Element } from './xml.ts';

const sasl = 'urn:ietf:params:xml:ns:xmpp-sasl';
const guests = 'guests.localhost';

void describe('logins', () => {
  const authority = new Authority();
  const tokens = new Issuer();
  const files = mkdtempSync(join(tmpdir(), 'muster-login-'));
  let target: Target;
  const wires: Wire[] = [];

  before(async () => {
    const ca = join(files, 'ca.pem');
    writeFileSync(ca, authority.ca);
    target = await openTarget({
      set: [
        `auth.clientCertificates.ca=${ca}`,
        `auth.anonymous=${guests}`,
        `auth.oauth={ issuer: "${issuer}", audience: muster, jwks: ${tokens.file}, scope: xmpp }`,
        'limits.failures=3',
        'limits.failurePause=3600',
        'limits.resume=2',
      ],
    });
    await target.users(['alice', 'bob', 'carol', 'dave', 'erin']);
  });
  after(async () => {
    for (const wire of wires) wire.cut();
    await target?.[Symbol.asyncDispose]();
    authority.close();
    tokens.close();
    rmSync(files, { recursive: true });
  });

  async function secured(
    domain = target.domain,
    options: ConnectionOptions = {},
  ): Promise<{ wire: Wire; features: Element }> {
    const wire = await Wire.tls(target.ports.xmpps, '127.0.0.1', options);
    wires.push(wire);
    return { wire, features: await open(wire, domain) };
  }

  async function bound(wire: Wire, domain = target.domain): Promise<string> {
    await open(wire, domain);
    return bind(wire);
  }

  const exporter = (wire: Wire): Binding => [
    'tls-exporter',
    wire.secured.exportKeyingMaterial(32, 'EXPORTER-Channel-Binding', Buffer.alloc(0)),
  ];
  const endPoint = (wire: Wire): Binding => [
    'tls-server-end-point',
    hash('sha256', wire.secured.getPeerX509Certificate()!.raw, 'buffer'),
  ];

  void it('every SCRAM, bound to the channel in both ways', async () => {
    for (const mechanism of ['SCRAM-SHA-512', 'SCRAM-SHA-256', 'SCRAM-SHA-1']) {
      const { wire } = await secured();
      assert.equal((await proves(wire, mechanism, 'alice')).end, 'success', mechanism);
      for (const way of [exporter, endPoint]) {
        const other = await secured();
        const { end } = await proves(other.wire, `${mechanism}-PLUS`, 'alice', { binding: way(other.wire) });
        assert.equal(end, 'success', `${mechanism}-PLUS`);
        assert.match(await bound(other.wire), /^alice@localhost\//);
      }
    }
    const old = await secured(target.domain, { maxVersion: 'TLSv1.2' });
    const { end } = await proves(old.wire, 'SCRAM-SHA-512-PLUS', 'alice', { binding: endPoint(old.wire) });
    assert.equal(end, 'success', 'TLS 1.2');
  });

  void it('who stands in the middle is found out', async () => {
    const { wire } = await secured();
    const elsewhere = await secured();
    const failed = 'not-authorized channel-bindings-dont-match';
    const mechanism = 'SCRAM-SHA-256-PLUS';
    assert.equal((await proves(wire, mechanism, 'bob', { binding: exporter(elsewhere.wire) })).end, failed);
    const [, data] = exporter(wire) as [string, Uint8Array];
    const unknown = await proves(wire, mechanism, 'bob', { binding: ['tls-other', data] });
    assert.equal(unknown.end, 'not-authorized unsupported-channel-binding-type');
    assert.equal((await proves(wire, mechanism, 'bob')).end, failed, 'without any');
    const stripped = await proves(wire, 'SCRAM-SHA-256', 'bob', { binding: 'y' });
    assert.equal(stripped.end, 'not-authorized server-does-support-channel-binding');
  });

  void it('older clients bind to the first Finished message, which is not offered (slixmpp 1.8)', async () => {
    for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
      const { wire, features } = await secured(target.domain, { maxVersion });
      assert.doesNotMatch(show(features), /tls-unique/);
      const binding: Binding = ['tls-unique', wire.secured.getFinished()!];
      assert.equal((await proves(wire, 'SCRAM-SHA-256-PLUS', 'alice', { binding })).end, 'success');
      const other = await secured(target.domain, { maxVersion });
      const { end } = await proves(other.wire, 'SCRAM-SHA-256-PLUS', 'alice', { binding });
      assert.equal(end, 'not-authorized channel-bindings-dont-match');
    }
  });

  void it('the lists that were offered are told again (XEP-0474)', async () => {
    const { wire, features } = await secured();
    const { challenge } = await proves(wire, 'SCRAM-SHA-512', 'alice');
    const types = children(child(features, 'sasl-channel-binding', 'urn:xmpp:sasl-cb:0')!).map((one) =>
      attr(one, 'type')!,
    );
    const said = `${mechanisms(features).sort().join('\x1e')}\x1f${types.sort().join('\x1e')}`;
    assert.ok(challenge.endsWith(`,h=${hash('sha512', said, 'base64')}`), challenge);
  });

  void it('EXTERNAL: a certificate lets in whom it names (XEP-0178)', async () => {
    const by = async (names: string[], authzid = '') => {
      const { wire, features } = await secured(target.domain, authority.issue(names));
      assert.equal(mechanisms(features)[0], 'EXTERNAL');
      const end = await says(wire, 'EXTERNAL', authzid);
      return end === 'success' ? (await bound(wire)).split('/')[0] : end;
    };
    assert.equal(await by(['xmpp:alice@localhost']), 'alice@localhost');
    assert.equal(await by(['xmpp:Alice@LOCALHOST'], 'alice@localhost'), 'alice@localhost');
    assert.equal(await by(['email:bob@localhost']), 'bob@localhost');
    assert.equal(
      await by(['xmpp:alice@localhost', 'email:bob@localhost']),
      'alice@localhost',
      'not the mail',
    );
    const both = ['xmpp:alice@localhost', 'xmpp:bob@localhost'];
    assert.match((await by(both)) ?? '', /^invalid-authzid/);
    assert.equal(await by(both, 'bob@localhost'), 'bob@localhost');
    assert.match((await by(both, 'carol@localhost')) ?? '', /^invalid-authzid/);
    assert.match((await by(['xmpp:alice@localhost'], 'alice@localhost/phone')) ?? '', /^invalid-authzid/);
    for (const name of [
      'xmpp:nobody@localhost',
      'xmpp:alice@elsewhere.example',
      'xmpp:localhost',
      'xmpp:alice',
    ])
      assert.match((await by([name])) ?? '', /^not-authorized/, name);
    assert.match((await by([])) ?? '', /^not-authorized/, 'CN=client is nobody');
    const { wire, features } = await secured();
    assert.ok(!mechanisms(features).includes('EXTERNAL'));
    assert.equal(await says(wire, 'EXTERNAL', ''), 'invalid-mechanism');
  });

  void it('OAUTHBEARER: a token of the issuer lets in whom it names', async () => {
    const by = async (token: string, gs2 = 'n,,') => {
      const { wire } = await secured();
      const end = await says(wire, 'OAUTHBEARER', `${gs2}\x01auth=Bearer ${token}\x01\x01`, '\x01');
      return end === 'success' ? (await bound(wire)).split('/')[0] : end;
    };
    const good = { preferred_username: 'alice', scope: 'openid xmpp' };
    assert.equal(await by(tokens.token(good)), 'alice@localhost');
    assert.equal(await by(tokens.token(good), 'n,a=alice@localhost,'), 'alice@localhost');
    assert.equal(await by(tokens.token(good), 'n,a=bob@localhost,'), 'invalid-authzid');
    assert.equal(
      await by(tokens.token({ ...good, scope: 'openid' })),
      '{"status":"insufficient_scope","scope":"xmpp"} not-authorized',
    );
    const refused = '{"status":"invalid_token","scope":"xmpp"} not-authorized';
    const past = Math.floor(Date.now() / 1000) - 3600;
    for (const [what, token] of Object.entries({
      expired: tokens.token({ ...good, exp: past }),
      'without an end': tokens.token({ ...good, exp: undefined }),
      'of somebody else': tokens.token({ ...good, iss: 'https://evil.example/' }),
      'for somebody else': tokens.token({ ...good, aud: 'mail' }),
      unsigned: tokens.token(good, { alg: 'none' }, ''),
      'of another key': tokens.token(good, { alg: 'ES256', kid: 'one' }, tokens.stranger),
      'of a key that nobody knows': tokens.token(good, { alg: 'ES256', kid: 'two' }, tokens.stranger),
      'with its key in it': tokens.token(
        good,
        {
          alg: 'ES256',
          jku: 'http://127.0.0.1:1/',
          x5u: 'http://127.0.0.1:1/',
          kid: '../../../../etc/passwd',
        },
        tokens.stranger,
      ),
      'by the public key as a secret': tokens.confused({
        ...good,
        iss: issuer,
        aud: 'muster',
        exp: past * 2,
      }),
      'for nobody here': tokens.token({ ...good, preferred_username: 'nobody' }),
      'for another domain': tokens.token({ ...good, preferred_username: 'alice@elsewhere.example' }),
      'with a list in place of a name': tokens.token({ ...good, preferred_username: ['alice'] }),
      'no token': 'abc',
    }))
      assert.equal(await by(token), refused, what);
  });

  void it('ANONYMOUS: somebody new each time, on a domain with nothing else, and gone afterwards', async () => {
    const { wire, features } = await secured(guests);
    assert.deepEqual(mechanisms(features), ['ANONYMOUS']);
    assert.equal(await says(wire, 'PLAIN', '\0alice\0secret'), 'invalid-mechanism');
    wire.write(`<auth xmlns='${sasl}' mechanism='ANONYMOUS'/>`);
    await expectElement(wire, 'success');
    const full = await bound(wire, guests);
    assert.match(
      full,
      /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}@guests\.localhost\//,
    );
    const second = await secured(guests);
    assert.equal(await says(second.wire, 'ANONYMOUS', 'alice@example.org traces'), 'success');
    const other = await bound(second.wire, guests);
    assert.notEqual(other.split('/')[0], full.split('/')[0]);
    const here = await secured();
    assert.equal(await says(here.wire, 'ANONYMOUS', ''), 'invalid-mechanism', 'not on a domain of accounts');

    const ask = async (xml: string) => {
      wire.write(xml);
      return expectElement(wire, 'iq');
    };
    const about = await ask(
      "<iq xmlns='jabber:client' type='get' id='i'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>",
    );
    const identity = child(child(about, 'query')!, 'identity')!;
    assert.deepEqual([attr(identity, 'category'), attr(identity, 'type')], ['account', 'anonymous']);
    const [local] = full.split('@');
    const set = await ask(
      `<iq xmlns='jabber:client' type='set' id='p'><query xmlns='jabber:iq:register'><username>${local}</username><password>mine</password></query></iq>`,
    );
    assert.equal(attr(set, 'type'), 'error');

    wire.write(`<message xmlns='jabber:client' to='${other}'><body>hello</body></message>`);
    assert.equal(text(child(await expectElement(second.wire, 'message'), 'body')!), 'hello');
    for (const [address, connection] of [
      [full, wire],
      [other, second.wire],
    ] as const) {
      assert.ok(await exists(address));
      connection.cut();
      await forgotten(address);
    }
  });

  void it('ANONYMOUS: what a crash left is gone, too', async () => {
    const { wire } = await secured(guests);
    assert.equal(await says(wire, 'ANONYMOUS', ''), 'success');
    const full = await bound(wire, guests);
    await target.kill('worker');
    await target.ready();
    assert.ok(await exists(full), 'its session may come back');
    await forgotten(full);
  });

  /** Whether a message to the bare address is taken. */
  async function exists(full: string): Promise<boolean> {
    const { wire } = await secured();
    assert.equal((await proves(wire, 'SCRAM-SHA-256', 'alice')).end, 'success');
    await bound(wire);
    wire.write(
      `<message xmlns='jabber:client' to='${full.split('/')[0]}' id='m' type='chat'><body>?</body></message>` +
        `<iq xmlns='jabber:client' type='get' id='x'><ping xmlns='urn:xmpp:ping'/></iq>`,
    );
    const answer = await expectElement(wire, 'message', 'iq');
    wire.cut();
    return answer.localName === 'iq';
  }

  async function forgotten(full: string): Promise<void> {
    await poll(
      async () => ((await exists(full)) ? undefined : true),
      () => `${full} is still there`,
    );
  }

  void it('wrong passwords: the wait is told, sessions stay, another account is not touched', async () => {
    const inside = await secured();
    assert.equal((await proves(inside.wire, 'SCRAM-SHA-256', 'carol')).end, 'success');
    await bound(inside.wire);
    const { wire } = await secured();
    for (const mechanism of ['SCRAM-SHA-512', 'SCRAM-SHA-1'])
      assert.equal((await proves(wire, mechanism, 'carol', { password: 'x' })).end, 'not-authorized');
    assert.equal(await says(wire, 'PLAIN', '\0carol\0x'), 'not-authorized');
    const held = /^temporary-auth-failure too many failed logins, try again in \d+ s$/;
    assert.match(await says(wire, 'PLAIN', '\0carol\0secret'), held, 'the right one is not looked at');
    const again = await secured();
    assert.match((await proves(again.wire, 'SCRAM-SHA-256', 'carol')).end, held, 'nor on another connection');
    assert.match(await says(again.wire, 'PLAIN', '\0CAROL\0secret'), held, 'nor by another spelling');
    assert.equal((await proves(again.wire, 'SCRAM-SHA-256', 'dave')).end, 'success');
    // Somebody who does not exist is answered in the same way.
    const nobody = await secured();
    for (let n = 0; n < 3; n++)
      assert.equal(await says(nobody.wire, 'PLAIN', '\0nobody\0x'), 'not-authorized');
    assert.match(await says(nobody.wire, 'PLAIN', '\0nobody\0x'), held);
    inside.wire.write("<iq xmlns='jabber:client' type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>");
    assert.equal(attr(await expectElement(inside.wire, 'iq'), 'type'), 'result');
    const metrics = await (await fetch(`http://127.0.0.1:${target.ports.http}/metrics`)).text();
    assert.match(metrics, /muster_account_events_total\{event="login-held"\} [1-9]/);
  });

  void it('guesses at the same time are counted one by one', async () => {
    const all = await Promise.all(Array.from({ length: 12 }, () => secured()));
    const ends = await Promise.all(all.map(({ wire }) => says(wire, 'PLAIN', '\0erin\0x')));
    assert.equal(ends.filter((end) => end === 'not-authorized').length, 3);
    assert.equal(ends.filter((end) => end.startsWith('temporary-auth-failure')).length, 9);
  });
});
