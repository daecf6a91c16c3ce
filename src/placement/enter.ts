import { sleep } from '../base/clock.ts';
import { Failure } from '../base/failure.ts';
import { fixed } from '../base/fixed.ts';
import type { Lane } from '../store/lane.ts';
import { Observer } from './observer.ts';
import type { PoolOptions } from './pool.ts';
import { change, serverRows, type ServerRecord } from './servers.ts';

/**
 * Registers this incarnation. An earlier one of the same name has to be dead: that is proved by its health port, or else
 * by a lease that ran out.
 *
 * @throws Failure('server-name-taken') where it lives; Failure('declared-dead'); Failure('store-unavailable')
 */
export async function enter(options: PoolOptions, lane: Lane): Promise<void> {
  const { store, clock, self, host } = options;
  const namesakes = async () =>
    (await store.query<ServerRecord>(serverRows.live, [])).filter(
      ({ name, peer }) => name === self.name && peer !== self.peer,
    );
  const refuse = ({ health }: ServerRecord) => {
    const where = health === '' ? '' : ` (its health port is ${health})`;
    throw new Failure('server-name-taken', `a live server of the name ${self.name} is running${where}`);
  };
  for (const row of await namesakes()) {
    // oxlint-disable-next-line no-await-in-loop -- there is one, if any
    if (await lives(options, lane, row)) refuse(row);
  }
  const roles = self.roles.join(',');
  const { peer, name, health = '', version } = self;
  for (;;) {
    // oxlint-disable no-await-in-loop -- until the row is there
    await change(lane, [
      {
        statement: serverRows.register,
        params: [
          peer,
          name,
          roles,
          health,
          Math.round(host.availability()),
          host.sessions(),
          version,
          clock.now(),
        ],
      },
    ]);
    const rows = await store.query<ServerRecord>(serverRows.list, []);
    const own = rows.find((row) => row.peer === peer);
    // Nobody comes back from that: what it wrote took longer than a lease to be known here.
    if (own?.state === 'dead')
      throw new Failure('declared-dead', 'the other servers have declared this one dead while it started');
    if (own !== undefined) break;
    await sleep(clock, fixed.loadPause.value);
    // oxlint-enable no-await-in-loop
  }
  // Of two that start at one time each may have missed the other above; now the later one sees the earlier.
  const [other] = await namesakes();
  if (other === undefined) return;
  await change(lane, [{ statement: serverRows.end, params: [clock.now(), peer] }]);
  refuse(other);
}

/** Whether an earlier incarnation lives; one that does not is written down as dead. */
async function lives(options: PoolOptions, lane: Lane, row: ServerRecord): Promise<boolean> {
  const { store, clock, mesh, log } = options;
  const { peer, health } = row;
  const [found, shown] = await Promise.all([
    mesh.probe(peer),
    health === '' ? ('silent' as const) : options.health(health),
  ]);
  if (found === 'there' || (typeof shown === 'object' && shown.peer === peer)) return true;
  if (shown !== 'silent') {
    await change(lane, [{ statement: serverRows.end, params: [clock.now(), peer] }]);
    return false;
  }
  log.info({ server: peer }, 'a server of this name may still run: waiting until its lease runs out');
  const observer = new Observer();
  for (;;) {
    // oxlint-disable no-await-in-loop -- one look after the other
    const asked = clock.mono();
    const now = (await store.query<ServerRecord>(serverRows.live, [])).find((other) => other.peer === peer);
    if (now === undefined) return false;
    if (now.renewed !== row.renewed) return true;
    observer.look([now], asked, clock.mono());
    if (observer.still(peer) >= fixed.lease.value) {
      const params = [clock.now(), peer, now.renewed];
      const decided = clock.mono();
      const late = () => clock.mono() - decided > fixed.lookSlow.value;
      const [count] = await change(lane, [{ statement: serverRows.endStill, params }], late);
      // What kept this from being written may have kept the other one from renewing.
      if (count === undefined) observer.restart();
    }
    await sleep(clock, fixed.lookPeriod.value);
    // oxlint-enable no-await-in-loop
  }
}
