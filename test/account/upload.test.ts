import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { openModel } from '../../sim/store.ts';
import { removeAccount } from '../../src/account/remove.ts';
import { cleanName, encodedName, isMediaType } from '../../src/account/upload/name.ts';
import { uploadRows } from '../../src/account/upload/rows.ts';
import { openSweep } from '../../src/account/upload/sweep.ts';
import { newToken, partitionIn, uploadKey } from '../../src/account/upload/token.ts';
import { Uploads } from '../../src/account/upload/uploads.ts';
import { Work } from '../../src/account/work.ts';
import type { Blobs } from '../../src/blobs/blobs.ts';
import { openFiles } from '../../src/blobs/files.ts';
import { systemClock } from '../../src/base/clock.ts';
import { Failure, failed } from '../../src/base/failure.ts';
import { defaultLimits, type Limits } from '../../src/base/limits.ts';
import { quiet } from '../../src/base/log.ts';
import { systemRandom } from '../../src/base/random.ts';
import { openLane } from '../../src/store/lane.ts';
import { write } from '../../src/store/write.ts';
import { parseStored } from '../../src/xmpp/parser.ts';
import { inSteps } from '../blobs/suite.ts';
import { Rig, type Client } from './rig.ts';

const hour = 60 * 60 * 1000;
const day = 24 * hour;
const secret = new Uint8Array(32).fill(9);

/** A rig with a place for files and a clock that tests move. */
class Place {
  rig!: Rig;
  readonly directory = mkdtempSync(join(tmpdir(), 'muster-upload-'));
  blobs!: Blobs;
  uploads!: Uploads;
  ahead = 0;
  readonly clock = { ...systemClock, now: () => systemClock.now() + this.ahead };

  async open(limits: Partial<Limits> = {}): Promise<void> {
    this.rig = await Rig.open(limits);
    this.blobs = await openFiles(this.directory);
    await this.furnish();
  }

  /** What a role gives a new owner. */
  async furnish(): Promise<void> {
    const { rig, blobs, clock } = this;
    const { env } = rig.partition;
    Object.assign(env, {
      secret,
      clock,
      hosts: new Map([['upload.example.org', 'upload']]),
      upload: { url: 'https://files.example.org/', blobs },
      directory: { remove: () => Promise.resolve() },
      newId: () => 900,
    });
    const lane = await openLane(rig.volume, { clock: systemClock, log: quiet });
    this.uploads = new Uploads({ ...env, blobs, lane, clock, log: quiet, random: systemRandom });
  }

  async ask(client: Client, attributes: string): Promise<string> {
    const [answer] = await client.says(
      `<iq type="get" id="u" to="upload.example.org"><request xmlns="urn:xmpp:http:upload:0" ${attributes}/></iq>`,
    );
    return answer ?? '';
  }

  /** Token, key and name of a slot. */
  async slot(client: Client, attributes = 'filename="a.png" size="5" content-type="image/png"') {
    const found = /put url="https:\/\/files\.example\.org\/upload\/([\w-]+)\/([^"?]+)\?key=([\w-]+)"/.exec(
      await this.ask(client, attributes),
    )!;
    return { token: found[1]!, name: decodeURIComponent(found[2]!), key: found[3]! };
  }

  async put(slot: { token: string; name: string; key: string }, body = 'hello'): Promise<void> {
    const store = await this.uploads.begin({ ...slot, type: 'image/png', length: body.length });
    await store(inSteps(Buffer.from(body), 2));
  }

  async get({ token, name }: { token: string; name: string }): Promise<string | undefined> {
    const found = await this.uploads.find(token, name);
    if (found === undefined) return undefined;
    return String(Buffer.concat((await (await found.read()).toArray()) as Buffer[]));
  }

  /** One round of the sweep. */
  async sweep(blobs: Pick<Blobs, 'delete'> = this.blobs): Promise<void> {
    const { partition } = this.rig;
    await new Promise<void>((resolve) => {
      let begun = false;
      const after = (ms: number, run: () => void) => {
        if (begun && ms >= hour) {
          resolve();
          return { cancel() {} };
        }
        begun = true;
        return systemClock.after(0, run);
      };
      const env = { ...partition.env, clock: { ...this.clock, after }, upload: { blobs } };
      openSweep({
        id: partition.id,
        fences: partition.fences,
        lane: partition.lane,
        serving: true,
        env,
      } as never);
    });
  }

  rows(): { state: number; account: number; size: number; name: string }[] {
    return this.rig.model.rows('select state, account, size, name from upload order by created, token');
  }

  get files(): string[] {
    return readdirSync(this.directory, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => entry.name);
  }

  async close(): Promise<void> {
    await this.rig.close();
    rmSync(this.directory, { recursive: true });
  }
}

void describe('upload slots', { timeout: 60_000 }, () => {
  let place: Place;
  beforeEach(() => {
    place = new Place();
  });
  afterEach(() => place.close());

  void it('are counted by the hour, and the refusal says when there is one again (XEP-0363 §6)', async () => {
    await place.open({ uploadSlots: 3 });
    const alice = await place.rig.bind('alice', 'home');
    const began = place.clock.now();
    for (let n = 0; n < 3; n++) {
      assert.match(await place.ask(alice, 'filename="a" size="1"'), /<slot /);
      place.ahead += 10 * 60 * 1000;
    }
    const refused = await place.ask(alice, 'filename="a" size="1"');
    assert.match(refused, /type="wait"><resource-constraint /);
    const stamp = Date.parse(/retry [^>]*stamp="([^"]+)"/.exec(refused)![1]!);
    assert.ok(Math.abs(stamp - began - hour) < 5000, new Date(stamp).toISOString());
    // The others have theirs.
    assert.match(await place.ask(await place.rig.bind('bob', 'home'), 'filename="a" size="1"'), /<slot /);
    place.ahead = hour - 60_000;
    await place.sweep();
    assert.match(await place.ask(alice, 'filename="a" size="1"'), /resource-constraint/);
    place.ahead = hour + 60_000;
    assert.match(await place.ask(alice, 'filename="a" size="1"'), /<slot /);
  });

  void it('are there, and count, for the next owner', async () => {
    await place.open({ uploadQuota: 14 });
    const alice = await place.rig.bind('alice', 'home');
    const [used, unused] = [await place.slot(alice), await place.slot(alice)];
    await place.put(used);
    await place.rig.crash();
    await place.furnish();
    const again = await place.rig.bind('alice', 'away');
    assert.match(await place.ask(again, 'filename="a" size="5"'), /resource-constraint/);
    assert.match(await place.ask(again, 'filename="a" size="4"'), /<slot /);
    assert.equal(await place.get(used), 'hello');
    await place.put(unused);
    assert.equal(await place.get(unused), 'hello');
  });

  void it('end after five minutes, and do not count any more (§8)', async () => {
    await place.open({ uploadQuota: 5 });
    const alice = await place.rig.bind('alice', 'home');
    const late = await place.slot(alice);
    assert.match(await place.ask(alice, 'filename="a" size="1"'), /resource-constraint/);
    place.ahead = 301_000;
    await assert.rejects(place.put(late), (error) => failed(error, 'slot-expired'));
    await place.put(await place.slot(alice));
  });

  void it('are for people of this community', async () => {
    await place.open();
    const { partition } = place.rig;
    const { receiveVisit } = await import('../../src/account/visit.ts');
    const { Jid } = await import('../../src/xmpp/jid.ts');
    const iq = parseStored(
      '<iq type="get" id="x" from="eve@far.example/e" to="upload.example.org"><request xmlns="urn:xmpp:http:upload:0" filename="a" size="1"/></iq>',
    );
    receiveVisit(partition, iq, Jid.parse('upload.example.org')!);
    await place.rig.still();
    assert.match(place.rig.passed.join(), /type="error".*type="auth"><forbidden /);
    assert.equal(place.rows().length, 0);
  });
});

void describe('uploaded files', { timeout: 60_000 }, () => {
  let place: Place;
  beforeEach(() => {
    place = new Place();
  });
  afterEach(() => place.close());

  void it('go when they are too old, and slots that came to nothing go as well', async () => {
    await place.open({ uploadRetention: 30 });
    const alice = await place.rig.bind('alice', 'home');
    const old = await place.slot(alice);
    await place.put(old);
    await place.slot(alice);
    place.ahead = 29 * day;
    const young = await place.slot(alice);
    await place.put(young);
    await place.sweep();
    assert.deepEqual(
      place.rows().map(({ state }) => state),
      [2, 2],
    );
    assert.equal(await place.get(old), 'hello');
    place.ahead = 30 * day + 1;
    assert.equal(await place.get(old), undefined, 'too old, whether or not it was swept');
    await place.sweep();
    assert.deepEqual(place.files, [young.token]);
    assert.equal(place.rows().length, 1);
    assert.equal(await place.get(young), 'hello');
  });

  void it('stay for ever where nothing is said', async () => {
    await place.open();
    const kept = await place.slot(await place.rig.bind('alice', 'home'));
    await place.put(kept);
    place.ahead = 9999 * day;
    await place.sweep();
    assert.equal(await place.get(kept), 'hello');
  });

  void it('what a killed server had begun goes with its row, never the row alone', async () => {
    await place.open();
    const alice = await place.rig.bind('alice', 'home');
    const slot = await place.slot(alice);
    // As a process leaves it that was killed between the content and its commit.
    await place.uploads.begin({ ...slot, type: 'image/png', length: 5 });
    await place.blobs.put(
      { partition: place.rig.partition.id, id: slot.token },
      inSteps(Buffer.from('hello'), 5),
      5,
    );
    assert.equal(await place.get(slot), undefined);
    place.ahead = 30 * 60 * 1000;
    await place.sweep();
    assert.equal(place.rows().length, 1, 'somebody may still be at it');
    place.ahead = 2 * hour + 1;
    const broken = { delete: () => Promise.reject(new Failure('blob-unavailable', 'no')) };
    await place.sweep(broken);
    assert.equal(place.rows().length, 1);
    await place.sweep();
    assert.deepEqual([place.rows(), place.files], [[], []]);
  });

  void it('are gone with their account, at once for everybody, and soon from the disk', async () => {
    await place.open();
    const [alice, bob] = [await place.rig.bind('alice', 'home'), await place.rig.bind('bob', 'home')];
    const [mine, open, others] = [await place.slot(alice), await place.slot(alice), await place.slot(bob)];
    await place.put(mine);
    await place.put(others);
    const begun = await place.slot(alice);
    const store = await place.uploads.begin({ ...begun, type: 'image/png', length: 5 });
    const account = await place.rig.account('alice');
    const work = new Work(account);
    await removeAccount(account, work);
    work.commit();
    await place.rig.still();
    assert.deepEqual(
      place.rows().filter((row) => row.account === account.id),
      [],
    );
    assert.equal(await place.get(mine), undefined);
    await assert.rejects(place.put(open), (error) => failed(error, 'not-found'));
    await assert.rejects(store(inSteps(Buffer.from('hello'), 2)), (error) => failed(error, 'not-found'));
    await place.sweep();
    assert.deepEqual(place.files, [others.token]);
    assert.equal(place.rows().length, 1);
    assert.equal(await place.get(others), 'hello');
  });
});

void describe('an upload over a faulty store', { timeout: 60_000 }, () => {
  void it('is whole and there where it was acknowledged, and nothing is left of any other', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'muster-upload-'));
    const model = openModel({ clock: systemClock, random: systemRandom, plan: { delay: [0, 1] } });
    const store = await model.open('one');
    const fence = await store.claim('account/0');
    const lane = await openLane(store, { clock: systemClock, log: quiet, limits: { pause: [1, 8] } });
    const blobs = await openFiles(directory);
    const uploads = new Uploads({
      store,
      lane,
      blobs,
      clock: systemClock,
      random: systemRandom,
      log: quiet,
      secret,
      limits: defaultLimits,
    });
    const tokens = Array.from({ length: 60 }, () => newToken(systemRandom, secret, fence.partition));
    const now = systemClock.now();
    for (const token of tokens)
      await write(lane, [
        {
          statement: uploadRows.add,
          params: [fence.partition, token, 1, 'a.png', 'image/png', 5, now, now + 100_000, null],
        },
      ]);
    model.plan({ lost: 250, cut: 150, faulty: 100 });
    const ended = await Promise.all(
      // Two for each slot.
      [...tokens, ...tokens].map(async (token, i) => {
        const body = i < tokens.length ? 'first' : 'other';
        try {
          const offer = { token, name: 'a.png', key: uploadKey(secret, token), type: 'image/png', length: 5 };
          await (
            await uploads.begin(offer)
          )(inSteps(Buffer.from(body), 3));
          return { token, body };
        } catch {
          return undefined;
        }
      }),
    );
    model.plan({ lost: 0, cut: 0, faulty: 0 });
    const done = ended.filter((one) => one !== undefined);
    assert.ok(done.length > 15, String(done.length));
    assert.equal(new Set(done.map(({ token }) => token)).size, done.length, 'one of two');
    for (const { token, body } of done) {
      const found = await uploads.find(token, 'a.png');
      assert.equal(String(Buffer.concat((await (await found!.read()).toArray()) as Buffer[])), body);
    }
    const there = new Set(done.map(({ token }) => token));
    for (const token of tokens.filter((one) => !there.has(one)))
      assert.equal(await uploads.find(token, 'a.png'), undefined);
    await lane.close();
    await store.close();
    model.close();
    assert.ok(existsSync(directory));
    rmSync(directory, { recursive: true });
  });
});

void describe('the parts of a URL', () => {
  void it('a token leads to its partition, another one nowhere', () => {
    for (const partition of [0, 1, 255, 4096, 2 ** 31, 2 ** 32 - 1]) {
      const token = newToken(systemRandom, secret, partition);
      assert.equal(partitionIn(secret, token), partition);
      assert.notEqual(partitionIn(new Uint8Array(32), token), partition);
    }
    for (const token of ['', 'x', '../../etc/passwd', 'A'.repeat(26), 'A'.repeat(28), `${'A'.repeat(26)}'`])
      assert.equal(partitionIn(secret, token), undefined, token);
  });

  void it('a name stays what people see, without what machines might make of it', () => {
    for (const [given, clean] of [
      ['photo.jpg', 'photo.jpg'],
      ['.bashrc', 'bashrc'],
      ['...', 'file'],
      ['a\u0000b\r\nc.png', 'abc.png'],
      ['con:aux|*.txt', 'con_aux__.txt'],
      ['e\u0301.txt', 'é.txt'],
      ['\ud800x', 'x'],
      ['trailing. . ', 'trailing'],
    ] as const)
      assert.equal(cleanName(given), clean, JSON.stringify(given));
    const long = cleanName(`${'名'.repeat(500)}.tar`);
    assert.ok(Buffer.byteLength(long) <= 200 && long.endsWith('名.tar'), long);
    assert.equal(encodedName("a'b(c)*d!.png"), 'a%27b%28c%29%2Ad%21.png');
  });

  void it('a media type is one line of a known shape', () => {
    for (const type of ['image/png', 'text/plain; charset=utf-8', 'application/vnd.a+b', 'a/b ; c="d"'])
      assert.ok(isMediaType(type), type);
    for (const type of ['', 'png', 'a/b\r\nx: y', 'a/b;\n', 'a/b c', 'a//b', 'a/b;é', `a/${'b'.repeat(128)}`])
      assert.ok(!isMediaType(type), type);
  });
});
