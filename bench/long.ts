import { fileURLToPath } from 'node:url';
import type { Pool } from '../cluster/pool.ts';
import { random } from '../test/e2e/dice.ts';
import { broken, type Figures, figures } from '../test/faults/figures.ts';
import type { Mixed } from '../test/faults/mixed.ts';
import { type Row as Fault, rows as faults } from '../test/faults/rows.ts';
import type { Scenario } from '../test/faults/scenario.ts';
import { openStage, window } from '../test/faults/stage.ts';
import { settled, strike, type Struck } from '../test/faults/trial.ts';
import { longest } from '../test/faults/waits.ts';
import { age, type Aged, aged, days, type Pace as Written, rows } from './aged.ts';
import type { Setup } from './arena.ts';
import { capacity, limits, step, type Step } from './capacity.ts';
import type { Running } from './peers/peer.ts';
import { running } from './peers/pool.ts';
import { pause } from './proc.ts';
import { every, Samples } from './samples.ts';
import { percentile } from './stats.ts';
import type { Column, Report } from './table.ts';
import { grown, line, type Line, stretches, verdict, type Verdict } from './trend.ts';

/** Seconds from one fault to the next. */
const minute = 60;
/** The part of what the pool carries that people use. */
const share = 0.6;
/** Minutes in a row that come to nothing until the run ends. */
const patience = 3;
/** Seconds after a start in which a process is still getting to its size. */
const young = 60;
/** Growth in an hour, as a part of the whole, up to which something is flat. */
const allowed = 0.1;
/** The server that can be cut off: its links go through proxies, which are in this process. */
const cuttable = 'server3';

const tended = [
  'autovacuum_naptime = 10',
  'autovacuum_vacuum_scale_factor = 0.02',
  'autovacuum_vacuum_insert_scale_factor = 0.02',
  'autovacuum_analyze_scale_factor = 0.02',
] as const;

/** What breaks, in turn; each row has the promises of the table of faults. */
const table = faults.filter(({ promise }) => promise !== undefined);

const column = (key: string, title: string, digits = 0): Column => ({ key, title, digits, compare: false });

const columns: Column[] = [
  column('rate', 'messages a second'),
  column('p50', 'delivery p50 ms'),
  column('p99', 'delivery p99 ms, with the fault'),
  column('pause', 'longest pause ms'),
  column('lost', 'lost'),
  column('doubled', 'doubled'),
  column('disordered', 'out of order'),
  column('disconnected', 'disconnected, but by a mux crash'),
  column('wrong', 'presence wrong after 10 s'),
  column('failed', 'failed logins and pages, but while an engine is out'),
  column('unkept', 'promises not kept'),
  ...['server1', 'mux1'].flatMap((name) => [
    column(`${name} RSS MB`, `${name}: RSS MB`),
    column(`${name} heap MB`, `${name}: heap in use MB`),
    column(`${name} files`, `${name}: open files`),
    column(`${name} lag p99 ms`, `${name}: event loop lag p99 ms`),
  ]),
  column('nats1 RSS MB', 'nats1: RSS MB'),
  column('postgres private MB', 'PostgreSQL: private memory MB'),
  column('message rows', 'table message: rows'),
  column('message MB', 'table message: MB'),
  column('room_message rows', 'table room_message: rows'),
  column('room_message MB', 'table room_message: MB'),
  column('database MB', 'database MB'),
  column('WAL MB', 'WAL MB'),
  column('load generator CPU %', 'load generator, % of the machine'),
];

/** One minute of the run. */
interface Minute {
  readonly row: Fault;
  readonly figures: Figures;
  readonly broken: readonly string[];
  /** Messages said in a second, and the milliseconds to their arrival. */
  readonly rate: number;
  readonly p50: number;
  readonly p99: number;
  /** It was not broken off. */
  readonly whole: boolean;
}

/** An hour at 60 % of what a pool carries, with a fault each minute: does anything grow, is anything lost? */
export async function long(setup: Setup): Promise<Report> {
  const minutes = setup.minutes ?? (setup.quick ? 2 : 60);
  const people = setup.people ?? (setup.quick ? 12 : 30);
  setup.say(`long: a pool of 3 servers and 2 muxes starts, ${people} people`);
  const stage = await openStage(0, {
    cut: 'proxies',
    cuttable: [cuttable],
    set: [`limits.retention=${days.text}`],
    node: ['--import', fileURLToPath(new URL('hasten.ts', import.meta.url))],
  });
  const server = setup.arena.keep({
    ...running(stage.pool),
    close: async () => stage[Symbol.asyncDispose](),
  });
  try {
    return await measure(setup, stage.pool, server, await stage.mixed(people), minutes, people);
  } finally {
    await setup.arena.stop(server);
  }
}

async function measure(
  setup: Setup,
  pool: Pool,
  server: Running,
  load: Mixed,
  minutes: number,
  people: number,
): Promise<Report> {
  let samples: Samples | undefined;
  const all: Minute[] = [];
  try {
    await tend(pool);
    await load.start();
    const pace = await found(setup, server, load);
    const before = await rows(pool);
    await pause(10_000);
    const after = await rows(pool);
    const each = {
      messages: (after.messages - before.messages) / 10,
      rooms: (after.rooms - before.rooms) / 10,
    };
    const old = await age(pool, each, minutes * minute + 120);
    setup.say(`long: ${old.texts + old.stubs} rows of old archives, ${minutes} minutes begin`);
    await load.settled(window);
    samples = new Samples(pool);
    samples.begin();
    await faulty(setup, pool, load, minutes, samples, all);
    await samples.end();
    const archives = { each, old, left: await aged(pool) };
    return report(server, pace, archives, all, samples, people);
  } finally {
    await samples?.end();
    await load.close();
  }
}

/** What is asked of the pool, and from where that is known. */
interface Pace {
  readonly chosen: Step;
  /** Up to the limit; none where the load was told. */
  readonly steps: readonly Step[];
}

/** Leaves people at the pace of the run. */
async function found(setup: Setup, server: Running, load: Mixed): Promise<Pace> {
  const told = (one: Step) => setup.say(`long: ${saidOf(one)}`);
  if (setup.rate !== undefined) {
    const first = await step(server, load, 1, window);
    const chosen = await step(server, load, setup.rate / first.rate, window);
    told(chosen);
    return { chosen, steps: [] };
  }
  const steps = await capacity(server, load, window, told);
  const most = steps.at(-2)!;
  const chosen = await step(server, load, most.factor * share, window);
  told(chosen);
  return { chosen, steps };
}

/** A fault each minute; where one takes longer, the next one follows at once. */
async function faulty(
  setup: Setup,
  pool: Pool,
  load: Mixed,
  minutes: number,
  samples: Samples,
  all: Minute[],
): Promise<void> {
  const dice = random(1);
  const began = performance.now();
  for (let n = 0, failed = 0; n < minutes && failed < patience; n++) {
    const row = table[n % table.length]!;
    const scenario = row.scenarios[Math.floor(n / table.length) % row.scenarios.length]!;
    await pause(Math.max(0, began + n * minute * 1000 - performance.now()));
    const one = await once(pool, load, row, scenario, dice);
    failed = one.whole ? 0 : failed + 1;
    all.push(one);
    setup.say(
      `long: minute ${n + 1} of ${minutes}, ${row.name}: ${one.rate.toFixed(0)} messages a second, ` +
        `delivery p99 ${one.p99.toFixed(0)} ms, longest pause ${one.figures.pause.max.toFixed(0)} ms; ` +
        `${one.broken.length === 0 ? 'kept' : `NOT KEPT: ${[...one.broken, ...one.figures.examples].slice(0, 5).join('; ')}`}; ` +
        ['server1 RSS MB', 'mux1 RSS MB', 'load generator RSS MB', 'message MB', 'message rows']
          .map((name) => `${name} ${samples.last(name).toFixed(0)}`)
          .join(', '),
    );
  }
}

/** One fault, and then what people said since the last one: all of it is checked, and forgotten. */
async function once(
  pool: Pool,
  load: Mixed,
  row: Fault,
  scenario: Scenario,
  dice: () => number,
): Promise<Minute> {
  const wrong: string[] = [];
  let struck: Struck | undefined;
  try {
    const before = row.bounds.stays === true ? await settled(pool) : new Map<string, number>();
    struck = await strike(pool, load, row, scenario, { random: dice, before, victims: victims(pool, row) });
    // What asks whether somebody is in a room may be answered by nobody while that room moves.
    await settled(pool);
  } catch (error) {
    wrong.push(`broken off: ${(error as Error).message}`);
  }
  const { since } = load;
  const { found: other, messages, tally, arrivals, errands } = await load.settled(window);
  const seconds = (load.since - since) / 1000;
  const of = figures({
    rounds: struck === undefined ? [] : [struck.round],
    tally,
    arrivals: struck === undefined ? [] : longest(arrivals, struck.window),
    errands,
    found: [...wrong, ...other],
    engine: struck?.engine === true,
  });
  const waits = arrivals.map(({ said: at, came }) => came - at);
  return {
    row,
    figures: of,
    broken: broken(row, of),
    rate: messages / seconds,
    p50: percentile(waits, 50),
    p99: percentile(waits, 99),
    whole: struck !== undefined,
  };
}

/** One server and one mux are never hit, so that there is something old to look at; a single server can be cut off. */
function victims(pool: Pool, row: Fault): Pool {
  const servers =
    row.cuts === true ? pool.servers.filter(({ name }) => name === cuttable) : pool.servers.slice(1);
  return { ...pool, servers, muxes: pool.muxes.slice(1) };
}

/**
 * Has PostgreSQL clean up after two hundredths of a table have changed, not a fifth. It forgets how much has changed when
 * it is killed, which happens here every few minutes. The standby has it from its primary.
 */
async function tend({ postgres: { primary } }: Pool): Promise<void> {
  for (const setting of tended) await primary.psql(`alter system set ${setting}`);
  await primary.psql('select pg_reload_conf()');
}

function report(
  server: Running,
  { chosen, steps }: Pace,
  { each, old, left }: { each: Written; old: Aged; left: Aged },
  all: readonly Minute[],
  samples: Samples,
  people: number,
): Report {
  const list = (of: (one: Minute) => number) => all.map(of);
  const count = (of: (one: Figures) => number) => list(({ figures: one }) => of(one));
  const errs = ({ row, figures: { logins, pages } }: Minute) =>
    row.bounds.errs === true ? 0 : logins.failed + pages.failed;
  const cut = ({ row, figures: of }: Minute) => (row.bounds.disconnects === true ? 0 : of.disconnected);
  const taken = [...samples.series].map(([name, points]) => [
    name,
    stretches(points, minute).map(({ value }) => Math.round(value * 100) / 100),
  ]);
  const trends = judged(samples);
  const which = (verdict: Verdict) => trends.filter((one) => one.verdict === verdict);
  const notes = [
    `${people} people: half of them write to each other, half talk in two rooms; three clients log in, read pages of archives, log out, and begin again (test/faults). What was said is checked after each fault, in both archives too, and the talk rests for that`,
    ...(steps.length === 0
      ? [`the load was told: ${saidOf(chosen)}`]
      : [
          `100 %: ${saidOf(steps.at(-2)!)}; the next step was too much (p99 above ${limits.p99} ms, ${limits.busy * 100} % of the machine in use, less said than meant, or something wrong): ${saidOf(steps.at(-1)!)}`,
          `the run, at ${share * 100} %: ${saidOf(chosen)}`,
        ]),
    `a fault each minute, in turn: ${table.map(({ name }) => name).join(', ')}; server1 and mux1 are never hit; only ${cuttable} is frozen or cut off`,
    `retention: ${days.text} day, a round each minute instead of each six hours (hasten.ts). Archives begin with ${old.texts} texts and ${old.stubs} stubs, of which in each second as many grow too old as are written: ${each.messages.toFixed(0)} of accounts, ${each.rooms.toFixed(0)} of rooms; texts of ${days.text} day, stubs of ${days.stub} days. It emptied ${old.texts - left.texts} texts and removed ${old.stubs + old.texts - left.texts - left.stubs} stubs`,
    `PostgreSQL: ${tended.join(', ')}`,
    `a sample each ${every} s, ${samples.missed} of them in which something did not answer. Growth: least squares through the means of each minute of the second half, ± two standard errors; of processes that were started meanwhile without their first ${young} s. Grows or flat: beyond or below ${allowed * 100} % an hour with both errors, else unclear`,
    `flat: ${which('flat').length} of ${trends.length} series; unclear: ${which('unclear').map(told).join('; ') || 'none'}; grows: ${which('grows').map(told).join('; ') || 'none'}`,
    ...table.flatMap((row) => {
      const of = all.filter((one) => one.row === row);
      if (of.length === 0) return [];
      const kept = of.filter(({ broken: what }) => what.length === 0).length;
      const pauses = of.map(({ figures: { pause: each } }) => each.max);
      return [
        `${row.name}: promises kept in ${kept} of ${of.length}; longest pause, median ${percentile(pauses, 50).toFixed(0)} ms, max ${Math.max(...pauses).toFixed(0)} ms`,
      ];
    }),
    ...all.flatMap(({ row, broken: what, figures: { examples } }, n) =>
      what.length === 0
        ? []
        : [`not kept, minute ${n + 1}, ${row.name}: ${[...what, ...examples].join('; ')}`],
    ),
    ...which('flat').map(told),
  ];
  const figuresOf = {
    rate: list(({ rate }) => rate),
    p50: list(({ p50 }) => p50),
    p99: list(({ p99 }) => p99),
    pause: count(({ pause: each }) => each.max),
    lost: count(({ lost }) => lost),
    doubled: count(({ doubled }) => doubled),
    disordered: count(({ disordered }) => disordered),
    disconnected: list(cut),
    wrong: count(({ wrong }) => wrong),
    failed: list(errs),
    unkept: list(({ broken: what }) => what.length),
    ...(Object.fromEntries(taken) as Record<string, number[]>),
  };
  const conditions = `3 servers, 2 muxes, 3 NATS nodes with TLS, PostgreSQL with a synchronous standby, ${all.length} minutes, one value a minute`;
  const row = { name: 'muster-pool', version: server.version, conditions, figures: figuresOf };
  const title = `${all.length} minutes at ${chosen.rate.toFixed(0)} messages a second, a fault each minute`;
  return { name: 'long', title, columns, rows: [row], notes };
}

interface Trend extends Line {
  readonly name: string;
  readonly verdict: Verdict;
}

/** What must not grow, beside what changes by itself: shares of the machine, and what PostgreSQL guesses of its tables. */
function judged(samples: Samples): Trend[] {
  const half = samples.now / 2;
  return [...samples.series].flatMap(([name, points]) => {
    if (/ (CPU %|live|dead)$/.test(name)) return [];
    const late = stretches(
      grown(points, young).filter(({ at }) => at >= half),
      minute,
    );
    if (late.length < 2) return [];
    const of = line(late);
    return [{ name, ...of, verdict: verdict(of, Math.max(allowed * of.mean, least(name))) }];
  });
}

/** A growth in an hour that nobody would call one, however small the thing is. */
function least(name: string): number {
  if (name.endsWith(' rows')) return 1000;
  return /^(server|mux|nats|postgres|standby|load)/.test(name) ? 5 : 2;
}

function told({ name, mean, slope, error }: Trend): string {
  return `${name}: ${mean.toFixed(1)}, ${slope < 0 ? '−' : '+'}${Math.abs(slope).toFixed(1)} ± ${(2 * error).toFixed(1)} an hour`;
}

function saidOf({ rate, p50, p99, pool, generator, wrong }: Step): string {
  const percent = (part: number) => `${(100 * part).toFixed(0)} %`;
  return `${rate.toFixed(0)} messages a second, delivery p50 ${p50.toFixed(0)} ms, p99 ${p99.toFixed(0)} ms; of the machine: pool with engines ${percent(pool)}, load generator ${percent(generator)}${wrong.length === 0 ? '' : `; WRONG: ${wrong.slice(0, 5).join('; ')}`}`;
}
