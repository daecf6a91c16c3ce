import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { broken, type Figures, figures, type Round, type Seen } from './figures.ts';
import { type Kept, publish, recall } from './page.ts';
import { named, type Row, rows } from './rows.ts';
import { count, type Tally } from './tally.ts';
import { longest } from './waits.ts';

const row = (name: string) => rows.find((one) => one.name === name) as Row;

const fine: Tally = {
  messages: 100,
  pauses: [],
  disconnected: 0,
  resumed: 0,
  refused: 0,
  lost: [],
  doubled: [],
  copied: [],
  disordered: [],
  bounced: [],
  stumbles: [],
  flaps: [],
};

const round: Round = { outage: 2000, pauses: [5, 10, 20], wrong: [], right: 100, moved: 0 };

function seen(change: Partial<Seen> = {}, tally: Partial<Tally> = {}): Figures {
  const errands = [{ what: 'login', at: 0, took: 30 } as const];
  const all = { rounds: [round], arrivals: [15], errands, found: [], engine: false, ...change };
  return figures({ ...all, tally: { ...fine, ...tally } });
}

void describe('what a row promised', () => {
  it('is kept where nothing was noticed, in every row', () => {
    for (const one of rows) assert.deepEqual(broken(one, seen()), []);
  });

  it('is not kept where anything is lost, doubled, out of order, wrong or came back, in any row', () => {
    const some = ["'a 1' at b"];
    for (const one of rows) {
      for (const what of ['lost', 'doubled', 'disordered', 'bounced', 'flaps'] as const)
        assert.equal(broken(one, seen({}, { [what]: some })).length, 1, `${what} in ${one.name}`);
      assert.equal(broken(one, seen({}, { refused: 1 })).length, 1);
      assert.equal(broken(one, seen({ rounds: [{ ...round, wrong: some }] })).length, 1);
      assert.equal(broken(one, seen({ found: ['broken off'] })).length, 1);
    }
  });

  it('is broken by a lost connection, but where a mux dies', () => {
    const lost = seen({}, { disconnected: 2 });
    assert.deepEqual(broken(row('server crash'), lost), ['2 disconnected']);
    assert.deepEqual(broken(row('mux crash'), lost), []);
  });

  it('counts pauses by their hundredth where it says p99, else by the longest', () => {
    const pauses = [...Array.from({ length: 199 }, () => 10), 1500];
    const once = seen({ rounds: [{ ...round, pauses }] });
    assert.deepEqual(broken(row('server crash'), once), []);
    assert.deepEqual(broken(row('drain'), once), ['a pause of 1.50 s instead of 0.30 s']);
    const often = seen({ rounds: [{ ...round, pauses: [...pauses, 1500, 1500] }] });
    assert.deepEqual(broken(row('server crash'), often), ['a pause (p99) of 1.50 s instead of 1.00 s']);
  });

  it('counts pauses from the return of an engine on, round by round', () => {
    const away = (pause: number, outage: number) => ({ ...round, outage, pauses: [pause] });
    const both = seen({ engine: true, rounds: [away(9000, 7000), away(5000, 400)] });
    assert.equal(both.behind, 4600);
    assert.deepEqual(broken(row('NATS out'), both), []);
    const late = seen({ engine: true, rounds: [away(9000, 7000), away(6000, 400)] });
    assert.deepEqual(broken(row('NATS out'), late), [
      'a pause behind the outage of 5.60 s instead of 5.00 s',
    ]);
  });

  it('says that no partition moves while an engine is away', () => {
    const moved = seen({ rounds: [{ ...round, moved: 3 }] });
    assert.deepEqual(broken(row('database primary lost'), moved), ['3 partitions moved']);
    assert.deepEqual(broken(row('server crash'), moved), []);
  });

  it('includes those who log in and read, but where it says that what crosses processes errs', () => {
    const errands = [{ what: 'page', at: 0, took: 10_000, failed: 'no answer' } as const];
    const failed = seen({ errands });
    assert.deepEqual([failed.pages.count, failed.pages.failed, failed.logins.count], [1, 1, 0]);
    assert.deepEqual(broken(row('server crash'), failed), ['1 failed pages']);
    assert.deepEqual(broken(row('NATS out'), failed), []);
  });
});

void describe('what is counted', () => {
  const course = (bodies: string[], heard: [string, string][]) =>
    count([{ from: 'a', to: 'b', bodies, heard: heard.map(([body, id]) => ({ body, id })) }]);

  it('tells a loss, the same one twice, a second copy, and one behind a later one', () => {
    const all = ['a 0', 'a 1', 'a 2'];
    const { lost, doubled, copied, disordered } = course(all, [
      ['a 1', 'x'],
      ['a 0', 'y'],
      ['a 1', 'z'],
    ]);
    assert.deepEqual(lost, ["'a 2' at b"]);
    assert.deepEqual(doubled, ["'a 1' 2 times at b"]);
    assert.deepEqual(copied, ["'a 1' at b"]);
    assert.deepEqual(disordered, ["'a 0' after 1 at b"]);
  });

  it('tells what comes once more although its books are closed', () => {
    const { lost, doubled } = course(
      ['a 2'],
      [
        ['a 1', 'x'],
        ['a 2', 'y'],
      ],
    );
    assert.deepEqual(lost, []);
    assert.deepEqual(doubled, ["'a 1' once more at b"]);
  });

  it('takes of what somebody waited for the longest, of what was said in the window', () => {
    const arrivals = [
      { to: 'a', said: 0, came: 900 },
      { to: 'a', said: 100, came: 150 },
      { to: 'a', said: 110, came: 170 },
      { to: 'b', said: 199, came: 700 },
      { to: 'c', said: 200, came: 900 },
    ];
    assert.deepEqual(longest(arrivals, { from: 100, until: 200 }), [60, 501]);
  });
});

void describe('the rows', () => {
  it('are chosen by their whole name, else by a part of it', () => {
    const names = (text: string) => named(text).map(({ name }) => name);
    assert.deepEqual(names('server crash'), ['server crash']);
    assert.deepEqual(names('database'), ['database primary lost', 'database out and a server crashes']);
    assert.equal(names('').length, rows.length);
    assert.deepEqual(names('static host'), []);
  });
});

void describe('the page', () => {
  const scene = {
    date: '2026-01-02T03:04',
    cpu: 'cpu',
    cores: 2,
    memory: '8 GiB',
    kernel: '6',
    system: 'Debian',
    node: 'v24',
    command: 'npm run faults',
    load: '0 0 0',
  };
  const kept = (name: string, rounds: number, broken: string[] = []): Kept => ({
    name,
    scene,
    versions: { Muster: '1' },
    seed: 1,
    people: 8,
    cut: 'packets',
    seconds: 60,
    figures: { ...seen(), rounds },
    broken,
  });

  it('keeps other rows, in the order of the design, and replaces a row by one with at least as many rounds', () => {
    const directory = mkdtempSync(join(tmpdir(), 'muster-page-'));
    const places = { json: join(directory, 'faults.json'), page: join(directory, 'faults.md') };
    try {
      assert.ok(publish(kept('drain', 30, ['2 lost']), places));
      assert.ok(publish(kept('server crash', 2), places));
      assert.deepEqual(
        recall(places.json).map(({ name }) => name),
        ['server crash', 'drain'],
      );
      assert.equal(publish(kept('drain', 2), places), false);
      const page = readFileSync(places.page, 'utf8');
      assert.match(page, /^\| drain \| 30 \|.*\*\*no\*\* \|$/m);
      assert.match(page, /^\| server crash \| 2 \|.* yes \|$/m);
      assert.match(page, /^- 2 lost$/m);
      assert.ok(publish(kept('drain', 30), places));
      assert.match(readFileSync(places.page, 'utf8'), /^\| drain \| 30 \|.* yes \|$/m);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });
});
