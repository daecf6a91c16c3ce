import { spawnSync } from 'node:child_process';
import { existsSync, globSync } from 'node:fs';

/** Debian packages that tests and clusters use → a path (a pattern) that is there once it is installed. */
const known = {
  chromium: '/usr/bin/chromium',
  'dbus-daemon': '/usr/bin/dbus-run-session',
  finch: '/usr/bin/finch',
  gajim: '/usr/bin/gajim',
  'nats-server': '/usr/sbin/nats-server',
  postgresql: '/usr/lib/postgresql/*/bin/postgres',
  profanity: '/usr/bin/profanity',
  'python3-slixmpp': '/usr/lib/python3/dist-packages/slixmpp/__init__.py',
  tmux: '/usr/bin/tmux',
  xauth: '/usr/bin/xauth',
  xvfb: '/usr/bin/xvfb-run',
} as const;

export type Package = keyof typeof known;

/**
 * Installs what is missing, where that is possible (Debian, as root).
 *
 * @returns the packages that it installed
 * @throws Error with the command that an administrator has to run
 */
export function installPackages(names: readonly Package[]): Package[] {
  const missing = lacking(names);
  if (missing.length === 0) return [];
  const command = `apt-get update && apt-get install -y --no-install-recommends ${missing.join(' ')}`;
  const able = process.getuid?.() === 0 && existsSync('/usr/bin/apt-get');
  const quiet = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  // Others may be installing at the same time: wait for them rather than fail.
  const wait = command.replaceAll('apt-get ', 'apt-get -qq -o DPkg::Lock::Timeout=300 ');
  if (able) spawnSync('sh', ['-c', wait], { stdio: ['ignore', 'ignore', 'inherit'], env: quiet });
  const still = lacking(names);
  if (still.length > 0) throw new Error(`Cannot install ${still.join(', ')}. Run as root: ${command}`);
  return missing;
}

export function lacking(names: readonly Package[]): Package[] {
  return names.filter((name) => globSync(known[name]).length === 0);
}
