import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { systemClock } from '../../src/base/clock.ts';
import { failed } from '../../src/base/failure.ts';
import { quiet } from '../../src/base/log.ts';
import { systemRandom } from '../../src/base/random.ts';
import type { Directory } from '../../src/directory/directory.ts';
import { openEmbeddedDirectory } from '../../src/directory/embedded.ts';
import { Gate } from '../../src/base/gate.ts';
import { openSqlite } from '../../src/store/embedded.ts';
import { openIds } from '../../src/store/ids.ts';
import { openLane, type Lane } from '../../src/store/lane.ts';
import { sql, type Fence } from '../../src/store/store.ts';
import type { Volume } from '../../src/store/volume.ts';
import { verify } from '../../src/xmpp/sasl/keys.ts';

const credentials = sql`select mechanism, salt from credential order by mechanism`;

const withoutNewer = sql`delete from credential
  where partition = $1 and account = $2 and mechanism <> 'SCRAM-SHA-1'`;

void describe('the embedded directory', () => {
  const path = mkdtempSync(join(tmpdir(), 'muster-directory-'));
  let volume: Volume;
  let lane: Lane;
  let directory: Directory;
  let epoch = 0;
  let owned: { readonly lane: Lane; readonly fences: readonly Fence[] } | undefined;
  let queries = 0;

  const open = async (): Promise<void> => {
    volume = await openSqlite(path, { clock: systemClock, log: quiet, random: systemRandom, host: 'test' });
    lane = await openLane(volume, { clock: systemClock, log: quiet });
    const fence = await volume.claim('account/0');
    epoch = fence.epoch;
    const ids = await openIds(volume, quiet);
    directory = openEmbeddedDirectory({
      store: {
        query: (statement, params) => {
          queries += 1;
          return volume.query(statement, params);
        },
      } as Volume,
      laneOf: () => {
        if (epoch === 0) return undefined;
        // One object as long as the ownership lasts, as a partition is.
        if (owned?.fences[0]!.epoch !== epoch) owned = { lane, fences: [{ ...fence, epoch }] };
        return owned;
      },
      clock: systemClock,
      random: systemRandom,
      partitionOf: (address) => (address.endsWith('@capulet.example') ? fence.partition : undefined),
      only: fence.partition,
      newId: () => ids.next(),
      iterations: 4096,
    });
  };
  const close = async (): Promise<void> => {
    await lane.close();
    await volume.close();
  };
  before(open);
  after(async () => {
    await close();
    rmSync(path, { recursive: true });
  });
  const opens = async (address: string, password: string): Promise<boolean[]> => {
    const sha1 = await directory.keys(address, 'SCRAM-SHA-1');
    const sha256 = await directory.keys(address, 'SCRAM-SHA-256');
    return Promise.all([verify('SHA-1', sha1!.keys, password), verify('SHA-256', sha256!.keys, password)]);
  };

  void it('keeps an account, and keys in place of its password, across a restart', async () => {
    const made = await directory.add('juliet@capulet.example', 'R0m30');
    assert.deepEqual(await directory.find('juliet@capulet.example'), made);
    await close();
    await open();
    assert.deepEqual(await directory.find('juliet@capulet.example'), made);
    assert.deepEqual(await opens('juliet@capulet.example', 'R0m30'), [true, true]);
    assert.deepEqual(await opens('juliet@capulet.example', 'romeo'), [false, false]);
    const [one, other] = await volume.query<{ salt: Uint8Array }>(credentials, []);
    assert.notDeepEqual(one!.salt, other!.salt);
  });

  void it('has each address once, whoever is first', async () => {
    const all = await Promise.allSettled(
      Array.from({ length: 5 }, (_, n) => directory.add('tybalt@capulet.example', `password ${n}`)),
    );
    assert.equal(all.filter(({ status }) => status === 'fulfilled').length, 1);
    for (const one of all)
      if (one.status === 'rejected') assert.ok(failed(one.reason, 'account-exists'), String(one.reason));
    await assert.rejects(directory.add('tybalt@capulet.example', 'x'), { code: 'account-exists' });
    await assert.rejects(directory.add('romeo@montague.example', 'x'), { code: 'account-domain' });
    await assert.rejects(directory.add('empty@capulet.example', ''), { code: 'password-unusable' });
    assert.equal(await directory.find('empty@capulet.example'), undefined);
  });

  void it('changes a password, all keys of it', async () => {
    await directory.setPassword('juliet@capulet.example', 'new');
    assert.deepEqual(await opens('juliet@capulet.example', 'new'), [true, true]);
    assert.deepEqual(await opens('juliet@capulet.example', 'R0m30'), [false, false]);
    await assert.rejects(directory.setPassword('nobody@capulet.example', 'x'), { code: 'account-missing' });
    await assert.rejects(directory.setPassword('nobody@montague.example', 'x'), { code: 'account-missing' });
    assert.equal(await directory.keys('nobody@capulet.example', 'SCRAM-SHA-1'), undefined);
  });

  void it('gives keys of a mechanism that there are some for', async () => {
    const address = 'juliet@capulet.example';
    const first = await directory.keys(address, 'SCRAM-SHA-512');
    assert.equal(first?.mechanism, 'SCRAM-SHA-512');
    assert.ok(await verify('SHA-512', first.keys, 'new'));
    // An account of an older directory, or of another server's export.
    const { lane: writer, fences } = owned!;
    await new Promise<void>((done, refused) =>
      writer.submit({
        ops: [{ statement: withoutNewer, params: [fences[0]!.partition, first.entry.id] }],
        fences,
        done: () => done(),
        failed: (_reason, _op, error) => refused(error),
      }),
    );
    epoch += 1; // what was remembered is forgotten
    const older = await directory.keys(address, 'SCRAM-SHA-512', 'SCRAM-SHA-1');
    assert.equal(older?.mechanism, 'SCRAM-SHA-1');
    assert.equal(await directory.keys(address, 'SCRAM-SHA-512'), undefined);
    epoch -= 1;
    await directory.setPassword(address, 'new');
  });

  void it('asks the store for keys once, as long as the partition is its own', async () => {
    const asked = async () => {
      const before = queries;
      await opens('juliet@capulet.example', 'new');
      return queries - before;
    };
    const first = epoch;
    await asked();
    assert.equal(await asked(), 0);
    epoch = 0; // another server owns it, and may change them
    assert.deepEqual([await asked(), await asked()], [2, 2]);
    epoch = first + 1;
    assert.deepEqual([await asked(), await asked()], [2, 0]);
    epoch = first;
  });

  void it('removes an account with its keys; a namesake is somebody else', async () => {
    const before = (await directory.find('tybalt@capulet.example'))!;
    assert.equal(await directory.remove('tybalt@capulet.example'), true);
    assert.equal(await directory.remove('tybalt@capulet.example'), false);
    assert.equal(await directory.find('tybalt@capulet.example'), undefined);
    assert.equal((await volume.query(credentials, [])).length, 3);
    const after = await directory.add('tybalt@capulet.example', 'x');
    assert.notEqual(after.id, before.id);
  });

  void it('gives no keys to who is removed meanwhile', async () => {
    await directory.add('paris@capulet.example', 'x');
    const changed = assert.rejects(directory.setPassword('paris@capulet.example', 'y'), {
      code: 'account-missing',
    });
    assert.equal(await directory.remove('paris@capulet.example'), true);
    await changed;
    assert.equal((await volume.query(credentials, [])).length, 6);
  });

  void it('lists by address, in pages', async () => {
    await Promise.all(
      ['zoe', 'abram', 'é', "o'neill", '100%', 'b_c'].map((name) =>
        directory.add(`${name}@capulet.example`, 'x'),
      ),
    );
    const all = (await directory.list('', 100)).map(({ address }) => address);
    assert.equal(all.length, 8);
    assert.deepEqual(all, all.toSorted());
    const paged: string[] = [];
    for (
      let page = await directory.list('', 3);
      page.length > 0;
      page = await directory.list(paged.at(-1)!, 3)
    )
      paged.push(...page.map(({ address }) => address));
    assert.deepEqual(paged, all);
  });

  void it('ids of a block after the other are new, also after a restart', async () => {
    const seen = new Set<number>();
    const take = async (many: number): Promise<void> => {
      const ids = await openIds(volume, quiet, 8);
      for (let n = 0; n < many; n++) {
        seen.add(ids.next());
        // oxlint-disable-next-line no-await-in-loop -- lets the next block come
        if (n % 4 === 0) await volume.query(credentials, []).then(() => volume.reserveIds(1));
      }
    };
    await take(50);
    await close();
    await open();
    await take(50);
    assert.equal(seen.size, 100);
    const ids = await openIds(volume, quiet, 2);
    ids.next();
    ids.next();
    assert.throws(() => ids.next(), { code: 'store-unavailable' });
  });

  void it('hashes so many at a time, lets so many wait, and refuses the next', async () => {
    const gate = new Gate(2, 2, 'too many');
    let running = 0;
    let most = 0;
    const ends: (() => void)[] = [];
    const task = async (): Promise<void> => {
      most = Math.max(most, ++running);
      await new Promise<void>((resolve) => ends.push(resolve));
      running--;
    };
    const all = [gate.run(task), gate.run(task), gate.run(task), gate.run(task)];
    await assert.rejects(gate.run(task), { code: 'overloaded' });
    for (let n = 0; n < 4; n++) {
      while (ends.length === 0) await Promise.resolve();
      ends.shift()!();
    }
    await Promise.all(all);
    assert.equal(most, 2);
    const failing = gate.run(() => Promise.reject(new Error('x')));
    await assert.rejects(failing);
    await gate.run(() => Promise.resolve());
  });
});
