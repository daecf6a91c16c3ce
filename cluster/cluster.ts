import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { installPackages } from './packages.ts';
import { openPool, type Part, type Pool } from './pool.ts';
import { guide, type Person } from './guide.ts';

/**
 * `npm run cluster`: a pool on this machine, for trying. What it keeps is in ./data/cluster; a second start finds it.
 * A server that somebody kills stays away for a while, long enough to see that nobody misses it, and then comes back.
 */
const usage = 'npm run cluster -- [--servers N] [--muxes M] [--data DIRECTORY]';
/** Milliseconds for which a killed process stays away. */
const away = 15_000;

const { servers, muxes, data } = options();
const directory = resolve(data);
let pool: Pool | undefined;
let ending: number | undefined;

const stop = async (): Promise<void> => {
  // A terminal and the launcher both pass on the same Ctrl-C. Asked twice, whatever we started ends with us.
  if (ending !== undefined) return void (performance.now() - ending > 500 && process.exit(130));
  ending = performance.now();
  process.stdout.write('\nEnding …\n');
  await pool?.close();
  process.exit(0);
};
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => void stop());

try {
  const installed = installPackages(['nats-server', 'postgresql']);
  if (installed.length > 0) console.log(`Installed ${installed.join(', ')}.`);
  console.log(`Starting ${servers} servers, ${muxes} muxes, PostgreSQL and NATS in ${shown(directory)} …`);
  pool = await openPool({ directory, servers, muxes, tls: 'starttls' });
  const people = await makePeople(pool);
  if (ending === undefined) process.stdout.write(guide(pool, people, shown));
  for (const part of [...pool.servers, ...pool.muxes]) void watch(part);
} catch (error) {
  console.error((error as Error).message);
  await pool?.close();
  process.exit(1);
}

function options(): { servers: number; muxes: number; data: string } {
  try {
    const { values } = parseArgs({
      options: { servers: { type: 'string' }, muxes: { type: 'string' }, data: { type: 'string' } },
    });
    return {
      servers: whole('--servers', values.servers ?? '3'),
      muxes: whole('--muxes', values.muxes ?? '2'),
      data: values.data ?? './data/cluster',
    };
  } catch (error) {
    console.error(`${(error as Error).message}\n${usage}`);
    process.exit(2);
  }
}

function whole(name: string, text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1 && value <= 50) return value;
  throw new Error(`${name}: expected a number from 1 to 50, got ${text}`);
}

/** As it is typed in the directory that the reader is in. */
function shown(path: string): string {
  const near = relative(process.cwd(), path);
  return near.startsWith('..') ? path : near;
}

/** Two people to log in as; their passwords are kept beside the data, because they are shown at each start. */
async function makePeople(of: Pool): Promise<Person[]> {
  const file = join(of.directory, 'people.json');
  if (existsSync(file)) return JSON.parse(readFileSync(file, 'utf8')) as Person[];
  const people = ['alice', 'bob'].map((name) => ({
    address: `${name}@${of.domain}`,
    password: randomBytes(9).toString('base64url'),
  }));
  for (const { address, password } of people) await of.users([address.split('@')[0]!], password);
  writeFileSync(file, `${JSON.stringify(people)}\n`, { mode: 0o600 });
  return people;
}

/** Brings back what somebody killed. A worker alone is its supervisor's business, but is told as well. */
async function watch(part: Part): Promise<void> {
  for (;;) {
    const { worker } = part;
    const what = await part.changed();
    if (ending !== undefined) return;
    const began = performance.now();
    if (what === 'worker') console.log(`${clock()} ${part.name}: worker ${worker} has ended`);
    else {
      console.log(`${clock()} ${part.name} has ended; it starts again in ${away / 1000} s`);
      await new Promise((wake) => setTimeout(wake, away));
      if (ending !== undefined) return;
      await part.start();
    }
    try {
      await part.ready();
      const seconds = ((performance.now() - began) / 1000).toFixed(1);
      console.log(
        `${clock()} ${part.name} serves again after ${seconds} s: pid ${part.pid}, worker ${part.worker}`,
      );
    } catch (error) {
      if (ending === undefined) console.log(`${clock()} ${(error as Error).message}`);
    }
  }
}

function clock(): string {
  return new Date().toTimeString().slice(0, 8);
}
