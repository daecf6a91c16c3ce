import type { Accounts } from '../account/accounts.ts';
import type { Counted } from '../account/env.ts';
import type { Partition } from '../account/partition.ts';
import type { Metrics } from '../base/metrics.ts';
import type { MeshEvent } from '../mesh/channel.ts';
import type { NatsEvent } from '../mesh/nats.ts';
import type { Count } from '../mux/core.ts';

/** Turns what the parts report into metrics. */
export function observe(metrics: Metrics): {
  readonly account: (event: Counted) => void;
  readonly mux: Count;
  readonly mesh: (event: MeshEvent | NatsEvent) => void;
  readonly watch: (accounts: Accounts) => void;
} {
  const events = metrics.counterBy(
    'muster_account_events_total',
    'What happened to accounts and their messages.',
    'event',
  );
  const mux = metrics.counterBy('muster_mux_events_total', 'What happened on clients’ connections.', 'event');
  const mesh = metrics.counterBy('muster_mesh_events_total', 'What happened between processes.', 'event');
  return {
    account: (event) => events(event),
    mux: (event) => mux(event),
    mesh: (event) => mesh(event),
    watch: (accounts) => {
      const sum = (count: (partition: Partition) => number) => {
        let total = 0;
        for (const partition of accounts.partitions()) total += count(partition);
        return total;
      };
      metrics.gauge('muster_sessions', 'Sessions, attached and waiting to be resumed.', () =>
        sum((one) => one.sessions.size),
      );
      metrics.gauge('muster_accounts_loaded', 'Accounts in memory.', () => sum((one) => one.accounts.size));
      metrics.gauge('muster_lane_depth', 'Units that wait for a commit.', () => sum((one) => one.lane.depth));
      metrics.gauge(
        'muster_outbox_letters',
        'Messages that wait to be handed over.',
        () => accounts.post.waiting,
      );
    },
  };
}
