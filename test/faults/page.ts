import { readFileSync, existsSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Scene } from '../../bench/record.ts';
import { markdown } from '../../bench/table.ts';
import { type Figures, seconds } from './figures.ts';
import { type Row, rows } from './rows.ts';

/** The last run of a row, as it is kept in `bench/results/faults.json`. */
export interface Kept {
  readonly name: string;
  readonly scene: Scene;
  readonly versions: Readonly<Record<string, string>>;
  readonly seed: number;
  readonly people: number;
  /** How links were cut: packets or proxies. */
  readonly cut?: string;
  /** How long the row took. */
  readonly seconds: number;
  readonly figures: Figures;
  /** What of the promise was not kept. */
  readonly broken: readonly string[];
}

export interface Places {
  readonly json: string;
  readonly page: string;
}

const path = (name: string) => fileURLToPath(new URL(`../../${name}`, import.meta.url));

export const places: Places = { json: path('bench/results/faults.json'), page: path('docs/faults.md') };

export function recall(file: string): Kept[] {
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as { rows: Kept[] }).rows : [];
}

/**
 * Puts a row into both files, in the place of an earlier run of it; the other rows stay as they were. Returns false
 * where the earlier run had more rounds: then all stays.
 */
export function publish(kept: Kept, { json, page }: Places = places): boolean {
  const before = recall(json);
  const last = before.find(({ name }) => name === kept.name);
  if (last !== undefined && last.figures.rounds > kept.figures.rounds) return false;
  const all = [...before.filter((one) => one !== last), kept];
  const order = (one: Kept) => rows.findIndex(({ name }) => name === one.name);
  const now = all.filter((one) => order(one) >= 0).sort((a, b) => order(a) - order(b));
  const tenths = (_: string, value: unknown) =>
    typeof value === 'number' ? Math.round(value * 10) / 10 : value;
  writeFileSync(json, `${JSON.stringify({ rows: now }, tenths, 1)}\n`);
  writeFileSync(page, text(now));
  return true;
}

const intro = `# What people notice when something breaks

Written by \`npm run faults\`, which breaks a pool of real processes in every way that the design promises something
about, under mixed load, and counts. Each row carries its own date; \`npm run faults -- --only drain\` measures one again.
\`npm run test:faults\` has more ways to break things, and is about right or wrong alone.

The pool: three servers with accounts and rooms, two muxes, three NATS nodes with TLS, a PostgreSQL with a synchronous
standby, 32 partitions of each kind, all on one machine with the people who use them; a new one for each row. The load:
half of the people write to each other in bursts and see each other come and go; the other half talk in two rooms;
three clients log in, read the newest pages of an archive, log out, and begin again.

- **pause**: the longest wait of a person in a round from sending a message to its acknowledgement. Every person's is one
  sample, also of those whose server is well.
- **arrival**: the same from sending to the arrival at somebody else.
- **doubled**: came twice, under one id or two. **out of order**: behind a later one of the same sender.
- **presence wrong**: views of a contact, or of who is in a room, that are not the truth 10 s after all is whole again.
- **logins, pages**: that failed. A connection that breaks in the middle counts as disconnected instead.
- Beside the table, at the end of each row: both archives of every message are compared with what was said, positions in
  rooms have no holes, everybody in a room is told to be in it, who vanished is missed once its time is over and not
  earlier, nobody who stayed was seen leaving, nothing durable came back as an error.
`;

function text(all: readonly Kept[]): string {
  const header = [
    'fault',
    'rounds',
    'pause p50',
    'p99',
    'max',
    'arrival p99',
    'max',
    'disconnected',
    'lost',
    'doubled',
    'out of order',
    'presence wrong',
    'failed logins',
    'failed pages',
    'kept',
  ];
  const line = ({ name, figures: of, broken }: Kept) => [
    name,
    String(of.rounds),
    ...[of.pause.p50, of.pause.p99, of.pause.max, of.arrival.p99, of.arrival.max].map(seconds),
    ...[of.disconnected, of.lost, of.doubled, of.disordered, of.wrong].map(String),
    `${of.logins.failed} of ${of.logins.count}`,
    `${of.pages.failed} of ${of.pages.count}`,
    broken.length === 0 ? 'yes' : '**no**',
  ];
  return `${[intro, markdown([header, ...all.map(line)]), ...all.map(section)].join('\n')}`;
}

function section(kept: Kept): string {
  const { name, figures: of, broken } = kept;
  const { promise, how } = rows.find((row) => row.name === name) as Row;
  const did = promise === undefined ? `Done: ${how}.` : `Done: ${how}. Promised: ${promise}.`;
  const verdict = broken.length === 0 ? 'Kept.' : 'Not kept:';
  const problems =
    broken.length === 0 ? [] : [[...broken, ...of.examples].map((one) => `- ${one}`).join('\n')];
  const counts = [
    `${of.messages} messages, ${of.resumed} resumptions`,
    `logins p99 ${seconds(of.logins.p99)}, max ${seconds(of.logins.max)}`,
    `pages p99 ${seconds(of.pages.p99)}, max ${seconds(of.pages.max)}`,
    `all views right at most ${seconds(of.right)} after all was whole`,
    ...(of.behind === undefined
      ? []
      : [
          `the engine was away for at most ${seconds(of.outage)}, and the last pause ended ${seconds(of.behind)} after it was back`,
        ]),
  ];
  const parts = [
    `## ${name}`,
    `${did} ${verdict}`,
    ...problems,
    `${counts.join('; ')}.`,
    circumstances(kept),
  ];
  return `\n${parts.join('\n\n')}\n`;
}

function circumstances({ scene, versions, seconds: took, people, seed, cut }: Kept): string {
  const { cpu, cores, memory, system, kernel } = scene;
  const lines = [
    `${scene.date.replace('T', ' ')} UTC, ${Math.round(took)} s, ${people} people, seed ${seed}` +
      (cut === undefined ? '.' : `; links are cut by ${cut === 'packets' ? 'losing packets' : 'proxies'}.`),
    `${Object.entries(versions)
      .map(([what, version]) => `${what} ${version}`)
      .join(', ')}; ${cpu}, ${cores} cores, ${memory}; ${system}, kernel ${kernel}.`,
    `Load average at the begin: ${scene.load}. Command: \`${scene.command}\``,
  ];
  return lines.join('\n');
}
