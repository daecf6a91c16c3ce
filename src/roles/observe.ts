import type { Accounts } from '../account/accounts.ts';
import type { Counted } from '../account/env.ts';
import type { Partition } from '../account/partition.ts';
import type { Metrics } from '../base/metrics.ts';
import type { MeshEvent } from '../mesh/channel.ts';
import type { NatsEvent } from '../mesh/nats.ts';
import type { Count } from '../mux/core.ts';
import type { Counted as RoomCounted } from '../rooms/env.ts';
import type { Room } from '../rooms/room.ts';
import type { Rooms } from '../rooms/rooms.ts';

export interface Counts {
  readonly account: (event: Counted) => void;
  readonly room: (event: RoomCounted) => void;
  readonly mux: Count;
  readonly mesh: (event: MeshEvent | NatsEvent) => void;
  /** From now on the numbers of what this server owns are told, too. */
  readonly watch: (accounts: Accounts, rooms: Rooms | undefined) => void;
}

/** Turns what the parts report into metrics. */
export function observe(metrics: Metrics): Counts {
  const events = metrics.counterBy(
    'muster_account_events_total',
    'What happened to accounts and their messages.',
    'event',
  );
  const room = metrics.counterBy(
    'muster_room_events_total',
    'What happened in the rooms owned here.',
    'event',
  );
  const mux = metrics.counterBy('muster_mux_events_total', 'What happened on clients’ connections.', 'event');
  const mesh = metrics.counterBy('muster_mesh_events_total', 'What happened between processes.', 'event');
  return {
    account: (event) => events(event),
    room: (event) => room(event),
    mux: (event) => mux(event),
    mesh: (event) => mesh(event),
    watch: (accounts, rooms) => {
      const sum = (count: (partition: Partition) => number) => {
        let total = 0;
        for (const partition of accounts.partitions()) total += count(partition);
        return total;
      };
      metrics.gauge('muster_sessions', 'Sessions, attached and waiting to be resumed.', () =>
        sum((one) => one.sessions.size),
      );
      metrics.gauge('muster_accounts_loaded', 'Accounts in memory.', () => sum((one) => one.accounts.size));
      metrics.gauge('muster_halls', 'Rooms in which a session of this server is.', () => accounts.halls);
      // Partitions share lanes, those of rooms with those of accounts.
      metrics.gauge('muster_lane_depth', 'Units that wait for a commit.', () => {
        const lanes = new Set(
          [...accounts.partitions(), ...(rooms?.partitions() ?? [])].map(({ lane }) => lane),
        );
        return [...lanes].reduce((total, { depth }) => total + depth, 0);
      });
      metrics.gauge(
        'muster_outbox_letters',
        'Messages that wait to be handed over.',
        () => accounts.post.waiting,
      );
      if (rooms === undefined) return;
      const across = (count: (room: Room) => number) => {
        let total = 0;
        for (const partition of rooms.partitions())
          for (const one of partition.rooms.values()) total += count(one);
        return total;
      };
      metrics.gauge('muster_rooms_loaded', 'Rooms in memory: those with somebody in, and some others.', () =>
        across(() => 1),
      );
      metrics.gauge('muster_room_occupants', 'Sessions in the rooms owned here.', () =>
        across((one) => one.occupants.size),
      );
    },
  };
}
