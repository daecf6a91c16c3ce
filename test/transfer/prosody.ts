import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Child, listening, poll, run } from '../e2e/child.ts';
import { freePorts } from '../e2e/server.ts';

export interface Prosody extends AsyncDisposable {
  readonly port: number;
  readonly dir: string;
  /** Stopped or not: makes an account. */
  register(name: string, password: string): Promise<void>;
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Stopped: writes what there is as `user@host.xml` files (storage driver xep0227) and tells their directory. */
  exported(): Promise<string>;
  /** Stopped: reads such files, from this directory. */
  import(files: string): Promise<void>;
  log(): string;
}

/** Prosody from Debian on loopback with storage in files; `prosody-migrator` is its way in and out. */
export async function openProsody(domain: string, authentication: string): Promise<Prosody> {
  const dir = await mkdtemp(join(tmpdir(), 'prosody-'));
  const [port] = (await freePorts(1)) as [number];
  const data = join(dir, 'data');
  await mkdir(data);
  const file = join(dir, 'prosody.cfg.lua');
  await writeFile(file, config(dir, domain, port, authentication));
  let child: Child | undefined;
  let past = '';
  const migrate = async (from: string, to: string, files: string) => {
    const migration = join(dir, 'migrator.cfg.lua');
    await writeFile(migration, migrator(domain, data, files));
    // Its xep0227 driver knows one place for files: the directory that the package was built with.
    const script = join(dir, 'prosody-migrator');
    const own = await readFile('/usr/bin/prosody-migrator', 'utf8');
    await writeFile(script, own.replace(/^CFG_DATADIR=.*$/m, `CFG_DATADIR='${files}';`));
    past += await run('lua5.4', [script, '--config', migration, '--root', '--keep-going', from, to]);
  };
  return {
    port,
    dir,
    register: async (name, password) => {
      past += await run('prosodyctl', ['--root', '--config', file, 'register', name, domain, password]);
    },
    start: async () => {
      child = new Child('prosody', ['-F', '--config', file]);
      const started = child;
      await poll(
        async () => {
          if (!started.running) throw new Error(`prosody ended: ${started.output}`);
          return (await listening(port)) ? true : undefined;
        },
        () => `prosody is not ready: ${started.output}`,
        30_000,
      );
    },
    stop: async () => {
      await child?.end();
      past += child?.output ?? '';
    },
    exported: async () => {
      const files = join(dir, 'exported');
      await mkdir(files, { recursive: true });
      await migrate('files', 'pie', files);
      return files;
    },
    import: (files) => migrate('pie', 'files', files),
    log: () => past + (child?.output ?? ''),
    [Symbol.asyncDispose]: async () => {
      await child?.end('SIGKILL');
      await rm(dir, { recursive: true, force: true });
    },
  };
}

function migrator(domain: string, data: string, files: string): string {
  return `
local stores = { "accounts", "roster", "vcard", "private", "archive-archive", "pep-pubsub" };
files { type = "internal"; path = "${data}"; hosts = { ["${domain}"] = stores }; }
pie { type = "xep0227"; path = "${files}"; hosts = { ["${domain}"] = stores }; }
`;
}

function config(dir: string, domain: string, port: number, authentication: string): string {
  const list =
    'roster saslauth disco carbons mam offline presence message iq c2s pep private vcard blocklist';
  const modules = list.split(' ').map((one) => `"${one}"`);
  return `
run_as_root = true
daemonize = false
pidfile = "${dir}/prosody.pid"
data_path = "${dir}/data"
plugin_paths = {}
interfaces = { "127.0.0.1" }
c2s_ports = { ${port} }
s2s_ports = {}
http_ports = {}
https_ports = {}
modules_enabled = { ${modules.join(', ')} }
modules_disabled = { "s2s" }
admins = {}
authentication = "${authentication}"
storage = "internal"
c2s_require_encryption = false
allow_unencrypted_plain_auth = true
default_archive_policy = true
archive_expires_after = "never"
log = { info = "*console" }
VirtualHost "${domain}"
`;
}
