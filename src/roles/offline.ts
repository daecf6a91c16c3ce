import type { Administration } from '../admin/administration.ts';
import { systemClock, type Clock, type Timer } from '../base/clock.ts';
import { owns, type Config } from '../base/config.ts';
import { Failure } from '../base/failure.ts';
import { openLog, type Log } from '../base/log.ts';
import { systemRandom } from '../base/random.ts';
import { openEmbeddedDirectory } from '../directory/embedded.ts';
import { openMesh } from '../mesh/channel.ts';
import { Hub } from '../mesh/local.ts';
import { openAdministration } from './administration.ts';
import { openCommunity } from './community.ts';
import { hasStore, isLocal, openStore } from './engines.ts';
import { openTables } from './tables.ts';

/**
 * The accounts of a store that no server runs on, for the command line: the same parts as in the server, without
 * listeners, so that removing an account here cancels its subscriptions at both sides as it does there. The store of a
 * pool is only read (tables.ts): its owners may well be alive on other machines.
 *
 * @throws Failure('no-data') where no server has made the store yet: the first start makes the administrator, which it
 * does only in an empty one; `volume-held` where a server that does not answer holds it; `server-needed` for a mux.
 */
export async function openOffline(config: Config): Promise<Administration> {
  const log = openLog(config.log.level === 'silent' ? 'silent' : 'warn', 2);
  if (!owns(config.roles))
    throw new Failure(
      'server-needed',
      `no server runs with ${config.data}, and it would be one without accounts`,
    );
  if (!isLocal(config)) return openShared(config, passing(systemClock), log);
  if (!hasStore(config))
    throw new Failure(
      'no-data',
      `${config.store.replace(/^sqlite:/, '')}: there is no data; start the server once`,
    );
  const clock = passing(systemClock);
  const mesh = openMesh(new Hub(clock).wire('offline/1'), { clock, log });
  const community = await openCommunity(config, { clock, random: systemRandom, log }, mesh, {
    account: () => {},
    room: () => {},
  });
  return openAdministration({
    config,
    store: community.store,
    directory: community.directory,
    accounts: community.accounts,
    roomsHere: community.roomsHere,
    state: () => 'offline',
    uptime: () => 0,
    close: async () => {
      await community.close();
      await mesh.close();
      clock.end();
    },
  });
}

async function openShared(config: Config, clock: Passing, log: Log): Promise<Administration> {
  const { store } = await openStore(config, { clock, random: systemRandom, log }, 'offline/1');
  const never = () => {
    throw new Error('a store that is only read needs no ids');
  };
  const directory = openEmbeddedDirectory({
    store,
    laneOf: () => undefined,
    clock,
    random: systemRandom,
    partitionOf: () => undefined,
    newId: never,
  });
  const close = async () => {
    await store.close();
    clock.end();
  };
  return openTables({ config, store, directory, clock, close });
}

type Passing = Clock & { end(): void };

/** A clock whose timers end with the command: what a server would do in five minutes must not keep it waiting. */
function passing(clock: Clock): Passing {
  const open = new Set<Timer>();
  return {
    now: () => clock.now(),
    mono: () => clock.mono(),
    soon: (run) => clock.soon(run),
    after: (ms, run) => {
      const inner = clock.after(ms, () => {
        open.delete(timer);
        run();
      });
      const timer = {
        cancel: () => {
          open.delete(timer);
          inner.cancel();
        },
      };
      open.add(timer);
      return timer;
    },
    end: () => {
      for (const timer of open) timer.cancel();
    },
  };
}
