import { join } from 'node:path';
import type { Config } from '../base/config.ts';
import { Failure } from '../base/failure.ts';
import { openSqlite } from '../store/embedded.ts';
import type { Volume } from '../store/volume.ts';
import type { Surroundings } from './server.ts';

/** Opens the store that the configuration names. */
export async function openStore(config: Config, { clock, random, log }: Surroundings): Promise<Volume> {
  const scheme = 'sqlite:';
  if (!config.store.startsWith(scheme))
    throw new Failure('config', `store: ${config.store} names no engine of this version`);
  const directory = config.store.slice(scheme.length);
  return openSqlite(join(directory), { clock, random, log, host: config.server.name });
}
