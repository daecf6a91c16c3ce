import { parseArgs } from 'node:util';
import { scene } from '../../bench/record.ts';
import { installPackages } from '../../cluster/packages.ts';
import { enclosed } from './enclosed.ts';
import { broken, type Figures, seconds } from './figures.ts';
import { publish } from './page.ts';
import { minutes, Progress } from './progress.ts';
import { named, type Row } from './rows.ts';
import { openStage, type Stage } from './stage.ts';
import { trial } from './trial.ts';
import { versions } from './versions.ts';

const help = `npm run faults [-- options]

  --only TEXT      the row of this name, or those with this in their names (default: all)
  --rounds N       rounds of each row (30)
  --people N       people in the pool, from 8 (30)
  --seed N         who is hit, and in which order
  --cut proxies    servers are cut off in proxies, even where packets can be lost
  --list           the rows with what they promise
  --help

Breaks a pool under load and writes docs/faults.md and bench/results/faults.json after each row, so that a row that is
over stays when the run is stopped. A run with fewer rounds than what is written there replaces nothing. Exit code 1
where a promise was not kept. Needs Linux, and root where Debian's postgresql and nats-server are to be installed.
`;

class Usage extends Error {}

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** What has to be cleared away when the run is stopped, and the clearing. */
let stage: Stage | undefined;
let leaving: Promise<never> | undefined;

/** `npm run faults`: the table of faults (DESIGN §4), measured. Returns the exit code. */
async function run(): Promise<number> {
  const { values } = parseArgs({
    options: {
      only: { type: 'string', default: '' },
      rounds: { type: 'string', default: '30' },
      people: { type: 'string', default: '30' },
      seed: { type: 'string', default: String(Date.now() % 1_000_000) },
      cut: { type: 'string' },
      list: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  const [rounds, people, seed] = [
    whole('--rounds', values.rounds, 1),
    whole('--people', values.people, 8),
    whole('--seed', values.seed, 0),
  ];
  const chosen = named(values.only);
  if (values.help) say(help.trimEnd());
  else if (values.list) for (const { name, promise } of chosen) say(`${name}: ${promise ?? '–'}`);
  if (values.help || values.list) return 0;
  if (chosen.length === 0) throw new Usage(`no row has '${values.only}' in its name`);
  installPackages(['nats-server', 'postgresql']);
  if (values.cut === undefined) {
    const code = await enclosed(['--seed', String(seed), '--cut', 'packets']);
    if (code !== undefined) return code;
  }
  for (const signal of signals)
    process.on(signal, () => {
      leaving ??= leave();
    });
  const cut = values.cut === 'packets' ? 'packets' : 'proxies';
  const progress = new Progress(chosen, rounds);
  say(
    `${chosen.length} rows of ${rounds} rounds each, ${people} people, seed ${seed}: about ${minutes(progress.whole)}`,
  );
  let unkept = 0;
  for (const row of chosen) {
    const command = `npm run faults -- --only '${row.name}' --rounds ${rounds} --people ${people} --seed ${seed}`;
    const where = scene(command);
    const began = performance.now();
    const figures = await measure(row, { rounds, people, seed }, cut, progress);
    await leaving;
    const not = broken(row, figures);
    if (not.length > 0) unkept++;
    show(row, figures, not);
    const kept = { name: row.name, scene: where, versions: versions(), seed, people };
    const took = (performance.now() - began) / 1000;
    if (!publish({ ...kept, seconds: took, ...(row.cuts && { cut }), figures, broken: not }))
      say('  not written down: what docs/faults.md has of it are more rounds');
  }
  return unkept === 0 ? 0 : 1;
}

/** One row in a pool of its own. */
async function measure(
  row: Row,
  options: { rounds: number; people: number; seed: number },
  cut: 'packets' | 'proxies',
  progress: Progress,
): Promise<Figures> {
  await progress.begin(row);
  stage = await openStage(0, { cut: row.cuts === true ? cut : 'none' });
  try {
    return await trial(stage, row, {
      ...options,
      begun: () => progress.started(),
      told: (round, n) => progress.round(round, n),
    });
  } finally {
    progress.end();
    await stage[Symbol.asyncDispose]();
    stage = undefined;
  }
}

function show({ name }: Row, of: Figures, not: readonly string[]): void {
  const counts = [
    `pause p50 ${seconds(of.pause.p50)} p99 ${seconds(of.pause.p99)} max ${seconds(of.pause.max)}`,
    `arrival p99 ${seconds(of.arrival.p99)} max ${seconds(of.arrival.max)}`,
    `${of.messages} messages`,
    `${of.disconnected} disconnected`,
    `${of.lost} lost`,
    `${of.doubled} doubled`,
    `${of.disordered} out of order`,
    `${of.wrong} views wrong`,
    `${of.logins.failed} of ${of.logins.count} logins failed`,
    `${of.pages.failed} of ${of.pages.count} pages failed`,
  ];
  say(`${name}: ${of.rounds} rounds, ${counts.join(', ')}: ${not.length === 0 ? 'kept' : 'NOT KEPT'}`);
  for (const what of not.length === 0 ? [] : [...not, ...of.examples]) say(`  ! ${what}`);
}

/** An interrupted run leaves nothing behind, and writes nothing down that it has not seen to the end. */
async function leave(): Promise<never> {
  // Where it is still starting, what has been started ends with this process.
  await stage?.[Symbol.asyncDispose]();
  process.exit(130);
}

function whole(option: string, text: string, least: number): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < least) throw new Usage(`${option} takes a number from ${least}`);
  return value;
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

try {
  process.exit(await run());
} catch (error) {
  const usage = error instanceof Usage || (error as { code?: string }).code?.startsWith('ERR_PARSE_ARGS');
  process.stderr.write(usage ? `${(error as Error).message}\n\n${help}` : `${(error as Error).stack}\n`);
  process.exit(usage ? 2 : 1);
}
