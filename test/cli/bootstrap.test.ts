import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { directory, loopback } from './muster.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** The PATH of a newcomer: without what npm puts in front for scripts. */
const path = (process.env['PATH'] ?? '').split(delimiter).filter((dir) => !dir.includes('node_modules'));
const systemNode = path.map((dir) => join(dir, 'node')).find((file) => existsSync(file));

test(
  'two commands on a fresh machine: a clean tree installs itself once and starts',
  { timeout: 240_000 },
  async (t) => {
    assert.ok(
      systemNode !== undefined,
      'Node.js is missing on this machine; install Node.js 20 or newer with npm',
    );
    const tree = join(directory(t), 'muster');
    mkdirSync(tree);
    for (const name of ['bin', 'src', 'web', 'package.json', 'package-lock.json'])
      cpSync(join(root, name), join(tree, name), { recursive: true });
    const env = { PATH: [dirname(systemNode), ...path].join(delimiter), HOME: process.env['HOME'] ?? '/' };
    const muster = (...args: string[]) => {
      const child = spawn(systemNode, ['bin/muster.mjs', ...args], { cwd: tree, env, stdio: 'pipe' });
      const heard = { out: '', err: '' };
      child.stdout.setEncoding('utf8').on('data', (text: string) => (heard.out += text));
      child.stderr.setEncoding('utf8').on('data', (text: string) => (heard.err += text));
      const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
      t.after(() => child.exitCode === null && child.kill('SIGTERM'));
      return { child, heard, ended };
    };
    t.diagnostic(`system Node ${execFileSync(systemNode, ['--version']).toString().trim()}`);

    // three at once: one installs, the others wait, all work
    const firsts = [1, 2, 3].map(() => muster('check'));
    for (const { ended, heard } of firsts) assert.equal(await ended, 0, heard.err);
    assert.equal(firsts.filter(({ heard }) => heard.err.includes('installed in')).length, 1);
    assert.ok(!readdirSync(tree).includes('.install.tmp'));

    const began = performance.now();
    const server = muster('start', ...loopback);
    while (!server.heard.out.includes('Ready.')) {
      assert.ok(
        server.child.exitCode === null && performance.now() - began < 60_000,
        server.heard.out + server.heard.err,
      );
      await sleep(20);
    }
    t.diagnostic(`the start banner came after ${Math.round(performance.now() - began)} ms`);
    assert.match(
      server.heard.out,
      /Community\s+localhost\n[^]*Web client\s+http:\/\/[^]*Administrator\s+admin@localhost\n\s+Password\s+\S{12,}/,
    );
    assert.equal(server.heard.err, '');
    const again = muster('status');
    assert.equal(await again.ended, 0);
    assert.equal(again.heard.err, '', 'nothing is installed twice');
    server.child.kill('SIGINT');
    assert.equal(await server.ended, 0);
    const stopped = muster('status');
    assert.equal(await stopped.ended, 1, 'the exit code is passed on');

    rmSync(join(tree, 'node_modules/node/bin/node'));
    const without = muster('check');
    assert.equal(await without.ended, 2);
    assert.match(
      without.heard.err,
      /cd \S+ && npm rebuild node --ignore-scripts=false --foreground-scripts\n$/,
    );
  },
);
