import { readdirSync, readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import type { Part, Pool } from '../cluster/pool.ts';
import { cpu, family, pause } from './proc.ts';
import { scrape } from './scrape.ts';
import type { Point } from './trend.ts';

/** Seconds between two samples, and how many of them until rows are counted one by one. */
export const every = 10;
const counted = 6;
/** Milliseconds for which a process may keep its answer; one that hangs does. */
const patience = 3000;

const MB = 2 ** 20;

const sizes = `select relname, pg_total_relation_size(relid), n_live_tup, n_dead_tup from pg_stat_user_tables
  union all select 'WAL', sum(size), 0, 0 from pg_ls_waldir()
  union all select 'database', pg_database_size('muster'), 0, 0`;

/** What the processes and tables of a pool take, again and again; one series for each figure, by name. */
export class Samples {
  readonly series = new Map<string, Point[]>();
  /** Samples in which something did not answer. */
  missed = 0;
  readonly #pool: Pool;
  readonly #began = performance.now();
  readonly #spent = new Map<string, { pids: string; cpu: number; at: number }>();
  #stop = false;
  #running: Promise<void> = Promise.resolve();
  #tables: string[] = [];

  constructor(pool: Pool) {
    this.#pool = pool;
  }

  /** Seconds since it was made. */
  get now(): number {
    return (performance.now() - this.#began) / 1000;
  }

  begin(): void {
    this.#running = this.#run();
  }

  async end(): Promise<void> {
    this.#stop = true;
    await this.#running;
  }

  /** The newest value of a series; NaN where there is none. */
  last(name: string): number {
    return this.series.get(name)?.at(-1)?.value ?? Number.NaN;
  }

  async #run(): Promise<void> {
    for (let n = 0; !this.#stop; n++) {
      const due = this.#began + n * every * 1000;
      while (!this.#stop && performance.now() < due) await pause(100);
      if (this.#stop) return;
      await this.#take(n % counted === 0);
    }
  }

  async #take(count: boolean): Promise<void> {
    const { servers, muxes, nats } = this.#pool;
    const nodes = nats.nodes.map(({ pid }, n) => this.#process(`nats${n + 1}`, pid));
    const results = await Promise.allSettled([
      ...[...servers, ...muxes].map((part) => this.#part(part)),
      ...nodes,
      this.#database(count),
    ]);
    if (results.some(({ status }) => status === 'rejected')) this.missed++;
    this.#add('load generator RSS MB', process.memoryUsage.rss() / MB);
    this.#add('load generator files', files(process.pid));
    const { user, system } = process.cpuUsage();
    this.#share('load generator', String(process.pid), (user + system) / 1e6);
  }

  async #part(part: Part): Promise<void> {
    const { worker } = part;
    await this.#process(part.name, worker);
    const lines = ['nodejs_heap_size_used_bytes', 'nodejs_eventloop_lag_p99_seconds'];
    const answer = await Promise.race([scrape([part], ...lines), pause(patience).then(() => undefined)]);
    if (answer === undefined || part.worker !== worker) throw new Error(`${part.name} does not answer`);
    const [heap = 0, lag = 0] = answer;
    this.#add(`${part.name} heap MB`, heap / MB, worker);
    this.#add(`${part.name} lag p99 ms`, lag * 1000, worker);
  }

  async #process(name: string, pid: number | undefined): Promise<void> {
    if (pid === undefined) throw new Error(`${name} does not run`);
    this.#add(`${name} RSS MB`, resident(pid, 'VmRSS') / 1024, pid);
    this.#add(`${name} files`, files(pid), pid);
    this.#share(name, String(pid), cpu([pid]));
  }

  /** Of PostgreSQL's processes what they have for themselves: all of them share the buffers. */
  async #database(count: boolean): Promise<void> {
    const { primary, standby } = this.#pool.postgres;
    for (const [name, one] of Object.entries({ postgres: primary, standby })) {
      if (one?.running !== true) continue;
      const { pid } = one;
      const all = family(pid);
      this.#add(
        `${name} private MB`,
        all.reduce((sum, each) => sum + resident(each, 'RssAnon'), 0) / 1024,
        pid,
      );
      this.#add(
        `${name} files`,
        all.reduce((sum, each) => sum + files(each), 0),
        pid,
      );
      this.#share(name, String(pid), cpu(all));
    }
    const told = await primary.psql(sizes, 'muster');
    for (const text of told.trim().split('\n')) {
      const [table = '', bytes, live, dead] = text.split('|');
      this.#add(`${table} MB`, Number(bytes) / MB);
      if (['WAL', 'database'].includes(table)) continue;
      this.#add(`${table} live`, Number(live));
      this.#add(`${table} dead`, Number(dead));
      if (!this.#tables.includes(table)) this.#tables.push(table);
    }
    if (!count) return;
    const each = this.#tables.map((table) => `select '${table}', count(*) from "${table}"`);
    const rows = await primary.psql(each.join(' union all '), 'muster');
    for (const text of rows.trim().split('\n')) {
      const [table = '', number] = text.split('|');
      this.#add(`${table} rows`, Number(number));
    }
  }

  /** The share of the machine since the last sample. */
  #share(name: string, pids: string, spent: number): void {
    const at = performance.now() / 1000;
    const last = this.#spent.get(name);
    this.#spent.set(name, { pids, cpu: spent, at });
    // Of a process that ended before its parent had asked how it was, the count is gone.
    if (last?.pids !== pids || spent < last.cpu) return;
    this.#add(`${name} CPU %`, (100 * (spent - last.cpu)) / (at - last.at) / cpus().length);
  }

  #add(name: string, value: number, of?: number): void {
    const list = this.series.get(name) ?? [];
    this.series.set(name, list);
    list.push({ at: this.now, value, of });
  }
}

function resident(pid: number, kind: 'VmRSS' | 'RssAnon'): number {
  try {
    const text = readFileSync(`/proc/${pid}/status`, 'latin1');
    return Number(new RegExp(`^${kind}:\\s+(\\d+)`, 'm').exec(text)?.[1] ?? 0);
  } catch {
    return 0; // it has ended
  }
}

function files(pid: number): number {
  try {
    return readdirSync(`/proc/${pid}/fd`).length;
  } catch {
    return 0;
  }
}
