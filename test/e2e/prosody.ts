import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Child, listening, poll, run } from './child.ts';
import { freePorts, type Options, type Target } from './server.ts';

/** Prosody from Debian as a stand-in: it shows that the tests themselves are right, and where servers differ. */
export async function openProsody(options: Options): Promise<Target> {
  const dir = await mkdtemp(join(tmpdir(), 'prosody-'));
  const [xmpp, xmpps, http] = (await freePorts(3)) as [number, number, number];
  const domain = options.domain ?? 'localhost';
  const host = join(dir, 'data', encode(domain));
  await mkdir(join(host, 'accounts'), { recursive: true });
  await run('openssl', [
    'req',
    '-x509',
    '-nodes',
    '-newkey',
    'rsa:2048',
    '-subj',
    `/CN=${domain}`,
    '-keyout',
    join(dir, 'key.pem'),
    '-out',
    join(dir, 'cert.pem'),
  ]);
  const file = join(dir, 'prosody.cfg.lua');
  await writeFile(file, config(dir, domain, { xmpp, xmpps, http }, options.registration === 'open'));
  let child: Child | undefined;
  let past = '';
  const target: Target = {
    name: 'prosody',
    domain,
    ports: { xmpp, xmpps, http },
    websocket: `ws://127.0.0.1:${http}/xmpp-websocket`,
    page: `http://127.0.0.1:${http}/`,
    certificate: join(dir, 'cert.pem'),
    users: async (names, password = 'secret') => {
      for (const name of names)
        await writeFile(
          join(host, 'accounts', `${encode(name)}.dat`),
          `return { ["password"] = "${password}"; };\n`,
        );
    },
    pids: async () => (child?.running ? [child.pid] : []),
    kill: async () => {
      await child?.end('SIGKILL');
    },
    start: async () => {
      past += child?.output ?? '';
      child = new Child('prosody', ['-F', '--config', file]);
      await target.ready();
    },
    ready: async () => {
      const started = child!;
      await poll(
        async () => {
          if (!started.running) throw new Error(`prosody ended: ${started.output}`);
          return (await listening(xmpp)) && (await listening(http)) && (await listening(xmpps))
            ? true
            : undefined;
        },
        () => `prosody is not ready: ${started.output}`,
        30_000,
      );
    },
    stop: async () => {
      await child?.end();
    },
    log: () => past + (child?.output ?? ''),
    [Symbol.asyncDispose]: async () => {
      await child?.end('SIGKILL');
      await rm(dir, { recursive: true, force: true });
    },
  };
  await target.start();
  return target;
}

/** Prosody's own naming of files. */
function encode(name: string): string {
  return name.replace(/[^A-Za-z0-9]/g, (c) => `%${c.charCodeAt(0).toString(16)}`);
}

function config(dir: string, domain: string, ports: Target['ports'], open: boolean): string {
  const list =
    'roster saslauth tls disco ping time version carbons mam smacks offline presence message iq websocket c2s';
  const modules = `${list}${open ? ' register_ibr user_account_management' : ''}`
    .split(' ')
    .map((one) => `"${one}"`);
  return `
run_as_root = true
daemonize = false
pidfile = "${dir}/prosody.pid"
data_path = "${dir}/data"
plugin_paths = {}
interfaces = { "127.0.0.1" }
c2s_ports = { ${ports.xmpp} }
c2s_direct_tls_ports = { ${ports.xmpps} }
s2s_ports = {}
http_ports = { ${ports.http} }
https_ports = {}
modules_enabled = { ${modules.join(', ')} }
modules_disabled = { "s2s" }
admins = {}
authentication = "internal_plain"
storage = "internal"
c2s_require_encryption = false
allow_unencrypted_plain_auth = false
consider_websocket_secure = true
cross_domain_websocket = true
allow_registration = ${open}
registration_whitelist_only = false
default_archive_policy = true
archive_expires_after = "never"
smacks_hibernation_time = 300
log = { info = "*console" }
ssl = { key = "${dir}/key.pem"; certificate = "${dir}/cert.pem" }
c2s_direct_tls_ssl = { key = "${dir}/key.pem"; certificate = "${dir}/cert.pem" }
http_host = "127.0.0.1"
http_default_host = "${domain}"
VirtualHost "${domain}"
Component "conference.${domain}" "muc"
modules_enabled = { "muc_mam", "muc_moderation", "ping" }
restrict_room_creation = false
muc_tombstones = false
muc_room_default_public = true
muc_registration_include_form = true
allow_unaffiliated_register = true
`;
}
