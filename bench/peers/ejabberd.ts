import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { openPostgresServer, type PostgresServer } from '../../cluster/postgres.ts';
import type { Target } from '../client.ts';
import { family } from '../proc.ts';
import { install, ports, Process, version } from './debian.ts';
import { DOMAIN, type Peer, type Place, type Running } from './peer.ts';
import { reachable } from './reach.ts';

type Archive = 'none' | 'mnesia' | 'sqlite' | 'postgres';

const LIBRARIES = '/usr/lib/x86_64-linux-gnu';
const SCHEMAS = '/usr/share/ejabberd/sql';

const CONDITIONS: Record<Archive, string> = {
  none: 'no archive; spool and contact lists in Mnesia, which logs without fsync',
  mnesia:
    'archive in Mnesia (disc_only_copies): written through the page cache, no fsync before the ack; ' +
    'the recipient’s copy is written after the ack',
  sqlite:
    'archive in SQLite (rollback journal, synchronous=FULL by default): fsync of the sender’s copy before the ack, ' +
    'one transaction a copy; the recipient’s copy is written after the ack',
  postgres:
    'archive in a PostgreSQL of its own (fsync, synchronous_commit=on): the sender’s copy before the ack, ' +
    'one transaction a copy; the recipient’s copy is written after the ack; spool and contact lists in Mnesia',
};

/** Debian's driver for each engine of the archive. */
const DRIVERS: Partial<Record<Archive, string>> = {
  sqlite: 'erlang-p1-sqlite3',
  postgres: 'erlang-p1-pgsql',
};

/** ejabberd from Debian, run as a private instance without distribution (no epmd, no cookie, no fixed ports). */
export function ejabberd(archive: Archive): Peer {
  return {
    name: `ejabberd/${archive}`,
    product: 'ejabberd',
    archives: archive !== 'none',
    conditions: CONDITIONS[archive],
    open: (place) => open(archive, place),
  };
}

async function open(archive: Archive, place: Place): Promise<Running> {
  const driver = DRIVERS[archive];
  await install(['ejabberd', ...(driver === undefined ? [] : [driver])]);
  const database = archive === 'postgres' ? await openDatabase(place) : undefined;
  const [plain = 0, secure = 0] = await ports(2);
  write(archive, place, plain, secure, database);
  const control = new Control(place.dir);
  await reachable(secure, () => control.check());
  await control.evaluate('ejabberd_c2s:module_info(module)');
  const target = (port: number, tls: Target['tls']): Target => {
    return { host: '127.0.0.1', ports: [port], domain: DOMAIN, tls, mechanism: 'SCRAM-SHA-256' };
  };
  return {
    version: await version('ejabberd'),
    plain: target(plain, 'off'),
    secure: target(secure, 'direct'),
    pids: () => family(control.pid),
    accounts: (count, password, contacts) => accounts(control, count, password, contacts),
    ...(database && { database: () => family(database.pid) }),
    close: async () => {
      await control.close();
      await database?.stop();
    },
  };
}

/** A private PostgreSQL, set as that of the pool, with ejabberd's tables. */
async function openDatabase(place: Place): Promise<PostgresServer> {
  const directory = `${place.dir}/postgres`;
  const fresh = !existsSync(directory);
  const server = await openPostgresServer({ directory });
  if (fresh) {
    const { pathname } = new URL(server.url);
    await server.psql(readFileSync(`${SCHEMAS}/pg.sql`, 'utf8'), pathname.slice(1), 'muster');
  }
  return server;
}

function write(
  archive: Archive,
  place: Place,
  plain: number,
  secure: number,
  server: PostgresServer | undefined,
): void {
  const { dir, cert, key } = place;
  mkdirSync(`${dir}/db`, { recursive: true });
  writeFileSync(`${dir}/pair.pem`, readFileSync(cert, 'utf8') + readFileSync(key, 'utf8'));
  const database = `${dir}/archive.db`;
  const mam = {
    none: '',
    mnesia: '\n  mod_mam: {default: always, db_type: mnesia, assume_mam_usage: true}',
    sqlite: SQL,
    postgres: SQL,
  }[archive];
  if (archive === 'sqlite') schema(database);
  writeFileSync(
    `${dir}/ejabberd.yml`,
    `loglevel: warning
hosts: [${DOMAIN}]
certfiles: ["${dir}/pair.pem"]
listen:
  - {port: ${plain}, ip: "127.0.0.1", module: ejabberd_c2s, shaper: none, access: all, backlog: 1000}
  - {port: ${secure}, ip: "127.0.0.1", module: ejabberd_c2s, shaper: none, access: all, backlog: 1000, tls: true}
auth_method: internal
auth_password_format: scram
auth_scram_hash: sha256
${server ? shared(server) : archive === 'sqlite' ? `sql_type: sqlite\nsql_database: "${database}"` : ''}
modules:
  mod_disco: {}
  mod_ping: {}
  mod_version: {}
  mod_time: {}
  mod_roster: {versioning: true}
  mod_offline: {}
  mod_carboncopy: {}
  mod_stream_mgmt: {}${mam}
${ROOMS(archive !== 'none')}`,
  );
}

/** Rooms without any of the limits that would be measured in the place of the server. */
const ROOMS = (archived: boolean) => `  mod_muc:
    host: "conference.@HOST@"
    access: all
    access_create: all
    access_persistent: all
    max_users: 50000
    max_users_presence: 50000
    max_user_conferences: 10000
    min_message_interval: 0
    min_presence_interval: 0
    user_message_shaper: none
    user_presence_shaper: none
    room_shaper: none
    default_room_options: {max_users: 50000, mam: ${archived}}
`;

const SQL = '\n  mod_mam: {default: always, db_type: sql, assume_mam_usage: true}';

function shared(server: PostgresServer): string {
  const { hostname, port, username, password, pathname } = new URL(server.url);
  return `sql_type: pgsql
sql_server: "${hostname}"
sql_port: ${port}
sql_database: "${pathname.slice(1)}"
sql_username: "${username}"
sql_password: "${password}"`;
}

function schema(path: string): void {
  const database = new DatabaseSync(path);
  const known = database.prepare("SELECT count(*) AS n FROM sqlite_master WHERE name = 'archive'").get();
  if (known?.['n'] === 0) database.exec(readFileSync(`${SCHEMAS}/lite.sql`, 'utf8'));
  database.close();
}

/** An Erlang node that evaluates what it reads on standard input, and stops at its end (with this process). */
class Control {
  #process: Process;
  #answers: ((answer: string) => void)[] = [];

  constructor(dir: string) {
    const loop =
      'spawn(fun() -> L = fun F() -> case io:get_line("") of eof -> init:stop(); Line -> ' +
      '{ok, T, _} = erl_scan:string(Line), {ok, E} = erl_parse:parse_exprs(T), ' +
      'R = (catch element(2, erl_eval:exprs(E, []))), io:format("~n@@~0p~n", [R]), F() end end, L() end).';
    // The options of Debian's ejabberdctl and its defaults, less the distribution.
    const args = ['+K', 'true', '+P', '250000', '-env', 'ERL_CRASH_DUMP_BYTES', '0'];
    args.push('-mnesia', 'dir', `"${dir}/db"`, '-noshell', '-s', 'ejabberd', '-eval', loop);
    const env = {
      ERL_LIBS: LIBRARIES,
      ERL_MAX_PORTS: '32000',
      ERL_MAX_ETS_TABLES: '1400',
      HOME: dir,
      EJABBERD_CONFIG_PATH: `${dir}/ejabberd.yml`,
      EJABBERD_LOG_PATH: `${dir}/ejabberd.log`,
    };
    this.#process = new Process('erl', args, env, (line) => {
      if (line.startsWith('@@')) this.#answers.shift()?.(line.slice(2));
    });
  }

  get pid(): number {
    return this.#process.pid;
  }

  check(): void {
    this.#process.check();
  }

  async evaluate(code: string): Promise<string> {
    const answer = await new Promise<string>((resolve) => {
      this.#answers.push(resolve);
      this.#process.write(`${code.replaceAll('\n', ' ')}.`);
    });
    if (answer.startsWith("{'EXIT'")) throw new Error(`ejabberd: ${answer}`);
    return answer;
  }

  close(): Promise<void> {
    return this.#process.close(() => this.#process.write('init:stop().'));
  }
}

/**
 * The first account by registration, the others as copies of its row (so PBKDF2 runs once), contacts as the rows that
 * a completed mutual subscription leaves in `mod_roster`'s table.
 */
async function accounts(control: Control, count: number, password: string, contacts: number): Promise<void> {
  const name = (n: string) => `iolist_to_binary([<<"u">>, integer_to_list(${n})])`;
  await control.evaluate(`ok = ejabberd_auth:try_register(<<"u0">>, <<"${DOMAIN}">>, <<"${password}">>)`);
  await control.evaluate(
    `[R] = mnesia:dirty_match_object(mnesia:table_info(passwd, wild_pattern)),
     Rename = fun({U, D}, V) when is_binary(U) -> {V, D}; ({U, D, H}, V) when is_binary(U) -> {V, D, H} end,
     [ok = mnesia:dirty_write(setelement(2, R, Rename(element(2, R), ${name('N')}))) || N <- lists:seq(1, ${count - 1})],
     ok`,
  );
  if (contacts > 0) {
    const size = contacts + 1;
    await control.evaluate(
      `D = <<"${DOMAIN}">>,
       Row = fun(A, B) -> J = {B, D, <<>>},
         {roster, {A, D, J}, {A, D}, J, <<>>, both, none, [], <<>>, []} end,
       [[ok = mnesia:dirty_write(Row(${name('A')}, ${name('B')}))
         || B <- lists:seq(A - A rem ${size}, min(A - A rem ${size} + ${contacts}, ${count - 1})), B =/= A]
         || A <- lists:seq(0, ${count - 1})],
       ok`,
    );
  }
  await control.evaluate('mnesia:dump_log(), ok');
}
