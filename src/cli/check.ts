import { Command } from 'commander';
import { systemClock } from '../base/clock.ts';
import { configOf, withCommon, type CommonOptions } from './options.ts';
import { print, printJson } from './print.ts';

export function checkCommand(): Command {
  const command = new Command('check')
    .description('check a configuration without starting anything')
    .argument('[file]', 'the file; default: what start would read')
    .action(async (file: string | undefined, options: CommonOptions) => {
      const config = await configOf(file === undefined ? options : { ...options, config: file });
      const { certificate } = await import('../base/certificate.ts');
      if (config.tls !== undefined) await certificate(config, systemClock);
      if (options.json) printJson({ ok: true, config });
      else print(`${file ?? options.config ?? 'the configuration'}: ok`);
    });
  return withCommon(command, 'muster check muster.yaml');
}
