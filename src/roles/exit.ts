import { Failure } from '../base/failure.ts';

/**
 * The exit code for an error: 2 where the administrator must change something before another attempt can help
 * (configuration, ports, the data directory, a wrong command line), 1 for everything else.
 */
export function exitCode(error: unknown): 1 | 2 {
  return error instanceof Failure && lasting.has(error.code) ? 2 : 1;
}

const lasting = new Set([
  'config',
  'usage',
  'port-in-use',
  'listen',
  'store-newer',
  'volume-held',
  'no-data',
  'server-name-taken',
]);
