import { sleep, type Clock } from '../base/clock.ts';
import { Failure, failed } from '../base/failure.ts';
import { fixed } from '../base/fixed.ts';
import type { Ask } from '../mesh/ask.ts';
import type { Mesh, Peer } from '../mesh/mesh.ts';
import type { Routes } from '../placement/routes.ts';

/** The other servers of a pool that have accounts, this one included. */
export interface Peers {
  readonly mesh: Mesh;
  /**
   * Asks the owner of a partition, and again where it moved or its owner was lost meanwhile: what is asked may happen
   * twice. Rejects as `Ask.ask` does; `server-unreachable` where nobody has the partition for `fixed.askOwner`.
   */
  owner(partition: number, method: string, params: unknown): Promise<unknown>;
  /** Asks every server with accounts at the same time; whoever does not answer is left out. */
  everyone(method: string, params: unknown): Promise<readonly unknown[]>;
  /** One server, once. */
  one(peer: Peer, method: string, params: unknown): Promise<unknown>;
}

export interface PeersOptions {
  readonly mesh: Mesh;
  readonly routes: Pick<Routes, 'partition'>;
  readonly ask: Pick<Ask, 'ask'>;
  readonly clock: Clock;
}

/** Between two looks for the owner of a partition, in ms. */
const pause = 50;

export function openPeers({ mesh, routes, ask, clock }: PeersOptions): Peers {
  const one = (peer: Peer, method: string, params: unknown) =>
    ask.ask(peer, method, params, fixed.askTime.value);
  return {
    mesh,
    one,
    owner: async (partition, method, params) => {
      const until = clock.mono() + fixed.askOwner.value;
      let last: unknown = new Failure('server-unreachable', 'no server has it now, try again');
      for (; clock.mono() < until; await sleep(clock, pause)) {
        const route = routes.partition(partition);
        if (route === undefined) continue;
        try {
          // oxlint-disable-next-line no-await-in-loop -- the next one is asked where this one is not it
          return await one(route.server, method, params);
        } catch (error) {
          if (!failed(error, 'not-owner') && !failed(error, 'server-unreachable')) throw error;
          last = error;
        }
      }
      throw last;
    },
    everyone: async (method, params) => {
      const all = mesh.members().filter(({ roles }) => roles.includes('accounts'));
      const answers = await Promise.allSettled(all.map(({ peer }) => one(peer, method, params)));
      return answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []));
    },
  };
}
