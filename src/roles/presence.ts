import { openInternal, type Internal } from '../admin/internal.ts';
import { owns, type Config } from '../base/config.ts';
import { Failure } from '../base/failure.ts';
import { token } from '../base/random.ts';
import { openMesh, type MeshEvent } from '../mesh/channel.ts';
import { openHealth } from '../mesh/health.ts';
import type { Member, Mesh } from '../mesh/mesh.ts';
import type { NatsEvent } from '../mesh/nats.ts';
import { openWire } from './engines.ts';
import { reachable } from './filestore.ts';
import type { Surroundings } from './server.ts';

/** This process among the others: its incarnation, its end of the mesh, and where the others can ask whether it lives. */
export async function openPresence(
  config: Config,
  around: Surroundings,
  count: (event: MeshEvent | NatsEvent) => void,
): Promise<{ readonly mesh: Mesh; readonly internal: Internal | undefined; close(): Promise<void> }> {
  const { clock, random, log } = around;
  const { name, address } = config.server;
  const { health: listen, files } = config.listen;
  // A new one at each start, never one that was there before.
  const peer = `${name}/${clock.now().toString(36)}${token(random, 3)}`;
  const alone = config.mesh === 'local' || listen === 'off';
  const health = alone ? undefined : await openHealth({ ...listen, peer, log });
  const open = config.mesh !== 'local' && files !== 'off' && reachable(config);
  let internal: Internal | undefined;
  try {
    internal = open && owns(config.roles) ? await openInternal({ ...files, log }) : undefined;
    const at = health === undefined ? undefined : `${address}:${health.port}`;
    const self: Member = {
      peer,
      roles: config.roles,
      health: at,
      files: internal === undefined ? undefined : `${address}:${internal.port}`,
    };
    const mesh = openMesh(await openWire(config, around, self, count), { clock, log, count });
    return {
      mesh,
      internal,
      close: async () => {
        await mesh.close();
        await internal?.close();
        await health?.close();
      },
    };
  } catch (error) {
    await internal?.close();
    await health?.close();
    throw error instanceof Failure ? error : new Failure('mesh-unavailable', String(error), error);
  }
}
