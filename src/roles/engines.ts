import type { Config } from '../base/config.ts';
import { Failure } from '../base/failure.ts';
import { hasVolume, openSqlite } from '../store/embedded.ts';
import type { Volume } from '../store/volume.ts';
import type { Surroundings } from './server.ts';

/** Opens the store that the configuration names. */
export async function openStore(config: Config, { clock, random, log }: Surroundings): Promise<Volume> {
  return openSqlite(volume(config), { clock, random, log, host: config.server.name });
}

/** Whether a server has made the store that the configuration names. */
export function hasStore(config: Config): boolean {
  return hasVolume(volume(config));
}

/** The store belongs to this machine alone. */
export function isLocal(config: Config): boolean {
  return config.store.startsWith('sqlite:');
}

function volume(config: Config): string {
  const scheme = 'sqlite:';
  if (!config.store.startsWith(scheme))
    throw new Failure('config', `store: ${config.store} names no engine of this version`);
  return config.store.slice(scheme.length);
}
