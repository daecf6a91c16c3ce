import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import type { Target } from '../client.ts';
import { family } from '../proc.ts';
import { keys } from '../scram.ts';
import { install, ports, Process, version } from './debian.ts';
import { block, DOMAIN, type Peer, type Place, type Running } from './peer.ts';
import { reachable } from './reach.ts';

type Archive = 'none' | 'internal' | 'sqlite';

const CONDITIONS: Record<Archive, string> = {
  none: 'no archive',
  internal: 'archive in internal storage (files appended through the page cache): no fsync before the ack',
  sqlite:
    'archive in SQLite (rollback journal, synchronous=FULL by default): fsync before the ack, one transaction a copy',
};

/** Prosody from Debian, run as a private instance. */
export function prosody(archive: Archive): Peer {
  return {
    name: `prosody/${archive}`,
    product: 'prosody',
    archives: archive !== 'none',
    conditions: CONDITIONS[archive],
    open: (place) => open(archive, place),
  };
}

async function open(archive: Archive, place: Place): Promise<Running> {
  await install(['prosody', ...(archive === 'sqlite' ? ['lua-dbi-sqlite3'] : [])]);
  const [plain = 0, secure = 0] = await ports(2);
  const config = `${place.dir}/prosody.cfg.lua`;
  for (const name of ['data', 'certs']) mkdirSync(`${place.dir}/${name}`, { recursive: true });
  writeFileSync(config, text(archive, place, plain, secure));
  const server = new Process('prosody', ['--config', config, '-F'], {});
  await reachable(secure, () => server.check());
  const target = (port: number, tls: Target['tls']): Target => {
    return { host: '127.0.0.1', ports: [port], domain: DOMAIN, tls, mechanism: 'SCRAM-SHA-256' };
  };
  return {
    version: await version('prosody'),
    plain: target(plain, 'off'),
    secure: target(secure, 'direct'),
    pids: () => family(server.pid),
    accounts: (count, password, contacts) => {
      accounts(`${place.dir}/data/${DOMAIN.replace('.', '%2e')}`, count, password, contacts);
      return Promise.resolve();
    },
    close: () => server.close(),
  };
}

function text(archive: Archive, place: Place, plain: number, secure: number): string {
  const { dir, cert, key } = place;
  return `run_as_root = true
daemonize = false
pidfile = "${dir}/prosody.pid"
data_path = "${dir}/data"
log = { warn = "${dir}/prosody.log" }
interfaces = { "127.0.0.1" }
c2s_ports = { ${plain} }
c2s_direct_tls_ports = { ${secure} }
s2s_ports = {}
http_ports = {}
https_ports = {}
c2s_require_encryption = false
allow_unencrypted_plain_auth = true
authentication = "internal_hashed"
password_hash = "SHA-256"
modules_disabled = { "s2s" }
modules_enabled = { "roster"; "saslauth"; "tls"; "disco"; "carbons"; "smacks"; "ping"; "version"; "time"; "posix";
  ${archive === 'none' ? '' : '"mam";'} }
default_archive_policy = true
archive_expires_after = "never"
${archive === 'sqlite' ? `sql = { driver = "SQLite3", database = "${dir}/archive.sqlite" }\nstorage = { archive = "sql" }` : ''}
certificates = "${dir}/certs"
ssl = { certificate = "${cert}"; key = "${key}" }
c2s_direct_tls_ssl = { certificate = "${cert}"; key = "${key}" }
VirtualHost "${DOMAIN}"
Component "conference.${DOMAIN}" "muc"
  restrict_room_creation = false
  ${archive === 'none' ? '' : 'modules_enabled = { "muc_mam" }; muc_log_all_rooms = true'}
`;
}

/**
 * Writes the files of the internal storage as `mod_auth_internal_hashed` and the roster manager leave them after
 * registrations and completed mutual subscriptions.
 */
function accounts(dir: string, count: number, password: string, contacts: number): void {
  const salt = createHash('sha256').update(DOMAIN).digest('hex').slice(0, 32);
  const rounds = 10_000; // mod_auth_internal_hashed: default_iteration_count
  const { stored, server } = keys('sha256', password, Buffer.from(salt).toString('base64'), rounds);
  const account = `return {
	["salt"] = "${salt}";
	["iteration_count"] = ${rounds};
	["stored_key"] = "${stored.toString('hex')}";
	["server_key"] = "${server.toString('hex')}";
};
`;
  for (const store of ['accounts', 'roster']) mkdirSync(`${dir}/${store}`, { recursive: true });
  for (let index = 0; index < count; index++) {
    const path = `${dir}/accounts/u${index}.dat`;
    if (!existsSync(path)) writeFileSync(path, account);
    if (contacts === 0) continue;
    const items = block(index, count, contacts).map(
      (other) =>
        `\t["u${other}@${DOMAIN}"] = {\n\t\t["subscription"] = "both";\n\t\t["groups"] = {};\n\t};\n`,
    );
    const head = '\t[false] = {\n\t\t["version"] = 1;\n\t\t["pending"] = {};\n\t};\n';
    writeFileSync(`${dir}/roster/u${index}.dat`, `return {\n${head}${items.join('')}};\n`);
  }
}
