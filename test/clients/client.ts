import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { poll } from '../e2e/child.ts';
import type { Target } from '../e2e/server.ts';

const here = dirname(fileURLToPath(import.meta.url));

/** A client of another maker as its user has it, at work with an account of the server. */
export interface Client extends AsyncDisposable {
  readonly name: string;
  /** What it has logged so far, its stream included. */
  log(): string;
  /** What its user sees; '' where that is a picture. */
  screen(): string;
  /** Types a line into it, where it has a terminal. */
  type(line: string): void;
}

/** Waits until its log has said it. */
export function logged(client: Client, pattern: RegExp, within = 30_000): Promise<RegExpExecArray> {
  return poll(
    () => pattern.exec(client.log()) ?? undefined,
    () => `${client.name} never logged ${String(pattern)}:\n${client.log().slice(-4000)}`,
    within,
  );
}

export async function openProfanity(target: Target, user: string): Promise<Client> {
  const home = mkdtempSync(join(tmpdir(), 'profanity-'));
  const share = join(home, '.local', 'share', 'profanity');
  mkdirSync(share, { recursive: true });
  writeFileSync(
    join(share, 'accounts'),
    [
      `[${user}]`,
      'enabled=true',
      `jid=${user}@${target.domain}`,
      'server=127.0.0.1',
      `port=${target.ports.xmpp}`,
      'password=secret',
      'resource=profanity',
      'tls.policy=trust',
      `muc.nick=${user}`,
      '',
    ].join('\n'),
  );
  const terminal = openTerminal(home, `profanity -l DEBUG -a ${user}`);
  const log = join(share, 'logs', 'profanity.log');
  return { name: 'profanity', log: () => (existsSync(log) ? readFileSync(log, 'utf8') : ''), ...terminal };
}

export async function openFinch(target: Target, user: string): Promise<Client> {
  const home = mkdtempSync(join(tmpdir(), 'finch-'));
  const peers = join(home, 'purple', 'certificates', 'x509', 'tls_peers');
  mkdirSync(peers, { recursive: true });
  // What its user has when he has accepted the certificate once.
  cpSync(target.certificate, join(peers, '127.0.0.1'));
  const setting = (name: string, type: string, value: string | number) =>
    `<setting name='${name}' type='${type}'>${value}</setting>`;
  writeFileSync(
    join(home, 'purple', 'accounts.xml'),
    `<?xml version='1.0' encoding='UTF-8' ?><account version='1.0'><account><protocol>prpl-jabber</protocol>` +
      `<name>${user}@${target.domain}/finch</name><password>secret</password>` +
      `<statuses><status type='available' name='Available' active='true'><attributes/></status></statuses>` +
      `<settings>${setting('connect_server', 'string', '127.0.0.1')}${setting('port', 'int', target.ports.xmpp)}` +
      `${setting('connection_security', 'string', 'require_tls')}</settings>` +
      `<settings ui='gnt-purple'>${setting('auto-login', 'bool', 1)}</settings></account></account>`,
  );
  const log = join(home, 'finch.log');
  const terminal = openTerminal(home, `finch -d -c ${join(home, 'purple')} 2>${log}`);
  return { name: 'finch', log: () => (existsSync(log) ? readFileSync(log, 'latin1') : ''), ...terminal };
}

/** Gajim on a display of its own. It refuses to be root's. */
export async function openGajim(target: Target, user: string): Promise<Client> {
  const home = mkdtempSync(join(tmpdir(), 'gajim-'));
  const config = join(home, 'config');
  execFileSync('/usr/bin/python3', [
    join(here, 'account.py'),
    config,
    `${user}@${target.domain}`,
    'secret',
    '127.0.0.1',
    String(target.ports.xmpp),
  ]);
  mkdirSync(join(config, 'cert_store'));
  cpSync(target.certificate, join(config, 'cert_store', 'server.pem'));
  const root = userInfo().uid === 0;
  if (root) give(home, nobody);
  const as = root ? ['setpriv', `--reuid=${nobody}`, `--regid=${nobody}`, '--clear-groups'] : [];
  const command = [
    ...as,
    ...['xvfb-run', '-a', 'dbus-run-session', '--'],
    ...['gajim', '--config-path', config, '--separate', '--verbose'],
  ];
  let said = '';
  const child = spawn(command[0]!, command.slice(1), {
    cwd: home,
    env: { PATH: process.env['PATH'], HOME: home, XDG_RUNTIME_DIR: home, NO_AT_BRIDGE: '1', LANG: 'C.UTF-8' },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (data: Buffer) => (said += String(data)));
  return {
    name: 'gajim',
    log: () => said,
    screen: () => '',
    type: () => {
      throw new Error('gajim has no terminal');
    },
    [Symbol.asyncDispose]: async () => {
      await ended(child);
      rmSync(home, { recursive: true, force: true });
    },
  };
}

const nobody = 65_534;

function give(path: string, uid: number): void {
  chownSync(path, uid, uid);
  if (statSync(path).isDirectory()) for (const name of readdirSync(path)) give(join(path, name), uid);
}

/** Ends the whole group: display, bus and client. */
async function ended(child: ChildProcess): Promise<void> {
  const { pid } = child;
  if (pid === undefined || child.exitCode !== null) return;
  const gone = new Promise((resolve) => child.once('exit', resolve));
  process.kill(-pid, 'SIGTERM');
  const hard = setTimeout(() => process.kill(-pid, 'SIGKILL'), 5_000);
  await gone;
  clearTimeout(hard);
}

/** A terminal that nobody looks at, of a tmux server of its own. */
function openTerminal(
  home: string,
  command: string,
): Pick<Client, 'screen' | 'type' | typeof Symbol.asyncDispose> {
  chmodSync(home, 0o700);
  const socket = join(home, 'tmux');
  const env = { PATH: process.env['PATH'], HOME: home, TERM: 'xterm', LANG: 'C.UTF-8' };
  const tmux = (...args: string[]) =>
    execFileSync('tmux', ['-S', socket, ...args], { env, encoding: 'utf8' });
  tmux('new-session', '-d', '-x', '120', '-y', '40', command);
  return {
    screen: () => tmux('capture-pane', '-p'),
    type: (line) => {
      tmux('send-keys', '-l', line);
      tmux('send-keys', 'Enter');
    },
    [Symbol.asyncDispose]: async () => {
      tmux('kill-server');
      rmSync(home, { recursive: true, force: true });
    },
  };
}
