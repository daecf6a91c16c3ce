import { Command } from 'commander';
import { certificate } from '../base/certificate.ts';
import { systemClock } from '../base/clock.ts';
import { configOf, withCommon, type CommonOptions } from './options.ts';
import { print, printJson } from './print.ts';

export function checkCommand(): Command {
  const command = new Command('check')
    .description('check a configuration without starting anything')
    .argument('[file]', 'the file; default: what start would read')
    .action(async (file: string | undefined, options: CommonOptions) => {
      const config = configOf(file === undefined ? options : { ...options, config: file });
      if (config.tls !== undefined) await certificate(config, systemClock);
      if (options.json) printJson({ ok: true, config });
      else print(`${file ?? options.config ?? 'the configuration'}: ok`);
    });
  return withCommon(command, 'muster check muster.yaml');
}
