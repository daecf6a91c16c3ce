import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

export const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url));

export interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** A directory that is gone after the test. */
export function directory(t: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), 'muster-cli-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

/** Runs `muster …` as a process of its own, in the directory `cwd`. */
export async function muster(cwd: string, args: readonly string[], input = ''): Promise<Ended> {
  const child = spawn(process.execPath, [main, ...args], { cwd, stdio: 'pipe' });
  const heard = hear(child);
  child.stdin.end(input);
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  return { code, ...heard };
}

export interface Started {
  readonly child: ChildProcess;
  /** What it has written so far. */
  readonly heard: { out: string; err: string };
  /** The one line of `--json`. */
  readonly info: {
    listeners: { name: string; address: string; tls: string }[];
    web: string;
    admin: { address: string; password: string } | undefined;
  };
  /** Sends a signal and resolves with the exit code. */
  end(signal: NodeJS.Signals): Promise<number | null>;
}

/** Every listener on a free port of loopback. */
export const loopback = ['xmpp', 'xmpps', 'http'].flatMap((name) => [
  '--set',
  `listen.${name}={host: 127.0.0.1, port: 0}`,
]);

/** `muster start --json` until it serves. */
export async function start(t: TestContext, cwd: string, args: readonly string[] = []): Promise<Started> {
  const child = spawn(process.execPath, [main, 'start', '--json', ...loopback, ...args], {
    cwd,
    stdio: 'pipe',
  });
  const heard = hear(child);
  const closed = new Promise<number | null>((resolve) => child.on('close', resolve));
  const end = async (signal: NodeJS.Signals) => {
    child.kill(signal);
    return closed;
  };
  t.after(() => (child.exitCode === null ? end('SIGTERM') : undefined));
  for (let waited = 0; !heard.out.includes('"started"'); waited += 20) {
    assert.ok(waited < 30_000 && child.exitCode === null, `it did not start: ${heard.out}${heard.err}`);
    await sleep(20);
  }
  const line = heard.out.split('\n').find((text) => text.includes('"started"'))!;
  return { child, heard, info: JSON.parse(line) as Started['info'], end };
}

function hear(child: ChildProcess): { out: string; err: string } {
  const heard = { out: '', err: '' };
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (heard.out += text));
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (heard.err += text));
  return heard;
}
