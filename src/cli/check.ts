import { Command } from 'commander';
import { systemClock } from '../base/clock.ts';
import type { Config } from '../base/config.ts';
import { Failure } from '../base/failure.ts';
import { combination } from '../base/roles.ts';
import { configOf, withCommon, withRoles, withRolesSet, type RoleOptions } from './options.ts';
import { print, printJson } from './print.ts';

export function checkCommand(): Command {
  const command = new Command('check')
    .description('check a configuration without starting anything')
    .argument('[file]', 'the file; default: what start would read')
    .action(async (file: string | undefined, given: RoleOptions) => {
      const options = withRolesSet(given);
      const config = await configOf(file === undefined ? options : { ...options, config: file });
      const { refused, remarks } = combination(config);
      if (refused !== undefined) throw new Failure('config', refused);
      const { certificate } = await import('../base/certificate.ts');
      if (config.tls !== undefined) await certificate(config, systemClock);
      if (options.json) return printJson({ ok: true, remarks, config: shown(config) });
      for (const remark of remarks) print(remark);
      print(`${file ?? options.config ?? 'the configuration'}: ok`);
    });
  return withCommon(withRoles(command), 'muster check muster.yaml');
}

/** Without the passwords of the engines and the secrets of relays: who checks a configuration may well paste what comes out. */
function shown(config: Config): Config {
  const masked = (url: string) => url.replace(/^(\w+:\/\/[^:/@]*):.*@/, '$1:…@');
  const components = config.components.map((one) => ({ ...one, ...(one.secret && { secret: '…' }) }));
  const services = config.services.map((one) => ({
    ...one,
    ...(one.password !== undefined && { password: '…' }),
    ...(one.secret !== undefined && { secret: '…' }),
  }));
  return { ...config, components, store: masked(config.store), mesh: masked(config.mesh), services };
}
