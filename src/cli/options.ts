import type { Command } from 'commander';
import type { Sources } from '../base/configfile.ts';
import type { Config } from '../base/config.ts';

/** What every command takes. */
export interface CommonOptions {
  readonly json?: true;
  readonly data?: string;
  readonly config?: string;
  readonly set: readonly string[];
}

export function withCommon(command: Command, example: string): Command {
  return command
    .option('--config <file>', 'configuration (default: muster.yaml of this directory, where there is one)')
    .option('--data <dir>', 'data directory, stronger than the configuration')
    .option(
      '--set <key=value>',
      'one key of the configuration, such as listen.xmpp.port=5300; repeatable',
      gather,
      [],
    )
    .option('--json', 'print JSON for programs')
    .addHelpText('after', `\nExample:\n  $ ${example}`);
}

function gather(value: string, before: readonly string[]): readonly string[] {
  return [...before, value];
}

export function sourcesOf(options: CommonOptions): Sources {
  return { file: options.config, data: options.data, set: options.set };
}

/** @throws Failure('config') */
export async function configOf(options: CommonOptions): Promise<Config> {
  const { loadConfig } = await import('../base/configfile.ts'); // the supervisor has no use for it
  return loadConfig(sourcesOf(options));
}

/** The same options again, for a command line that this one starts. */
export function argumentsOf(options: CommonOptions): string[] {
  return [
    ...(options.config === undefined ? [] : ['--config', options.config]),
    ...(options.data === undefined ? [] : ['--data', options.data]),
    ...options.set.flatMap((set) => ['--set', set]),
    ...(options.json ? ['--json'] : []),
  ];
}
