import assert from 'node:assert/strict';
import { generateKeyPairSync, sign } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { ConnectionOptions } from 'node:tls';
import { Authority } from '../mux/authority.ts';
import { encode, fast, quiet, sasl2, Success, whole } from './sasl2.ts';
import { Scram } from './scram.ts';
import { openTarget, type Target } from './server.ts';
import { expectElement, open } from './stream.ts';
import { Wire } from './wire.ts';
import { attr, child, children, text, type Element } from './xml.ts';

const guests = 'guests.localhost';
const issuer = 'https://login.example.org/';
const agent = "<user-agent id='d4565fa7-4d72-4749-b3d3-740edbf87770'/>";
const wantToken = `<request-token xmlns='${fast}' mechanism='HT-SHA-256-NONE'/>`;

/** Whatever proves who the client is, SASL2 does the rest. */
void describe('SASL2 with each mechanism', () => {
  const authority = new Authority();
  const files = mkdtempSync(join(tmpdir(), 'muster-mechanisms-'));
  const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  let target: Target;
  before(async () => {
    const ca = join(files, 'ca.pem');
    const jwks = join(files, 'keys.json');
    writeFileSync(ca, authority.ca);
    const jwk = { ...pair.publicKey.export({ format: 'jwk' }), kid: 'one', alg: 'ES256', use: 'sig' };
    writeFileSync(jwks, JSON.stringify({ keys: [jwk] }));
    target = await openTarget({
      set: [
        `auth.clientCertificates.ca=${ca}`,
        `auth.anonymous=${guests}`,
        `auth.oauth={ issuer: "${issuer}", audience: muster, jwks: ${jwks} }`,
      ],
    });
    await target.users(['alice', 'bob', 'carol']);
  });
  after(async () => {
    await target?.[Symbol.asyncDispose]();
    authority.close();
    rmSync(files, { recursive: true });
  });

  async function begin(domain = target.domain, options: ConnectionOptions = {}) {
    const wire = await Wire.tls(target.ports.xmpps, '127.0.0.1', options);
    const features = await open(wire, domain);
    const authentication = child(features, 'authentication', sasl2)!;
    return { wire, authentication, mechanisms: children(authentication, 'mechanism').map(text) };
  }

  const says = (wire: Wire, mechanism: string, first: string | undefined, more = whole): void =>
    wire.write(
      `<authenticate xmlns='${sasl2}' mechanism='${mechanism}'>` +
        (first === undefined ? '' : `<initial-response>${encode(first)}</initial-response>`) +
        `${agent}${more}</authenticate>`,
    );

  /** The whole of what follows: bound, with features, and working. */
  async function enters(wire: Wire): Promise<Success> {
    const success = new Success(await expectElement(wire, 'success'));
    assert.ok(success.enabled);
    await expectElement(wire, 'features');
    assert.deepEqual(await quiet(wire), []);
    return success;
  }

  const condition = (failure: Element): string => children(failure)[0]!.localName!;

  void it('SCRAM bound to the channel', async () => {
    for (const mechanism of ['SCRAM-SHA-512-PLUS', 'SCRAM-SHA-256-PLUS', 'SCRAM-SHA-1-PLUS']) {
      const { wire, mechanisms } = await begin();
      assert.ok(mechanisms.includes(mechanism));
      const data = wire.secured.exportKeyingMaterial(32, 'EXPORTER-Channel-Binding', Buffer.alloc(0));
      const scram = new Scram(mechanism, 'alice', 'secret', '', ['tls-exporter', data]);
      says(wire, mechanism, scram.first);
      const challenge = Buffer.from(text(await expectElement(wire, 'challenge')), 'base64').toString();
      wire.write(`<response xmlns='${sasl2}'>${encode(scram.answer(challenge))}</response>`);
      const success = await enters(wire);
      scram.check(Buffer.from(text(child(success.element, 'additional-data')!), 'base64').toString());
      assert.match(success.jid, /^alice@localhost\/Test\//);
      wire.cut();
    }
  });

  void it('EXTERNAL, with and without a first message; no token comes of a certificate', async () => {
    for (const first of [undefined, '', 'bob@localhost']) {
      const { wire, mechanisms } = await begin(target.domain, authority.issue(['xmpp:bob@localhost']));
      assert.ok(mechanisms.includes('EXTERNAL'));
      says(wire, 'EXTERNAL', first, whole + wantToken);
      if (first === undefined) {
        await expectElement(wire, 'challenge');
        wire.write(`<response xmlns='${sasl2}'/>`);
      }
      const success = await enters(wire);
      assert.match(success.jid, /^bob@localhost\/Test\//);
      assert.equal(success.token, undefined);
      wire.cut();
    }
  });

  void it('OAUTHBEARER; what is wrong with a token is told before the failure', async () => {
    const now = Math.floor(Date.now() / 1000);
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const claims = { iss: issuer, aud: 'muster', exp: now + 60, iat: now, preferred_username: 'carol' };
    const signed = `${part({ alg: 'ES256', kid: 'one' })}.${part(claims)}`;
    const by = sign('sha256', Buffer.from(signed), { key: pair.privateKey, dsaEncoding: 'ieee-p1363' });
    const first = (token: string) => `n,,\x01auth=Bearer ${token}\x01\x01`;
    const { wire } = await begin();
    says(wire, 'OAUTHBEARER', first('x'));
    const why = Buffer.from(text(await expectElement(wire, 'challenge')), 'base64').toString();
    assert.match(why, /invalid_token/);
    wire.write(`<response xmlns='${sasl2}'>${encode('\x01')}</response>`);
    assert.equal(condition(await expectElement(wire, 'failure')), 'not-authorized');
    says(wire, 'OAUTHBEARER', first(`${signed}.${by.toString('base64url')}`), whole + wantToken);
    const success = await enters(wire);
    assert.match(success.jid, /^carol@localhost\/Test\//);
    assert.equal(success.token, undefined);
    wire.cut();
  });

  void it('ANONYMOUS has neither tokens nor keys to add', async () => {
    const { wire, authentication, mechanisms } = await begin(guests);
    assert.deepEqual(mechanisms, ['ANONYMOUS']);
    assert.equal(child(child(authentication, 'inline', sasl2)!, 'fast', fast), undefined);
    assert.equal(child(authentication, 'upgrade'), undefined);
    says(wire, 'ANONYMOUS', undefined, whole + wantToken);
    const success = await enters(wire);
    assert.match(success.jid, /^[0-9a-f-]{36}@guests\.localhost\/Test\//);
    assert.equal(success.token, undefined);
    says(wire, 'HT-SHA-256-NONE', 'alice\0x', `<fast xmlns='${fast}'/>`);
    assert.ok(attr(await expectElement(wire, 'error'), 'type') === undefined);
    const other = await begin(guests);
    says(other.wire, 'HT-SHA-256-NONE', 'alice\0x', `<fast xmlns='${fast}'/>`);
    assert.equal(condition(await expectElement(other.wire, 'failure')), 'invalid-mechanism');
    for (const one of [wire, other.wire]) one.cut();
  });
});
