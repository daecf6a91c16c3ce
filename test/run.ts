import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { installPackages, lacking } from '../cluster/packages.ts';

/**
 * `npm test`: everything, from nothing. Installs the Debian packages that the tests need, checks the code, runs every
 * test and the simulation, and closes with one line of counts. Nothing is skipped: what cannot run has failed.
 */
const root = dirname(dirname(fileURLToPath(import.meta.url)));
/** With rooms each takes three times as long as without. */
const seeds = process.env['SEEDS'] ?? '100';

/** What the tests need of Debian. */
const packages = [
  'chromium',
  'dbus-daemon',
  'finch',
  'gajim',
  'nats-server',
  'postgresql',
  'profanity',
  'python3-slixmpp',
  'tmux',
  'xauth',
  'xvfb',
] as const;

let passed = 0;
let failed = 0;
const bad: string[] = [];

/** Runs a command with its output shown; resolves with its exit code and what it wrote. */
function run(command: string, args: readonly string[]): Promise<{ code: number; output: string }> {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] });
    let output = '';
    child.stdout.on('data', (data: Buffer) => {
      output += String(data);
      process.stdout.write(data);
    });
    child.once('error', (error) => resolve({ code: 127, output: `${output}\n${error.message}` }));
    child.once('exit', (code) => resolve({ code: code ?? 1, output }));
  });
}

function count(what: string, ok: boolean): void {
  if (ok) passed++;
  else {
    failed++;
    bad.push(what);
  }
}

function install(): void {
  const missing = lacking(packages);
  const list = packages.join(', ');
  console.log(
    `Debian packages for the tests: ${list} (${missing.length ? `installing ${missing.join(', ')}` : 'all here'})`,
  );
  try {
    installPackages(packages);
  } catch (error) {
    console.error((error as Error).message);
    console.log('0 passed, 1 failed');
    process.exit(1);
  }
}

/** Test files below test/, those that run a real server or a whole pool apart from the others. */
function testFiles(): { inside: string[]; outside: string[]; faults: string[] } {
  const all = readdirSync(join(root, 'test'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.test.ts'))
    .map((name) => join('test', name))
    .sort();
  const below = (folder: string) => all.filter((name) => name.startsWith(join('test', folder, '/')));
  const [outside, pool] = [below('e2e'), below('faults')];
  return { inside: all.filter((name) => ![...outside, ...pool].includes(name)), outside, faults: pool };
}

async function tests(what: string, files: readonly string[], options: readonly string[]): Promise<void> {
  console.log(`\n# ${what}`);
  if (files.length === 0) return;
  const { code, output } = await run(process.execPath, [
    '--test',
    '--test-reporter=spec',
    ...options,
    ...files,
  ]);
  const number = (name: string): number =>
    Number(new RegExp(`^ℹ ${name} (\\d+)$`, 'm').exec(output)?.[1] ?? 0);
  passed += number('pass');
  // A skipped or unfinished test is one that has not passed.
  const missed = number('fail') + number('cancelled') + number('skipped') + number('todo');
  failed += missed || (code === 0 ? 0 : 1);
  if (missed || code !== 0) bad.push(what);
}

install();
console.log('\n# lint, types, format');
count('check', (await run('npm', ['run', '--silent', 'check'])).code === 0);
const { inside, outside, faults } = testFiles();
await tests('units and parts', inside, ['--test-concurrency=2', '--test-timeout=180000']);
// One at a time: each of them starts a server of its own and asks it for all it has. Forced to exit, because a failed
// test leaves sockets open.
await tests('against a running server', outside, [
  '--test-concurrency=1',
  '--test-force-exit',
  '--test-timeout=400000',
]);
await tests('a pool of real processes, and its faults', faults, [
  '--test-concurrency=1',
  '--test-force-exit',
  '--test-timeout=600000',
]);
console.log('\n# simulation');
count('simulation', (await run(process.execPath, ['sim/sim.ts', '--seeds', seeds])).code === 0);
if (bad.length > 0) console.log(`\nFailed: ${bad.join(', ')}`);
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
