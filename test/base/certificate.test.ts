import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { connect, createServer } from 'node:tls';
import { once } from 'node:events';
import { certificate } from '../../src/base/certificate.ts';
import { systemClock } from '../../src/base/clock.ts';
import { loadConfig } from '../../src/base/configfile.ts';

const dir = mkdtempSync(join(tmpdir(), 'muster-tls-'));
test.after(() => rmSync(dir, { recursive: true }));
const config = (...set: string[]) => loadConfig({ data: join(dir, 'data'), set }, dir);

test('a pair is made once, kept with a private key that only the owner reads, and made again for other domains', async () => {
  const first = await certificate(config('domains=[example.org, münchen.example]'), systemClock);
  assert.equal(statSync(join(dir, 'data/tls/key.pem')).mode & 0o777, 0o600);
  const parsed = new X509Certificate(first.cert);
  assert.ok(parsed.checkHost('example.org') && parsed.checkHost('localhost') && parsed.checkIP('127.0.0.1'));
  assert.ok(parsed.checkHost('xn--mnchen-3ya.example'));
  assert.equal(parsed.publicKey.asymmetricKeyDetails?.namedCurve, 'prime256v1');
  assert.ok(parsed.validToDate.getTime() > Date.now() + 5 * 365 * 86_400_000);

  assert.equal(
    (await certificate(config('domains=[example.org, münchen.example]'), systemClock)).cert,
    first.cert,
  );
  assert.notEqual((await certificate(config('domains=[example.net]'), systemClock)).cert, first.cert);
});

test('a client that trusts the certificate gets a TLS 1.3 connection', async () => {
  const pair = await certificate(config(), systemClock);
  const server = createServer({ cert: pair.cert, key: pair.key }, (socket) => socket.end('hello'));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const socket = connect({ port, host: '127.0.0.1', servername: 'localhost', ca: pair.cert });
  const [data] = (await once(socket, 'data')) as [Buffer];
  assert.equal(data.toString(), 'hello');
  assert.equal(socket.getProtocol(), 'TLSv1.3');
  socket.destroy();
  server.close();
});

test('configured files that are missing, no PEM or do not match are refused in one line', async () => {
  const [one, other] = [
    await certificate(config('domains=[a.example]'), systemClock),
    await certificate(config('domains=[b.example]'), systemClock),
  ];
  const [cert, key, junk] = ['c.pem', 'k.pem', 'junk.pem'].map((name) => join(dir, name)) as [
    string,
    string,
    string,
  ];
  writeFileSync(cert, one.cert);
  writeFileSync(key, other.key);
  writeFileSync(junk, 'junk');
  const pair = (c: string, k: string) => certificate(config(`tls={cert: ${c}, key: ${k}}`), systemClock);
  await assert.rejects(pair(join(dir, 'none.pem'), key), {
    code: 'config',
    message: `tls.cert: ${join(dir, 'none.pem')} does not exist`,
  });
  await assert.rejects(pair(junk, key), { message: `tls.cert: ${junk} is not a PEM certificate` });
  await assert.rejects(pair(cert, junk), { message: `tls.key: ${junk} is not a PEM private key` });
  await assert.rejects(pair(cert, key), { message: `tls.key: ${key} is not the key of ${cert}` });
});
