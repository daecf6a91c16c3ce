import assert from 'node:assert/strict';
import { appendFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { openJournal, ranges } from '../../sim/journal.ts';

void describe('the journal of seeds', () => {
  let dir = '';
  beforeEach(() => (dir = mkdtempSync(join(tmpdir(), 'muster-journal-'))));
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  void it('goes on where it ended, on the same commit only', () => {
    const path = join(dir, 'seeds');
    const first = openJournal(path, 'aaa');
    for (const seed of [1, 2, 4]) first.add(seed, seed === 2 ? 3 : 0);
    appendFileSync(path, '5 aa');
    const again = openJournal(path, 'aaa');
    assert.deepEqual(
      [1, 2, 3, 4, 5].filter((seed) => again.has(seed)),
      [1, 2, 4],
    );
    again.add(3, 0);
    assert.ok(openJournal(path, 'aaa').has(3));
    const later = openJournal(path, 'bbb');
    assert.ok(!later.has(1));
    later.add(7, 0);
    assert.equal(
      openJournal(path, 'bbb').summary,
      'aaa: 4 seeds (1–4), violations at 2\nbbb: 1 seeds (7), all clean',
    );
  });

  void it('tells numbers as ranges', () => {
    assert.equal(ranges([7, 1, 3, 2, 9, 8, 20]), '1–3, 7–9, 20');
    assert.equal(ranges([]), '');
  });
});
