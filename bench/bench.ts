import { parseArgs } from 'node:util';
import Table from 'cli-table3';
import { Arena, hows, type How } from './arena.ts';
import { ejabberd } from './peers/ejabberd.ts';
import { floor } from './peers/floor.ts';
import { muster, musterBefore } from './peers/muster.ts';
import type { Peer } from './peers/peer.ts';
import { pool, type Shape } from './peers/pool.ts';
import { prosody } from './peers/prosody.ts';
import { record, scene } from './record.ts';
import { publish } from './results.ts';
import { listed, named, suite, type Bench } from './suite.ts';
import { absolute, OURS, relative, type Report } from './table.ts';

const HELP = `npm run bench [-- NAME…] [options]

  NAME              one or more of \`npm run bench -- list\`; where none is named, those with a star
  list              what there is, beside whom, how long it takes
  page              writes bench/RESULTS.md anew from bench/results/
  --peer PEER       ejabberd, prosody, or one variant as ejabberd/sqlite; muster-pool; repeatable;
                    none = Muster alone;
                    floor = a bare relay, for messages and rooms
  --alone           the peers without standalone Muster
  --before DIR      also the build of another clone, as muster/before, in the same rounds;
                    kill --how upgrade: the build from which the pool is upgraded;
                    profile: beside this one, in the same rounds
  --servers N       accounts servers of the pool (3; profile: 2)
  --muxes M         its muxes (2; storm: 3; crowd, profile: 1)
  --how HOW         kill: what happens to a server: kill (default), sigstop, drain; or to all in turn: roll, upgrade
  --people N        large, joins, city, long: how many; room: the size of the only room
  --rounds N        rounds of each bench (5; kill: 20; with --quick 2)
  --minutes N       long: how long (60; with --quick 2)
  --rate N          long: messages a second, instead of 60 % of what the pool carries
  --quick           smaller and shorter: shows that all works, no figures to keep; nothing is recorded
  --help

Examples:
  npm run bench -- message --peer ejabberd/none --peer ejabberd/sqlite --rounds 3
  npm run bench -- message --alone --peer muster-pool --peer ejabberd/postgres --peer ejabberd/none
  npm run bench -- kill --how sigstop --rounds 5
Needs Linux, and root where Debian's ejabberd and prosody are to be installed.
`;

class Usage extends Error {}

function whole(option: string, text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new Usage(`${option} takes a number from 1`);
  return value;
}

function wholeOr(option: string, text: string | undefined): number | undefined {
  return text === undefined ? undefined : whole(option, text);
}

function chosen(names: readonly string[], alone: boolean, shape: Shape, before: string | undefined): Peer[] {
  const known: Peer[] = [
    muster,
    pool(shape),
    ...(['none', 'mnesia', 'sqlite', 'postgres'] as const).map(ejabberd),
    ...(['none', 'internal', 'sqlite'] as const).map(prosody),
    floor,
  ];
  const wanted = names.filter((name) => name !== 'none');
  for (const name of wanted) {
    if (!known.some((peer) => fits(peer, name))) throw new Usage(`no peer ${name}`);
  }
  const peers = known.filter((peer) => {
    if (peer === muster) return !alone;
    if (names.length === 0) return peer !== floor;
    return wanted.some((name) => fits(peer, name));
  });
  if (before !== undefined) peers.push(musterBefore(before));
  if (peers.length === 0) throw new Usage('nothing to measure');
  return peers;
}

function fits(peer: Peer, name: string): boolean {
  return peer !== muster && (peer.name === name || peer.product === name);
}

/** `words`: how many columns, from the left, are no figures. */
function draw([head = [], ...body]: readonly string[][], words = 1): void {
  const colAligns = head.map((_, at) => (at < words ? 'left' : 'right') as 'left' | 'right');
  const table = new Table({ head, colAligns, style: { head: [], border: [], compact: true } });
  table.push(...body);
  process.stdout.write(`${table.toString()}\n`);
}

function print(report: Report): void {
  process.stdout.write(`\n${report.name}: ${report.title}\n`);
  for (const rows of [absolute(report), ...OURS.map((ours) => relative(report, ours))]) {
    if (rows.length > 0) draw(rows);
  }
  for (const row of report.rows) process.stdout.write(`  ${row.name} ${row.version}: ${row.conditions}\n`);
  for (const note of report.notes) process.stdout.write(`  ${note}\n`);
}

async function run(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      peer: { type: 'string', multiple: true, default: [] },
      alone: { type: 'boolean', default: false },
      before: { type: 'string' },
      rounds: { type: 'string' },
      people: { type: 'string' },
      minutes: { type: 'string' },
      rate: { type: 'string' },
      servers: { type: 'string' },
      muxes: { type: 'string' },
      how: { type: 'string', default: 'kill' },
      quick: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return void process.stdout.write(HELP);
  if (positionals[0] === 'list') return draw(listed(), 3);
  if (positionals[0] === 'page') return void process.stdout.write(`${publish()}\n`);
  const benches: readonly Bench[] =
    positionals.length === 0
      ? suite.filter(({ usual }) => usual === true)
      : positionals.map((name) => {
          const bench = named.get(name);
          if (bench === undefined) throw new Usage(`no bench ${name}`);
          return bench;
        });
  const rounds = (bench: Bench) =>
    whole('--rounds', values.rounds ?? String(values.quick ? 2 : bench.rounds));
  const shape = (bench: Bench): Shape => {
    const { servers = String(bench.servers ?? 3), muxes = String(bench.muxes ?? 2) } = values;
    return { servers: whole('--servers', servers), muxes: whole('--muxes', muxes) };
  };
  const how = values.how as How;
  if (how === 'upgrade' && values.before === undefined) throw new Usage('--how upgrade takes --before DIR');
  if (!hows.includes(how)) throw new Usage(`--how takes one of ${hows.join(', ')}`);
  const started = performance.now();
  await using arena = new Arena();
  // An interrupted run must not leave servers behind.
  const leave = () => void arena[Symbol.asyncDispose]().finally(() => process.exit(130));
  process.once('SIGINT', leave).once('SIGTERM', leave);
  const say = (text: string) => {
    const seconds = Math.round((performance.now() - started) / 1000);
    process.stderr.write(`[${String(seconds).padStart(4)} s] ${text}\n`);
  };
  const where = scene(`npm run bench -- ${process.argv.slice(2).join(' ')}`.trim());
  const reports: Report[] = [];
  for (const bench of benches) {
    const wanted = values.peer.length > 0 ? values.peer : (bench.beside ?? []);
    const peers = bench.pool ? [] : chosen(wanted, values.alone, shape(bench), values.before);
    const report = await bench.run({
      peers,
      rounds: rounds(bench),
      quick: values.quick,
      people: wholeOr('--people', values.people),
      minutes: wholeOr('--minutes', values.minutes),
      rate: wholeOr('--rate', values.rate),
      arena,
      shape: shape(bench),
      how,
      before: values.before,
      say,
    });
    reports.push(report);
    print(report);
    if (!values.quick) say(`recorded in ${record(where, reports)} and ${publish()}`);
  }
}

try {
  await run();
} catch (error) {
  const { code } = error as { code?: unknown }; // of a command that failed it is a number
  const usage = error instanceof Usage || String(code).startsWith('ERR_PARSE_ARGS');
  process.stderr.write(usage ? `${(error as Error).message}\n\n${HELP}` : `${(error as Error).stack}\n`);
  // At once: a generator that was left in the middle of something would keep us.
  process.exit(usage ? 2 : 1);
}
