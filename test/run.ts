import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * `npm test`: everything, from nothing. Installs the Debian packages that the tests need, checks the code, runs every
 * test and the simulation, and closes with one line of counts. Nothing is skipped: what cannot run has failed.
 */
const root = dirname(dirname(fileURLToPath(import.meta.url)));
const seeds = process.env['SEEDS'] ?? '50';

/** Debian package → a path that is there once it is installed. */
const packages: Record<string, string> = {
  chromium: '/usr/bin/chromium',
  'python3-slixmpp': '/usr/lib/python3/dist-packages/slixmpp/__init__.py',
};

let passed = 0;
let failed = 0;
const faults: string[] = [];

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
    faults.push(what);
  }
}

function install(): void {
  const missing = Object.keys(packages).filter((name) => !existsSync(packages[name]!));
  const list = Object.keys(packages).join(', ');
  console.log(
    `Debian packages for the tests: ${list} (${missing.length ? `installing ${missing.join(', ')}` : 'all here'})`,
  );
  if (missing.length === 0) return;
  const command = `apt-get update && apt-get install -y --no-install-recommends ${missing.join(' ')}`;
  const able = process.getuid?.() === 0 && existsSync('/usr/bin/apt-get');
  const quiet = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  // Others may be installing at the same time: wait for them rather than fail.
  const wait = command.replaceAll('apt-get ', 'apt-get -qq -o DPkg::Lock::Timeout=300 ');
  if (able) spawnSync('sh', ['-c', wait], { stdio: ['ignore', 'ignore', 'inherit'], env: quiet });
  const still = missing.filter((name) => !existsSync(packages[name]!));
  if (still.length === 0) return;
  console.error(`Cannot install ${still.join(', ')}. Run as root: ${command}`);
  console.log('0 passed, 1 failed');
  process.exit(1);
}

/** Test files below test/, those that run a real server apart from the others. */
function testFiles(): { inside: string[]; outside: string[] } {
  const all = readdirSync(join(root, 'test'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.test.ts'))
    .map((name) => join('test', name))
    .sort();
  const black = (name: string): boolean => name.startsWith(join('test', 'e2e'));
  return { inside: all.filter((name) => !black(name)), outside: all.filter(black) };
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
  const bad = number('fail') + number('cancelled') + number('skipped') + number('todo');
  failed += bad || (code === 0 ? 0 : 1);
  if (bad || code !== 0) faults.push(what);
}

install();
console.log('\n# lint, types, format');
count('check', (await run('npm', ['run', '--silent', 'check'])).code === 0);
const { inside, outside } = testFiles();
await tests('units and parts', inside, ['--test-concurrency=2', '--test-timeout=180000']);
// One at a time: each of them starts a server of its own and asks it for all it has. Forced to exit, because a failed
// test leaves sockets open.
await tests('against a running server', outside, [
  '--test-concurrency=1',
  '--test-force-exit',
  '--test-timeout=400000',
]);
console.log('\n# simulation');
count('simulation', (await run(process.execPath, ['sim/sim.ts', '--seeds', seeds])).code === 0);
if (faults.length > 0) console.log(`\nFailed: ${faults.join(', ')}`);
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
