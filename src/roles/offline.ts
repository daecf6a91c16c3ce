import type { Administration } from '../admin/administration.ts';
import type { Config } from '../base/config.ts';
import { systemRandom } from '../base/random.ts';
import { holdVolume } from '../store/volume.ts';
import { openStub } from './stub.ts';

/**
 * Opens the store that no server runs on, for the command line. STUB: over `stub.ts`.
 *
 * @throws Failure('volume-held') where a server that does not answer holds it.
 */
export async function openOffline(config: Config): Promise<Administration> {
  const held = holdVolume(config.data);
  const administration = await openStub(config, systemRandom, 'offline');
  return { ...administration, close: async () => held.release() };
}
