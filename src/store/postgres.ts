import { readFileSync } from 'node:fs';
import { Socket } from 'node:net';
import type { Writable } from 'node:stream';
import pg from 'pg';
import type { Clock } from '../base/clock.ts';
import { Failure } from '../base/failure.ts';
import { fixed } from '../base/fixed.ts';
import type { Log } from '../base/log.ts';
import type { Random } from '../base/random.ts';
import { textOf } from './blame.ts';
import { migrateShared } from './dialect.ts';
import { Hosts, parseAddress, type Address, type Host } from './hosts.ts';
import { Crash, Line, type Session } from './line.ts';
import { applicationName, Pooled } from './pooled.ts';
import type { Value } from './store.ts';
import { Wire } from './wire.ts';

export interface PostgresOptions {
  /** See `parseAddress`. */
  readonly url: string;
  /** The server that opens it and this start of it, `name/incarnation`: `application_name`, and the owner of its lanes. */
  readonly owner: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly random: Random;
}

/** The oldest version that is known to do all of this, as `server_version_num`. */
const OLDEST = 150_000;

/**
 * Opens the store that the servers of a pool share: finds the primary, brings the schema up to date (or waits for the
 * server that does), then serves. Rejects with `Failure('store-address')`, `'store-unsupported'`, `'store-newer'` or
 * `'store-unavailable'`.
 */
export async function openPostgres(options: PostgresOptions): Promise<Pooled> {
  const { clock, log, random } = options;
  const address = parseAddress(options.url);
  const tls = secure(address);
  const { owner } = options;
  const hosts = new Hosts<Session>(address.hosts, (host) => dial(host, address, tls, owner, clock), log);
  const rest = new Line(hosts, clock, fixed.queryQueue.value);
  try {
    const steps = await rest.run(
      fixed.migrateTime.value,
      (session) => migrated(session, clock, random),
      true,
    );
    if (steps > 0) log.info({ steps, hosts: hosts.names }, 'the schema of the store was brought up to date');
  } catch (error) {
    await rest.close();
    if (error instanceof Failure) throw error;
    throw new Failure(
      'store-unavailable',
      `the database at ${hosts.names} cannot be used: ${textOf(error)}`,
      error,
    );
  }
  return new Pooled({ hosts, rest, owner, clock, log });
}

async function migrated(session: Session, clock: Clock, random: Random): Promise<number> {
  await session.query('begin');
  try {
    const steps = await migrateShared((text, params) => session.query(text, params), clock.now(), random);
    await session.query('commit');
    return steps;
  } catch (error) {
    session.destroy('the schema could not be brought up to date');
    throw error;
  }
}

function secure({ tls }: Address): false | { ca?: string } {
  if (tls === 'off') return false;
  if (tls.ca === undefined) return {};
  try {
    return { ca: readFileSync(tls.ca, 'utf8') };
  } catch (error) {
    throw new Failure('store-address', `store: the file of authorities cannot be read: ${tls.ca}`, error);
  }
}

/** Connects to one host. Rejects where it is not there in time, is no primary, or is too old. */
async function dial(
  { host, port }: Host,
  { user, password, database }: Address,
  tls: false | { ca?: string },
  owner: string,
  clock: Clock,
): Promise<Session> {
  const socket = new Socket();
  const client = new pg.Client({
    host,
    port,
    user,
    password,
    database,
    ssl: tls,
    stream: () => socket,
    application_name: applicationName(owner),
    // Ends a transaction whose client says nothing between two statements (in ms); see `flight.ts` for within a flight.
    idle_in_transaction_session_timeout: 2000,
    keepAlive: true,
    keepAliveInitialDelayMillis: 5000,
  });
  const session = new Connection(client, socket);
  const timer = clock.after(fixed.connectTime.value, () => session.destroy('did not answer in time'));
  try {
    await client.connect();
    const [state] = await session.query<{ standby: number; version: number }>(setUp);
    if (state!.version < OLDEST) {
      throw new Failure(
        'store-unsupported',
        `PostgreSQL ${Math.floor(state!.version / 10_000)} at ${host}: at least 15 is needed`,
      );
    }
    if (state!.standby !== 0) throw new Error('is a standby or read-only');
    // The server looks each second whether we are still there, also while it works or waits for a lock: what a lost
    // process had begun ends soon. Only where the server's system can; a commit that waits for a standby is not touched.
    await session.query('set client_connection_check_interval = 1000').catch(() => {});
    return session;
  } catch (error) {
    session.destroy('is not used');
    if (error instanceof Failure) throw error;
    throw new Error(textOf(error), { cause: error });
  } finally {
    timer.cancel();
  }
}

/**
 * What a connection asks first, and what it insists on: the fence needs `read committed` (a row that was locked is read
 * again), and a commit that is acknowledged before it is on disk is none. A stricter `synchronous_commit` stays.
 */
const setUp = `select pg_is_in_recovery() or current_setting('transaction_read_only') = 'on' as standby,
  cast(current_setting('server_version_num') as bigint) as version,
  set_config('default_transaction_isolation', 'read committed', false),
  case current_setting('synchronous_commit') when 'off' then set_config('synchronous_commit', 'on', false) end`;

/** Numbers below 2^53 as numbers, truth as 0 and 1: as the other engine gives them. */
const types = {
  getTypeParser(oid: number, format?: 'text' | 'binary'): (text: never) => unknown {
    if (oid === 20 || oid === 1700) return Number;
    if (oid === 16) return (text: string) => (text === 't' ? 1 : 0);
    return pg.types.getTypeParser(oid, format as 'text') as (text: never) => unknown;
  },
};

class Connection implements Session {
  readonly #client: pg.Client;
  readonly #socket: Socket;
  readonly #prepared = new Set<string>();
  #broken = false;
  /** An admonition of the server since the last flight began: see `fly`. */
  #warned = false;

  constructor(client: pg.Client, socket: Socket) {
    this.#client = client;
    this.#socket = socket;
    client.on('error', () => (this.#broken = true));
    client.on('end', () => (this.#broken = true));
    client.on('notice', (notice) => (this.#warned ||= notice.severity === 'WARNING'));
  }

  get pid(): number {
    return (this.#client as unknown as { processID: number }).processID;
  }

  get broken(): boolean {
    return this.#broken;
  }

  async query<Row extends object>(
    text: string,
    params: readonly Value[] = [],
    name?: string,
  ): Promise<Row[]> {
    const values = params as Value[];
    const { rows } = await this.#client.query<Row>({
      text,
      values,
      types,
      ...(name !== undefined && { name }),
    });
    return rows;
  }

  async prepare(name: string, text: string): Promise<void> {
    if (this.#prepared.has(name)) return;
    await this.#send(new Wire().parse(name, text).sync().take());
    this.#prepared.add(name);
  }

  async fly(bytes: Buffer): Promise<number[]> {
    this.#warned = false;
    const counts = await this.#send(bytes);
    // "The transaction has already committed locally, but might not have been replicated": an administrator cancelled the
    // wait for the standby. Whoever asks on a new transaction waits for the standby with that one.
    if (this.#warned) throw new Crash(new Error('the server warned during a commit'), counts.length, true);
    return counts;
  }

  destroy(why: string): void {
    this.#broken = true;
    this.#socket.destroy(new Error(why));
  }

  async close(): Promise<void> {
    if (this.#broken) return;
    this.#broken = true;
    const closed = new Promise((resolve) => this.#socket.once('close', resolve));
    // A farewell that no answer is waited for: the host may hang.
    void this.#client.end();
    this.#socket.destroySoon();
    await closed;
  }

  #send(bytes: Buffer): Promise<number[]> {
    return new Promise((resolve, reject) => {
      this.#client.query(new Cargo(bytes, resolve, reject) as unknown as pg.Submittable);
    });
  }
}

/**
 * Messages that are already written, at the driver's extension point (`submit`). Up to the Sync the driver hands us every
 * answer; behind an error it waits for the server to be ready by itself.
 */
class Cargo {
  #bytes: Buffer;
  #counts: number[] = [];
  #sent = false;
  #resolve: (counts: number[]) => void;
  #reject: (error: Crash) => void;

  constructor(bytes: Buffer, resolve: (counts: number[]) => void, reject: (error: Crash) => void) {
    this.#bytes = bytes;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  submit(connection: { readonly stream: Writable }): void {
    this.#sent = true;
    connection.stream.write(this.#bytes);
  }

  /** `INSERT 0 1`, `UPDATE 3`: the last number. */
  handleCommandComplete({ text }: { readonly text: string }): void {
    this.#counts.push(Number(text.slice(text.lastIndexOf(' ') + 1)));
  }

  handleError(error: unknown): void {
    this.#reject(new Crash(error, this.#counts.length, this.#sent));
  }

  handleReadyForQuery(): void {
    this.#resolve(this.#counts);
  }

  handleDataRow(): void {}
  handleRowDescription(): void {}
  handleEmptyQuery(): void {}
  handlePortalSuspended(): void {}
}
