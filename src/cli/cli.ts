import { Command, CommanderError } from 'commander';
import { Failure } from '../base/failure.ts';
import { version } from '../base/version.ts';
import { exitCode } from '../roles/exit.ts';
import { accountCommand } from './account.ts';
import { checkCommand } from './check.ts';
import { drainCommand } from './drain.ts';
import { rebalanceCommand } from './rebalance.ts';
import { roomCommand } from './room.ts';
import { sessionsCommand } from './sessions.ts';
import { startCommand } from './start.ts';
import { statusCommand } from './status.ts';
import { undrainCommand } from './undrain.ts';
import { userCommand } from './user.ts';
import { workerCommand } from './worker.ts';

/**
 * Runs one command line and resolves with its exit code: 0, 1 where it failed, 2 where the command line, the
 * configuration or the data directory must be changed first. An error is one line on standard error; with `--json`
 * it is `{"error": {code, message}}`.
 */
export async function run(argv: readonly string[]): Promise<number> {
  if (argv[0] !== 'start' && argv[0] !== 'worker') process.stdout.on('error', noReader);
  const program = new Command('muster')
    .description('A community of messaging servers that stays up.')
    .version(version)
    .showHelpAfterError('(muster COMMAND --help shows how)')
    .addHelpText('after', '\nExample:\n  $ muster start --data ./data --set domains=[example.org]')
    .addCommand(startCommand())
    .addCommand(checkCommand())
    .addCommand(statusCommand())
    .addCommand(sessionsCommand())
    .addCommand(userCommand())
    .addCommand(accountCommand())
    .addCommand(roomCommand())
    .addCommand(drainCommand())
    .addCommand(undrainCommand())
    .addCommand(rebalanceCommand())
    .addCommand(workerCommand(), { hidden: true });
  strict(program);
  try {
    await program.parseAsync(argv, { from: 'user' });
    return Number(process.exitCode ?? 0);
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2; // it has said why
    process.stderr.write(`${told(error, argv.includes('--json'))}\n`);
    return exitCode(error);
  }
}

/** Whoever reads the output has seen enough (`muster user list | head`): that is no failure. */
function noReader(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') throw error;
  process.exit(0);
}

/** Commander throws instead of ending the process; sub-commands do not inherit that by themselves. */
function strict(command: Command): void {
  command.exitOverride();
  for (const inner of command.commands) strict(inner);
}

function told(error: unknown, json: boolean): string {
  const failure = error instanceof Failure ? error : undefined;
  if (json) {
    const { code, message } = failure ?? { code: 'unexpected', message: String(error) };
    return JSON.stringify({ error: { code, message } });
  }
  return failure?.message ?? (error as Error).stack ?? String(error);
}
