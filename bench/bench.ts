import { parseArgs } from 'node:util';
import Table from 'cli-table3';
import { Arena, type Setup } from './arena.ts';
import { idle } from './idle.ts';
import { login } from './login.ts';
import { message } from './message.ts';
import { ejabberd } from './peers/ejabberd.ts';
import { floor } from './peers/floor.ts';
import { muster } from './peers/muster.ts';
import type { Peer } from './peers/peer.ts';
import { prosody } from './peers/prosody.ts';
import { record, scene } from './record.ts';
import { absolute, relative, type Report } from './table.ts';

const HELP = `npm run bench [-- NAME…] [options]

  NAME              message, idle, login (all of them where none is named)
  --peer PEER       ejabberd, prosody, or one variant as ejabberd/sqlite; repeatable; none = Muster alone;
                    floor = a bare relay, for messages only
  --alone           the peers without Muster
  --rounds N        rounds of each bench (5; with --quick 2)
  --quick           smaller and shorter: shows that all works, no figures to keep; nothing is recorded
  --help

Example: npm run bench -- message --peer ejabberd/none --peer ejabberd/sqlite --rounds 3
Needs Linux, and root where Debian's ejabberd and prosody are to be installed.
`;

const benches: Record<string, (setup: Setup) => Promise<Report>> = { message, idle, login };
const known: Peer[] = [
  muster,
  ...(['none', 'mnesia', 'sqlite'] as const).map(ejabberd),
  ...(['none', 'internal', 'sqlite'] as const).map(prosody),
  floor,
];

class Usage extends Error {}

function chosen(names: readonly string[], alone: boolean): Peer[] {
  const wanted = names.filter((name) => name !== 'none');
  for (const name of wanted) {
    if (!known.some((peer) => fits(peer, name))) throw new Usage(`no peer ${name}`);
  }
  const peers = known.filter((peer) => {
    if (peer === muster) return !alone;
    if (names.length === 0) return peer !== floor;
    return wanted.some((name) => fits(peer, name));
  });
  if (peers.length === 0) throw new Usage('nothing to measure');
  return peers;
}

function fits(peer: Peer, name: string): boolean {
  return peer !== muster && (peer.name === name || peer.product === name);
}

function print(report: Report): void {
  process.stdout.write(`\n${report.name}: ${report.title}\n`);
  for (const rows of [absolute(report), relative(report)]) {
    const [head, ...body] = rows;
    if (!head) continue;
    const colAligns = head.map((_, at) => (at === 0 ? 'left' : 'right') as 'left' | 'right');
    const table = new Table({ head, colAligns, style: { head: [], border: [], compact: true } });
    table.push(...body);
    process.stdout.write(`${table.toString()}\n`);
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
      rounds: { type: 'string' },
      quick: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return void process.stdout.write(HELP);
  const names = positionals.length > 0 ? positionals : Object.keys(benches);
  for (const name of names) if (!benches[name]) throw new Usage(`no bench ${name}`);
  const rounds = Number(values.rounds ?? (values.quick ? 2 : 5));
  if (!Number.isInteger(rounds) || rounds < 1) throw new Usage('--rounds takes a number from 1');
  const started = performance.now();
  await using arena = new Arena();
  // An interrupted run must not leave servers behind.
  const leave = () => void arena[Symbol.asyncDispose]().finally(() => process.exit(130));
  process.once('SIGINT', leave).once('SIGTERM', leave);
  const say = (text: string) => {
    const seconds = Math.round((performance.now() - started) / 1000);
    process.stderr.write(`[${String(seconds).padStart(4)} s] ${text}\n`);
  };
  const setup = { peers: chosen(values.peer, values.alone), rounds, quick: values.quick, arena, say };
  const where = scene(`npm run bench -- ${process.argv.slice(2).join(' ')}`.trim());
  const reports: Report[] = [];
  for (const name of names) {
    const report = await benches[name]?.(setup);
    if (!report) continue;
    reports.push(report);
    print(report);
    if (!values.quick) say(`recorded in ${record(where, reports)}`);
  }
}

try {
  await run();
} catch (error) {
  const usage = error instanceof Usage || (error as { code?: string }).code?.startsWith('ERR_PARSE_ARGS');
  process.stderr.write(usage ? `${(error as Error).message}\n\n${HELP}` : `${(error as Error).stack}\n`);
  process.exitCode = usage ? 2 : 1;
}
