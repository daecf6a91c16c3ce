import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { Actor } from './actor.ts';
import { poll } from './child.ts';
import { openTarget, type Target } from './server.ts';
import { ask, put, Raw, refusal, slot } from './upload.ts';
import { attr, child, text } from './xml.ts';

const png = "content-type='image/png'";
const statusOf = async (answer: Promise<Response>): Promise<number> => (await answer).status;

/** XEP-0363 with a real server over HTTP. */
void describe('upload', { timeout: 120_000, skip: process.env['TARGET'] === 'prosody' }, () => {
  let target: Target;
  let alice: Actor;
  before(async () => {
    target = await openTarget({ set: ['limits.uploadSize=2000000', 'limits.uploadQuota=9000000'] });
    await target.users(['alice', 'bob', 'carol', 'dave']);
    alice = await Actor.login(target, { user: 'alice' });
  });
  after(async () => {
    alice?.wire.cut();
    await target?.[Symbol.asyncDispose]();
  });
  const login = (user: string) => Actor.login(target, { user });

  void it('is found as the clients look for it (§3)', async () => {
    alice.send(
      `<iq type='get' to='${target.domain}' id='i'><query xmlns='http://jabber.org/protocol/disco#items'/></iq>`,
    );
    await alice.expect(
      `<iq xmlns='jabber:client' id='i' type='result'><query xmlns='http://jabber.org/protocol/disco#items'><item jid='upload.${target.domain}' name='HTTP File Upload'/></query></iq>`,
    );
    alice.send(
      `<iq type='get' to='upload.${target.domain}' id='d'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>`,
    );
    await alice.expect(`<iq xmlns='jabber:client' id='d' type='result' from='upload.${target.domain}'><query xmlns='http://jabber.org/protocol/disco#info'>
      <identity category='store' type='file' name='HTTP File Upload'/><feature var='urn:xmpp:http:upload:0'/>
      <x xmlns='jabber:x:data' type='result'><field var='FORM_TYPE' type='hidden'><value>urn:xmpp:http:upload:0</value></field>
      <field var='max-file-size'><value>2000000</value></field></x></query></iq>`);
  });

  void it('takes a file and gives it back, whole, in parts, to anybody who has the URL', async () => {
    const bytes = randomBytes(700_001);
    const urls = await slot(
      alice,
      `filename='très cool.jpg' size='${bytes.length}' content-type='image/jpeg'`,
    );
    // §4: non-ASCII characters MUST be percent-encoded, the ending is kept.
    assert.match(urls.get, /\/upload\/[\w-]{27}\/tr%C3%A8s%20cool\.jpg$/);
    assert.equal(await statusOf(fetch(urls.get)), 404, 'nothing before the upload');
    assert.equal(
      await statusOf(put(urls.get, bytes, 'image/jpeg')),
      403,
      'the download URL is for downloads',
    );
    assert.equal(await statusOf(put(urls.put, bytes, 'image/jpeg')), 201);

    const whole = await fetch(urls.get);
    assert.equal(whole.status, 200);
    assert.ok(bytes.equals(Buffer.from(await whole.arrayBuffer())));
    const headers = Object.fromEntries(whole.headers);
    assert.equal(headers['content-type'], 'image/jpeg');
    assert.equal(headers['content-length'], '700001');
    assert.equal(headers['content-security-policy'], "default-src 'none'; sandbox; frame-ancestors 'none'");
    assert.equal(headers['x-content-type-options'], 'nosniff');
    assert.equal(headers['content-disposition'], "inline; filename*=UTF-8''tr%C3%A8s%20cool.jpg");
    assert.equal(headers['access-control-allow-origin'], '*');
    assert.equal(headers['cross-origin-resource-policy'], 'cross-origin');
    assert.match(headers['cache-control'] ?? '', /immutable/);

    const head = await fetch(urls.get, { method: 'HEAD' });
    assert.deepEqual([head.status, head.headers.get('content-length')], [200, '700001']);
    const ask = (range: string, more = {}) => fetch(urls.get, { headers: { range, ...more } });
    for (const [range, from, to] of [
      ['bytes=0-0', 0, 1],
      ['bytes=300000-', 300_000, 700_001],
      ['bytes=262143-262144', 262_143, 262_145],
      ['bytes=-5', 699_996, 700_001],
      ['bytes=700000-999999999', 700_000, 700_001],
    ] as const) {
      const part = await ask(range);
      assert.equal(part.status, 206, range);
      assert.equal(part.headers.get('content-range'), `bytes ${from}-${to - 1}/700001`);
      assert.ok(bytes.subarray(from, to).equals(Buffer.from(await part.arrayBuffer())), range);
    }
    const beyond = await ask('bytes=700001-');
    assert.deepEqual([beyond.status, beyond.headers.get('content-range')], [416, 'bytes */700001']);
    for (const odd of ['bytes=5-1', 'bytes=1-2,4-5', 'lines=1-2', 'bytes=x'])
      assert.equal((await ask(odd)).status, 200, odd);
    const tag = headers['etag']!;
    assert.equal(await statusOf(fetch(urls.get, { headers: { 'if-none-match': tag } })), 304);
    assert.equal((await ask('bytes=0-1', { 'if-range': tag })).status, 206);
    assert.equal((await ask('bytes=0-1', { 'if-range': '"other"' })).status, 200);
  });

  void it('shows nothing in a browser that could run something there', async () => {
    for (const [name, type] of [
      ['a.html', 'text/html'],
      ['a.svg', 'image/svg+xml'],
      ['a.pdf', 'application/pdf'],
      ['a.xml', 'application/xml'],
      ['a.xhtml', 'application/xhtml+xml'],
      ['a.png', 'image/png;x=y, text/html'],
      ['a', ''],
    ] as const) {
      const urls = await slot(alice, `filename='${name}' size='3' content-type='${type}'`);
      assert.equal(await statusOf(put(urls.put, 'abc', type === '' ? undefined : type)), 201);
      const got = await fetch(urls.get);
      const kind = name === 'a.png' ? 'inline' : 'attachment';
      assert.equal(got.headers.get('content-disposition'), `${kind}; filename*=UTF-8''${name}`, type);
      assert.equal(got.headers.get('content-type'), type === '' ? 'application/octet-stream' : type);
      assert.match(got.headers.get('content-security-policy') ?? '', /sandbox/);
    }
  });

  void it('says to pages of other origins what they may (§8)', async () => {
    const urls = await slot(alice, `filename='a.png' size='3' ${png}`);
    const asked = await fetch(urls.put, {
      method: 'OPTIONS',
      headers: { origin: 'https://elsewhere.example', 'access-control-request-method': 'PUT' },
    });
    assert.ok(asked.ok);
    assert.match(asked.headers.get('access-control-allow-methods') ?? '', /PUT/);
    assert.match(asked.headers.get('access-control-allow-headers') ?? '', /Content-Type/);
    const refused = await put(urls.put, 'four', 'image/png');
    assert.equal(refused.headers.get('access-control-allow-origin'), '*', 'a refusal may be read as well');
  });

  void it('is used once', async () => {
    const urls = await slot(alice, `filename='a.png' size='5' ${png}`);
    assert.equal(await statusOf(put(urls.put, 'first', 'image/png')), 201);
    assert.equal(await statusOf(put(urls.put, 'again', 'image/png')), 409);
    assert.equal(await (await fetch(urls.get)).text(), 'first');
  });

  void it('of two uploads at the same time one wins, and it is whole', async () => {
    for (let round = 0; round < 5; round++) {
      const urls = await slot(alice, `filename='a.png' size='100000' ${png}`);
      const bodies = ['a', 'b', 'c'].map((letter) => letter.repeat(100_000));
      const statuses = await Promise.all(
        bodies.map((body) =>
          statusOf(put(urls.put, body, 'image/png').catch(() => ({ status: 0 }) as Response)),
        ),
      );
      assert.equal(statuses.filter((status) => status === 201).length, 1, String(statuses));
      assert.equal(await (await fetch(urls.get)).text(), bodies[statuses.indexOf(201)]);
    }
  });

  void it('refuses what is not what was asked for, before its body, and the slot stays', async () => {
    const urls = await slot(alice, `filename='a.png' size='10' ${png}`);
    for (const [length, code] of [
      [11, 413],
      [9, 400],
      [0, 400],
      [1e15, 413],
    ] as const) {
      const raw = new Raw(urls.put).head(urls.put, { 'content-type': 'image/png', 'content-length': length });
      assert.equal(await raw.status(), code, String(length));
      if (length > 0) await raw.closed;
      raw.cut();
    }
    assert.equal(await statusOf(put(urls.put, '0123456789', 'text/html')), 415);
    const asking = new Raw(urls.put).head(urls.put, { 'content-length': 11, expect: '100-continue' });
    assert.equal(await asking.status(), 413);
    assert.doesNotMatch(asking.text, /100 Continue/);
    const both = new Raw(urls.put).head(urls.put, { 'content-length': 10, 'transfer-encoding': 'chunked' });
    assert.equal(await both.status(), 400);
    for (const length of ['-1', '+10', '10, 10', '0x0a', '1e1'])
      assert.equal(
        await new Raw(urls.put).head(urls.put, { 'content-length': length }).status(),
        400,
        length,
      );
    assert.equal(await statusOf(put(urls.put, '0123456789', 'IMAGE/PNG')), 201);
  });

  void it('measures a body that does not say its length, and cuts it at the first byte too many', async () => {
    const chunked = { 'content-type': 'image/png', 'transfer-encoding': 'chunked' };
    const urls = await slot(alice, `filename='a.png' size='10' ${png}`);
    const fits = new Raw(urls.put).head(urls.put, chunked).write('5\r\n01234\r\n5\r\n56789\r\n0\r\n\r\n');
    assert.equal(await fits.status(), 201);
    assert.equal(await (await fetch(urls.get)).text(), '0123456789');

    const more = await slot(alice, `filename='a.png' size='10' ${png}`);
    const long = new Raw(more.put).head(more.put, chunked).write('b\r\n01234567890\r\n');
    assert.equal(await long.status(), 413, 'although the body has not ended');
    await long.closed;
    const less = await slot(alice, `filename='a.png' size='10' ${png}`);
    const short = new Raw(less.put).head(less.put, chunked).write('5\r\n01234\r\n0\r\n\r\n');
    assert.equal(await short.status(), 400);
    for (const { get, put: again } of [more, less]) {
      assert.equal(await statusOf(fetch(get)), 404);
      assert.equal(
        await statusOf(put(again, '0123456789', 'image/png')),
        409,
        'single use, whatever came of it',
      );
    }
  });

  void it('an upload that breaks off leaves nothing', async () => {
    const urls = await slot(alice, `filename='a.png' size='1000000' ${png}`);
    const raw = new Raw(urls.put).head(urls.put, {
      'content-type': 'image/png',
      'content-length': 1_000_000,
      expect: '100-continue',
    });
    await poll(
      async () => /100 Continue/.test(raw.text) || undefined,
      () => 'the body is not asked for',
    );
    raw.write(Buffer.alloc(300_000));
    raw.cut();
    await poll(
      async () =>
        (await statusOf(put(urls.put, Buffer.alloc(1_000_000), 'image/png').catch(() => new Response()))) ===
          409 || undefined,
      () => 'the slot is not used up',
    );
    assert.equal(await statusOf(fetch(urls.get)), 404);
  });

  void it('names, types and paths are what they are, and nothing else', async () => {
    for (const [name, ending] of [
      ['../../../etc/passwd', '_.._.._etc_passwd'],
      ['..', 'file'],
      ['a/b\\c.png', 'a_b_c.png'],
      ['x&#13;&#10;set-cookie: a=b.png', null],
      ['&quot;&lt;script&gt;&apos;.png', null],
      ["a'); drop table upload; --.png", null],
      ['%2e%2e%2f.png', '%252e%252e%252f.png'],
      ['evil&#x202E;gnp.exe', 'evilgnp.exe'],
      [`${'ä'.repeat(3000)}.png`, `${'%C3%A4'.repeat(98)}.png`],
      ['.htaccess', 'htaccess'],
      ['日本語 ☃.tar.gz', `${encodeURIComponent('日本語 ☃')}.tar.gz`],
      ['?query#fragment', '_query%23fragment'],
    ] as const) {
      const urls = await slot(alice, `filename="${name}" size='3' ${png}`);
      if (ending !== null) assert.ok(urls.get.endsWith(`/${ending}`), urls.get);
      assert.match(urls.get, /^http:\/\/[\w.:]+\/upload\/[\w-]{27}\/[\w.~%-]+$/);
      assert.equal(await statusOf(put(urls.put, 'abc', 'image/png')), 201, name);
      const got = await fetch(urls.get);
      assert.equal(got.status, 200, name);
      assert.match(got.headers.get('content-disposition') ?? '', /^inline; filename\*=UTF-8''[\w.~%-]+$/);
      assert.equal(got.headers.get('set-cookie'), null);
    }
    for (const type of [
      'image',
      'image/png&#10;x: y',
      'a/b; x=&#13;',
      'image/pñg',
      `a/${'b'.repeat(300)}`,
      '/',
      'a /b',
    ])
      assert.deepEqual(
        refusal(await ask(alice, `filename='a.png' size='3' content-type='${type}'`)).conditions[0],
        'bad-request',
        type,
      );
    const urls = await slot(alice, `filename='a.png' size='3' ${png}`);
    await put(urls.put, 'abc', 'image/png');
    const { origin, pathname } = new URL(urls.get);
    const token = pathname.split('/')[2]!;
    for (const path of [
      `/upload/${token}/b.png`,
      `/upload/${token}/..%2fa.png`,
      `/upload/${token}/`,
      `/upload/${token}`,
      `/upload/${token.slice(1)}A/a.png`,
      `/upload/${token}A/a.png`,
      `/upload/%00/a.png`,
      `/upload/${'A'.repeat(27)}/a.png`,
      `/upload/'%20or%201=1--/a.png`,
      `/upload/..%2f..%2fvolume.db/a.png`,
      '/upload/',
    ]) {
      const raw = new Raw(origin).write(`GET ${path} HTTP/1.1\r\nhost: x\r\n\r\n`);
      assert.ok([400, 404].includes(await raw.status()), `${path}: ${raw.text}`);
    }
    const raw = new Raw(origin).write(`GET /upload/%ZZ/a HTTP/1.1\r\nhost: x\r\n\r\n`);
    assert.equal(await raw.status(), 400);
    for (const key of ['', '&key=x', `${new URL(urls.put).search}&key=x`])
      assert.equal(await statusOf(put(`${urls.get}?${key}`, 'abc', 'image/png')), 403, key);
  });

  void it('refuses slots as the standard says (§6)', async () => {
    for (const attributes of [
      '',
      "filename='a'",
      "size='3'",
      "filename='' size='3'",
      ...['0', '-1', '1.5', 'many', '', '1e3', '0x10'].map((size) => `filename='a' size='${size}'`),
    ]) {
      const { type, conditions } = refusal(await ask(alice, attributes));
      assert.deepEqual([type, conditions[0]], ['modify', 'bad-request'], attributes);
    }
    for (const size of ['2000001', '9007199254740993', '9'.repeat(40)]) {
      const { type, conditions, error } = refusal(await ask(alice, `filename='a' size='${size}'`));
      assert.deepEqual(
        [type, conditions[0], conditions.includes('file-too-large')],
        ['modify', 'not-acceptable', true],
      );
      assert.equal(text(child(child(error, 'file-too-large')!, 'max-file-size')!), '2000000');
    }
    alice.send(
      `<iq type='set' to='upload.${target.domain}' id='set'><request xmlns='urn:xmpp:http:upload:0' filename='a' size='1'/></iq>`,
    );
    await alice.expect(
      `<iq xmlns='jabber:client' id='set' type='error'><error type='cancel'><service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>`,
    );
  });

  void it('keeps a file for no longer than its sender wanted (§5.3)', async () => {
    const purpose = 'urn:xmpp:http:upload:purpose:0';
    const until = (ms: number) =>
      `<ephemeral xmlns='${purpose}' expire-before='${new Date(Date.now() + ms).toISOString()}'/>`;
    const urls = await slot(alice, `filename='a.png' size='3' ${png}`, until(2500));
    assert.equal(await statusOf(put(urls.put, 'abc', 'image/png')), 201);
    const got = await fetch(urls.get);
    assert.equal(got.status, 200);
    assert.match(got.headers.get('cache-control') ?? '', /max-age=[0-2],/);
    await poll(
      async () => (await statusOf(fetch(urls.get))) === 404 || undefined,
      () => 'it can still be had',
    );
    for (const bad of [
      until(-1000),
      `<ephemeral xmlns='${purpose}'/>`,
      `<ephemeral xmlns='${purpose}' expire-before='soon'/>`,
    ])
      assert.equal(refusal(await ask(alice, `filename='a' size='1'`, bad)).conditions[0], 'bad-request');
  });

  void it('a quota holds, also for two sessions that ask at the same time', async () => {
    const sessions = [await login('bob'), await login('bob')];
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, i) => ask(sessions[i % 2]!, `filename='a' size='2000000'`)),
    );
    const given = answers.filter((answer) => attr(answer, 'type') === 'result');
    assert.equal(given.length, 4, '4 of 2 MB fit into 9 MB');
    const { type, conditions, error } = refusal(answers.find((answer) => attr(answer, 'type') === 'error')!);
    assert.deepEqual([type, conditions[0]], ['wait', 'resource-constraint']);
    const stamp = attr(child(error, 'retry')!, 'stamp')!;
    assert.ok(
      Date.parse(stamp) > Date.now() && Date.parse(stamp) < Date.now() + 3_600_000 && stamp.endsWith('Z'),
    );
    // Others have theirs.
    const carol = await login('carol');
    await slot(carol, `filename='a' size='2000000'`);
    // A file goes on to count, a failed upload does not.
    const url = attr(child(child(given[0]!, 'slot')!, 'put')!, 'url')!;
    const raw = new Raw(url).head(url, { 'transfer-encoding': 'chunked' }).write('0\r\n\r\n');
    assert.equal(await raw.status(), 400);
    await slot(sessions[1]!, `filename='a' size='2000000'`);
    assert.equal(
      refusal(await ask(sessions[0]!, `filename='a' size='2000000'`)).conditions[0],
      'resource-constraint',
    );
    for (const one of [...sessions, carol]) one.wire.cut();
  });

  void it('what was answered 201 is there after kill -9, and a slot can still be used', async () => {
    for (let round = 0; round < 3; round++) {
      const dave = await login('dave');
      const bytes = randomBytes(150_000 + round);
      const file = await slot(dave, `filename='a.png' size='${bytes.length}' ${png}`);
      const unused = await slot(dave, `filename='b.png' size='3' ${png}`);
      const half = await slot(dave, `filename='c.png' size='300000' ${png}`);
      const raw = new Raw(half.put).head(half.put, {
        'content-length': 300_000,
        'content-type': 'image/png',
      });
      raw.write(Buffer.alloc(100_000));
      assert.equal(await statusOf(put(file.put, bytes, 'image/png')), 201);
      await target.kill(round % 2 === 0 ? 'all' : 'worker');
      if (round % 2 === 0) await target.start();
      else await target.ready();
      assert.ok(bytes.equals(Buffer.from(await (await fetch(file.get)).arrayBuffer())));
      assert.equal(await statusOf(put(file.put, bytes, 'image/png')), 409);
      assert.equal(await statusOf(fetch(half.get)), 404);
      assert.equal(await statusOf(put(unused.put, 'abc', 'image/png')), 201);
      assert.equal(await (await fetch(unused.get)).text(), 'abc');
      raw.cut();
      dave.wire.cut();
    }
  });
});
