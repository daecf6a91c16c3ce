import { spawnSync } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** Of everything that takes part. */
export function versions(): Record<string, string> {
  const asked = (program: string, ...args: string[]) =>
    spawnSync(program, args, { cwd: root, encoding: 'utf8' }).stdout ?? '';
  const number = (text: string) => /\d+(\.\d+)+/.exec(text)?.[0] ?? 'unknown';
  const { version } = JSON.parse(readFileSync(`${root}package.json`, 'utf8')) as { version: string };
  const commit = asked('git', 'rev-parse', '--short', 'HEAD').trim();
  const changed = asked('git', 'status', '--porcelain', '--', 'src', 'bin').trim() !== '';
  const postgres = globSync('/usr/lib/postgresql/*/bin/postgres').at(-1) ?? 'postgres';
  return {
    Muster: `${version}${commit === '' ? '' : ` (${commit}${changed ? ' with changes' : ''})`}`,
    Node: process.version.slice(1),
    PostgreSQL: number(asked(postgres, '--version')),
    NATS: number(asked('nats-server', '--version') || asked('/usr/sbin/nats-server', '--version')),
  };
}
