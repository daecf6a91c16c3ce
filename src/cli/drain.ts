import { Command, InvalidArgumentError } from 'commander';
import type { Administration, ServerInfo } from '../admin/administration.ts';
import { sleep, type Clock } from '../base/clock.ts';
import { Failure } from '../base/failure.ts';
import { withAdministration } from './connect.ts';
import { withCommon, type CommonOptions } from './options.ts';
import { print, printJson } from './print.ts';

interface DrainOptions extends CommonOptions {
  readonly wait: number | false;
}

export function drainCommand(): Command {
  const command = new Command('drain')
    .description('hand all partitions of a server to the others, so that it can be stopped unnoticed')
    .argument('<server>', 'its name, as `muster status` shows it')
    .option('--wait <seconds>', 'how long to wait until it owns nothing; exit code 1 beyond', seconds, 60)
    .option('--no-wait', 'only tell it to')
    .action((name: string, { wait, ...options }: DrainOptions) =>
      withAdministration(options, async ({ administration }) => {
        const { systemClock } = await import('../base/clock.ts');
        const began = systemClock.mono();
        await administration.servers.drain(name);
        if (wait === false) {
          if (options.json) printJson({ server: name, state: 'draining' });
          else print(`${name} drains; muster status shows how far it is`);
          return;
        }
        const tell = options.json
          ? () => {}
          : (left: number | undefined) => print(`${name} owns ${counted(left)}`);
        await emptied(administration, name, wait * 1000, systemClock, tell);
        const ms = Math.round(systemClock.mono() - began);
        if (options.json) printJson({ server: name, state: 'drained', ms });
        else print(`${name} owns nothing after ${(ms / 1000).toFixed(1)} s; it can be stopped`);
      }),
    );
  return withCommon(command, 'muster drain server1');
}

/** Between two looks at a server that drains, in ms; a line for a person comes each second at most. */
const look = 100;
const line = 1000;

/**
 * Resolves when no live server of this name owns anything; `tell` hears how many are left.
 *
 * @throws Failure('drain-timeout') after `patience` ms, Failure('drain-ended') where somebody made it work again.
 */
async function emptied(
  administration: Pick<Administration, 'status'>,
  name: string,
  patience: number,
  clock: Clock,
  tell: (left: number | undefined) => void,
): Promise<void> {
  const until = clock.mono() + patience;
  let told: number | undefined = -1;
  let next = -Infinity;
  for (;;) {
    // oxlint-disable-next-line no-await-in-loop -- one look after the other
    const { pool } = await administration.status();
    const here = pool?.servers.filter((one) => one.name === name && one.state !== 'dead') ?? [];
    const left = pool && here.reduce((sum, { partitions }) => sum + partitions, 0);
    if (left === 0) return;
    if (here.some(working))
      throw new Failure('drain-ended', `${name} was told to work again; it owns ${counted(left)}`);
    const now = clock.mono();
    if (now >= until)
      throw new Failure(
        'drain-timeout',
        `${name} still owns ${counted(left)} after ${(patience / 1000).toFixed(0)} s; it goes on draining`,
      );
    if (left !== told && now >= next) {
      tell(left);
      [told, next] = [left, now + line];
    }
    // oxlint-disable-next-line no-await-in-loop -- one look after the other
    await sleep(clock, look);
  }
}

function working({ state }: ServerInfo): boolean {
  return state === 'up';
}

/** Undefined: the store does not answer. */
function counted(partitions: number | undefined): string {
  if (partitions === undefined) return 'partitions that nobody can count now';
  return partitions === 1 ? '1 partition' : `${partitions} partitions`;
}

function seconds(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value > 86_400)
    throw new InvalidArgumentError('Expected seconds, at most a day.');
  return value;
}
