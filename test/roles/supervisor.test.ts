import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { systemClock } from '../../src/base/clock.ts';
import type { Log } from '../../src/base/log.ts';
import { isStarved, threadsOf, type Threads } from '../../src/roles/starved.ts';
import {
  Supervisor,
  usualPatience,
  type Patience,
  type SupervisorOptions,
} from '../../src/roles/supervisor.ts';

const fixture = (name: string) => fileURLToPath(new URL(name, import.meta.url));

async function until(what: string, holds: () => boolean): Promise<void> {
  const end = performance.now() + 20_000;
  while (!holds()) {
    assert.ok(performance.now() < end, `waited in vain for: ${what}`);
    await sleep(10);
  }
}

function alive(pid: number): boolean {
  try {
    // a zombie that nobody has waited for yet is dead
    return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

/** A supervisor with short times over the fixture's worker. */
function supervise(
  t: TestContext,
  behaviour: string,
  patience: Partial<Patience> = {},
  more: Pick<SupervisorOptions, 'threadsOf'> = {},
) {
  const dir = mkdtempSync(join(tmpdir(), 'muster-supervisor-'));
  const file = join(dir, 'pids');
  const lines: string[] = [];
  const keep = (_fields: object, text: string) => void lines.push(text);
  const log: Log = { debug: keep, info: keep, warn: keep, error: keep, child: () => log };
  const supervisor = new Supervisor({
    module: fixture('worker.fixture.ts'),
    args: [file, behaviour],
    patience: { ...usualPatience, heartbeat: 50, blocked: 600, first: 20, longest: 80, same: 0, ...patience },
    clock: systemClock,
    log,
    ...more,
  });
  const pids = () => (existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n').map(Number) : []);
  t.after(async () => {
    supervisor.stop();
    await sleep(5);
    supervisor.stop();
    await supervisor.done;
    rmSync(dir, { recursive: true });
  });
  return { supervisor, lines, pids };
}

test('a worker that crashes is started again, and the log says why', async (t) => {
  const { lines, pids } = supervise(t, 'crash-once');
  await until('a second start', () => pids().length === 2);
  assert.deepEqual(lines, ['the worker ended (exit code 7); it is started again in 0.0 s']);
  assert.ok(!alive(pids()[0]!) && alive(pids()[1]!));
});

test('a worker that is killed is started again, each time after a longer wait', async (t) => {
  const { lines, pids } = supervise(t, 'serve', { first: 100, longest: 300 });
  for (let starts = 1; starts <= 4; starts++) {
    await until(`start ${starts}`, () => pids().length === starts);
    process.kill(pids().at(-1)!, 'SIGKILL');
  }
  await until('four ends', () => lines.length === 4);
  assert.deepEqual(
    lines.map((line) => /\((.*)\).* in (.*)$/.exec(line)?.slice(1).join(' ')),
    ['signal SIGKILL 0.1 s', 'signal SIGKILL 0.2 s', 'signal SIGKILL 0.3 s', 'signal SIGKILL 0.3 s'],
  );
});

test('after a healthy time the wait begins small again', async (t) => {
  const { supervisor, lines, pids } = supervise(t, 'serve', { first: 100, healthy: 0 });
  for (let starts = 1; starts <= 3; starts++) {
    await until(`start ${starts}`, () => pids().length === starts);
    await until('its service', () => supervisor.serving);
    process.kill(pids().at(-1)!, 'SIGKILL');
  }
  await until('three ends', () => lines.length === 3);
  for (const line of lines) assert.match(line, /in 0\.1 s$/);
});

test('a worker whose event loop is blocked is killed and started again', async (t) => {
  const { lines, pids } = supervise(t, 'block-once');
  await until('a second start', () => pids().length === 2);
  assert.equal(lines.length, 1);
  assert.match(
    lines[0]!,
    /^the worker ended \(killed, because its event loop was blocked for 0\.\d s\); it is started again/,
  );
  assert.ok(!alive(pids()[0]!));
});

// Where a whole machine is too busy, killing its servers one after the other takes the rest of them down.
test('one that does not get to run is left alone for longer', async (t) => {
  let starved = true;
  const waiting = (): Threads => ({ cpu: 0, ready: starved });
  const { lines, pids } = supervise(t, 'block-once', { starved: 60_000 }, { threadsOf: waiting });
  await until('a line in the log', () => lines.length === 1);
  await sleep(300);
  assert.deepEqual(lines, ['the worker does not get to run: others have the cores or the disk']);
  assert.ok(alive(pids()[0]!));
  starved = false;
  await until('a second start', () => pids().length === 2);
  assert.match(lines[1]!, /blocked for/);
});

test('but not for ever', async (t) => {
  const waiting = (): Threads => ({ cpu: 0, ready: true });
  const { lines, pids } = supervise(t, 'block-once', { starved: 900 }, { threadsOf: waiting });
  await until('a second start', () => pids().length === 2);
  assert.match(lines[1]!, /blocked for (0\.9|1\.\d) s/);
});

test('who turns in circles has had its time, and who waits for nothing is not ready', () => {
  const now = (cpu: number, ready: boolean) => isStarved({ cpu: 100, ready: true }, { cpu, ready }, 4000);
  assert.deepEqual([now(4100, true), now(1000, true), now(1000, false)], [false, true, false]);
  assert.equal(isStarved(undefined, { cpu: 0, ready: true }, 4000), false);
  const before = threadsOf(process.pid)!;
  for (const end = performance.now() + 100; performance.now() < end;);
  const after = threadsOf(process.pid)!;
  assert.ok(after.cpu >= before.cpu + 30, `${after.cpu - before.cpu} ms`);
  assert.ok(after.ready);
});

test('an error in the configuration at the first start is final', async (t) => {
  const { supervisor, lines, pids } = supervise(t, 'config-error');
  assert.equal(await supervisor.done, 2);
  assert.equal(pids().length, 1);
  assert.deepEqual(lines, []);
});

test('the same once it has served is not: it is tried again', async (t) => {
  const { lines, pids } = supervise(t, 'config-error-later');
  await until('a third start', () => pids().length === 3);
  assert.match(lines[1]!, /exit code 2/);
});

test('a stop is clean and final', async (t) => {
  const { supervisor, lines, pids } = supervise(t, 'serve', { same: 10_000 });
  await until('its service', () => supervisor.serving);
  supervisor.stop();
  supervisor.stop(); // the same Ctrl-C, by way of npm
  assert.equal(await supervisor.done, 0);
  assert.deepEqual(lines, []);
  assert.ok(!alive(pids()[0]!));
});

test('a stop while it waits for the next start ends at once', async (t) => {
  const { supervisor, lines, pids } = supervise(t, 'crash-once', { first: 60_000, longest: 60_000 });
  await until('the end of the worker', () => lines.length === 1);
  supervisor.stop();
  assert.equal(await supervisor.done, 0);
  assert.equal(pids().length, 1);
});

test('a worker that does not stop is killed when asked twice, or in the end', async (t) => {
  for (const twice of [true, false]) {
    const { supervisor, lines, pids } = supervise(t, 'hang-at-stop', { stopping: twice ? 60_000 : 100 });
    await until('a start', () => pids().length === 1);
    supervisor.stop();
    await sleep(5);
    if (twice) supervisor.stop();
    assert.equal(await supervisor.done, 1);
    assert.deepEqual(lines, ['the worker did not end cleanly']);
    assert.ok(!alive(pids()[0]!));
  }
});

test('a worker whose supervisor was killed ends too', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'muster-orphan-'));
  const file = join(dir, 'pids');
  t.after(() => rmSync(dir, { recursive: true }));
  const supervisor = spawn(process.execPath, [fixture('supervisor.fixture.ts'), file, 'serve'], {
    stdio: 'inherit',
  });
  await until('a start', () => existsSync(file));
  const worker = Number(readFileSync(file, 'utf8'));
  t.after(() => alive(worker) && process.kill(worker, 'SIGKILL'));
  assert.ok(alive(worker));
  supervisor.kill('SIGKILL');
  await until('the end of the worker', () => !alive(worker));
});
