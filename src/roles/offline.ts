import type { Administration } from '../admin/administration.ts';
import { systemClock, type Clock, type Timer } from '../base/clock.ts';
import type { Config } from '../base/config.ts';
import { Failure } from '../base/failure.ts';
import { openLog } from '../base/log.ts';
import { systemRandom } from '../base/random.ts';
import { openAdministration } from './administration.ts';
import { openCommunity } from './community.ts';
import { hasStore } from './engines.ts';

/**
 * The accounts of a store that no server runs on, for the command line: the same parts as in the server, without
 * listeners, so that removing an account here cancels its subscriptions at both sides as it does there.
 *
 * @throws Failure('no-data') where no server has made the store yet: the first start makes the administrator, which it
 * does only in an empty one; `volume-held` where a server that does not answer holds it.
 */
export async function openOffline(config: Config): Promise<Administration> {
  if (!hasStore(config))
    throw new Failure(
      'no-data',
      `${config.store.replace(/^sqlite:/, '')}: there is no data; start the server once`,
    );
  const clock = passing(systemClock);
  const log = openLog(config.log.level === 'silent' ? 'silent' : 'warn', 2);
  const community = await openCommunity(config, { clock, random: systemRandom, log }, () => {});
  return openAdministration({
    config,
    store: community.store,
    directory: community.directory,
    accounts: community.accounts,
    state: () => 'offline',
    uptime: () => 0,
    close: async () => {
      await community.close();
      clock.end();
    },
  });
}

/** A clock whose timers end with the command: what a server would do in five minutes must not keep it waiting. */
function passing(clock: Clock): Clock & { end(): void } {
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
