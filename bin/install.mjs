// Installs the packages of package-lock.json where they are missing or others; nothing else. Runs under any Node ≥ 20.
/* oxlint-disable no-restricted-globals, no-restricted-properties -- it runs before anything of src/ can be loaded */
import { spawn } from 'node:child_process';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** Something that the person in front of the machine has to do; the message says what. */
export class InstallError extends Error {}

/**
 * @param {string} root the directory of package.json
 * @param {{ development: boolean }} options with or without what only tests and checks need. Packages that are there
 * and not asked for stay, so that `npm start` never undoes the set-up of `npm test`.
 */
export async function install(root, { development }) {
  if (!existsSync(join(root, 'package-lock.json')) || complete(root, development)) return;
  refuseLink(join(root, 'node_modules'));
  const release = await lock(join(root, '.install.tmp'));
  try {
    if (complete(root, development)) return; // another start has done it meanwhile
    refuseLink(join(root, 'node_modules')); // looked at again: it may have been made while we waited
    const kind = development ? 'the packages, also those for tests' : 'the packages that the server needs';
    console.error(`muster: installing ${kind} (npm ci; half a minute, only this once) …`);
    const began = Date.now();
    await npm(root, [
      'ci',
      ...(development ? ['--include=dev'] : ['--omit=dev']),
      '--no-audit',
      '--no-fund',
      '--loglevel=error',
    ]);
    console.error(`muster: installed in ${Math.round((Date.now() - began) / 1000)} s`);
  } finally {
    release();
  }
}

/**
 * Whether node_modules is what package-lock.json asks for. npm writes down what it installed as its last step, so a
 * broken installation does not count. Times are compared first; contents where the lock file looks newer, as it does
 * after a checkout.
 */
function complete(root, development) {
  const wanted = join(root, 'package-lock.json');
  const installed = join(root, 'node_modules', '.package-lock.json');
  if (!existsSync(installed)) return false;
  const newer = statSync(wanted).mtimeMs > statSync(installed).mtimeMs;
  if (!newer && !development) return true;
  const have = JSON.parse(readFileSync(installed, 'utf8')).packages;
  for (const [name, { version, dev, optional, devOptional, peer }] of Object.entries(
    JSON.parse(readFileSync(wanted, 'utf8')).packages,
  )) {
    if (name === '' || optional || devOptional || peer || (dev && !development)) continue;
    if (have[name]?.version !== version) return false;
  }
  if (newer) utimesSync(installed, new Date(), new Date());
  return true;
}

/** `npm ci` empties node_modules first, and does so through a link: that would take the packages from whoever shares it. */
function refuseLink(path) {
  if (!lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink()) return;
  throw new InstallError(
    `${path} is a link to packages that are not those of package-lock.json.\nNothing was installed, because npm would empty the directory behind the link. Remove the link, then start again:\n  rm ${path}`,
  );
}

/** A directory is made by one process only; one whose maker is gone is taken over. */
async function lock(path) {
  for (let told = false; ; told = true) {
    try {
      mkdirSync(path);
      writeFileSync(join(path, 'pid'), String(process.pid));
      return () => rmSync(path, { recursive: true, force: true });
    } catch (error) {
      if (error.code !== 'EEXIST') throw new InstallError(`${path} cannot be made: ${error.message}`);
    }
    if (abandoned(path)) rmSync(path, { recursive: true, force: true });
    else if (!told) console.error('muster: another process is installing the packages; waiting for it …');
    await sleep(200);
  }
}

function abandoned(path) {
  try {
    process.kill(Number(readFileSync(join(path, 'pid'), 'utf8')), 0);
    return false;
  } catch (error) {
    if (error.code !== 'ENOENT') return error.code === 'ESRCH';
  }
  // no pid in it yet: its maker is about to write it, or died in that moment
  try {
    return Date.now() - statSync(path).mtimeMs > 5000;
  } catch {
    return false;
  }
}

/** What npm says is shown only where it fails, and then its beginning: that is where the reason stands. */
function npm(root, args) {
  return new Promise((resolve, reject) => {
    const child = spawn('npm', args, {
      cwd: root,
      stdio: ['ignore', 'pipe', 'pipe'],
      shell: process.platform === 'win32',
    });
    let said = '';
    const hear = (chunk) => {
      if (said.length < 10_000) said += chunk;
    };
    child.stdout.on('data', hear);
    child.stderr.on('data', hear);
    child.on('error', () =>
      reject(new InstallError('npm is missing; install Node.js with npm, version 20 or newer')),
    );
    child.on('close', (code) => {
      if (code === 0) return resolve();
      const reason = said
        .split('\n')
        .filter((line) => line.trim() !== '')
        .slice(0, 8)
        .join('\n');
      reject(
        new InstallError(
          `the packages could not be installed:\n${reason}\nThe same by hand:\n  cd ${root} && npm ${args.slice(0, 2).join(' ')}`,
        ),
      );
    });
  });
}
