// Runs a file of this project with the Node that the project brings along, whatever Node this is (20 or newer).
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { constants } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { install, InstallError } from './install.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');

/**
 * Installs what is missing first.
 *
 * @param {string} file relative to the project
 * @param {readonly string[]} args
 * @param {{ development: boolean }} options with what only tests and checks need
 */
export async function launch(file, args, options) {
  try {
    await install(root, options);
    run(nodeProgram(), [join(root, file), ...args]);
  } catch (error) {
    if (!(error instanceof InstallError)) throw error;
    console.error(`muster: ${error.message}`);
    process.exitCode = 2;
  }
}

/** The `node` package's program; it arrives with that package's own install script, which npm may be told to skip. */
function nodeProgram() {
  const find = createRequire(join(root, 'package.json'));
  try {
    const program = join(
      dirname(find.resolve('node/package.json')),
      'bin',
      process.platform === 'win32' ? 'node.exe' : 'node',
    );
    if (existsSync(program)) return program;
  } catch {
    // not even the package is there
  }
  if (Number(process.versions.node.split('.')[0]) >= 24) return process.execPath;
  throw new InstallError(
    `Node 24 is missing, because the install script of the package "node" did not run.\nRun this, then start again:\n  cd ${root} && npm rebuild node --ignore-scripts=false --foreground-scripts`,
  );
}

/** Becomes the real program as far as others can see: same terminal, signals, exit code. */
function run(program, args) {
  const child = spawn(program, args, { stdio: 'inherit' });
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
  const pass = (signal) => child.kill(signal);
  for (const signal of signals) process.on(signal, pass);
  child.on('error', (error) => {
    console.error(`muster: ${program} cannot be started: ${error.message}`);
    process.exitCode = 1;
  });
  child.on('exit', (code, signal) => {
    for (const name of signals) process.off(name, pass);
    process.exitCode = signal === null ? code : 128 + constants.signals[signal];
  });
}
