import { InvalidArgumentError, type Command } from 'commander';
import type { Sources } from '../base/configfile.ts';
import { roles, type Config, type Role } from '../base/config.ts';

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

/** What commands take that are about one server: its roles. */
export interface RoleOptions extends CommonOptions {
  readonly role: readonly Role[];
}

export function withRoles(command: Command): Command {
  return command.option(
    '--role <role>',
    `${roles.join(', ')}: what this server does, stronger than the configuration; repeatable, or a list with commas`,
    gatherRoles,
    [],
  );
}

function gatherRoles(value: string, before: readonly Role[]): readonly Role[] {
  const given = value.split(',').map((name) => name.trim());
  const isRole = (name: string): name is Role => (roles as readonly string[]).includes(name);
  const known = given.filter(isRole);
  if (known.length < given.length) throw new InvalidArgumentError(`Allowed: ${roles.join(', ')}.`);
  return [...new Set([...before, ...known])];
}

/** The same with the roles as what they are: a key of the configuration, the strongest one. */
export function withRolesSet<T extends RoleOptions>(options: T): T {
  if (options.role.length === 0) return options;
  return { ...options, set: [...options.set, `roles=[${options.role.join(', ')}]`] };
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
