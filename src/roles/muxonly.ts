import type { Administration, Status } from '../admin/administration.ts';
import type { Config } from '../base/config.ts';
import { Failure } from '../base/failure.ts';
import { nameOf } from '../mesh/ask.ts';
import type { Mesh } from '../mesh/mesh.ts';
import type { Mux } from '../mux/mux.ts';
import type { Table } from '../placement/table.ts';
import { identity } from './administration.ts';
import { noRooms } from './rooms.ts';
import { noTransfer } from './transfer.ts';
import { noServers } from './overview.ts';

export interface Holding {
  readonly config: Config;
  readonly mesh: Mesh;
  readonly mux: Pick<Mux, 'size'>;
  readonly routes: Pick<Table, 'size'>;
  readonly state: () => Status['state'];
  /** Milliseconds since the start. */
  readonly uptime: () => number;
}

/**
 * A process without accounts tells of itself, and for everything else which servers to ask: it has no database, and the
 * mesh lets it ask nothing that could change an account.
 */
export function openMuxAdministration(over: Holding): Administration {
  const { config, mesh, mux, routes } = over;
  const elsewhere = (): Failure => {
    const servers = mesh
      .members()
      .filter(({ roles }) => roles.includes('accounts'))
      .map(({ peer, health }) => `${nameOf(peer)}${health === undefined ? '' : ` (${hostOf(health)})`}`);
    const where = servers.length === 0 ? 'none can be heard now' : servers.sort().join(', ');
    return new Failure('not-here', `this server has no accounts; ask where one runs that has them: ${where}`);
  };
  const refused = () => Promise.reject(elsewhere());
  return {
    users: {
      add: refused,
      passwd: refused,
      disable: refused,
      promote: refused,
      remove: refused,
      list: refused,
    },
    rooms: noRooms(elsewhere),
    transfer: noTransfer(elsewhere),
    servers: noServers(elsewhere),
    sessions: refused,
    status: () => {
      const { connections, sessions } = mux.size;
      return Promise.resolve({
        ...identity(config),
        state: over.state(),
        uptime: over.uptime(),
        sessions,
        memory: process.memoryUsage.rss(),
        mux: { connections, routes: routes.size },
      });
    },
    close: () => Promise.resolve(),
  };
}

/** The host of `host:port`, where IPv6 stands in brackets. */
function hostOf(at: string): string {
  return at.slice(0, Math.max(0, at.lastIndexOf(':'))) || at;
}
