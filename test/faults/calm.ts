import type { Loyal } from '../e2e/loyal.ts';
import { poll } from '../e2e/child.ts';

/** Resolves when all of them are connected, and all that they sent up to now is acknowledged: the fault is over. */
export async function calm(clients: readonly Loyal[], within = 60_000): Promise<void> {
  const marks = new Map(clients.map((one) => [one, one.queued]));
  // Who says nothing asks for nothing.
  for (const one of clients) one.requestAck();
  const late = () => clients.filter((one) => !one.connected || one.settled < marks.get(one)!);
  const told = (one: Loyal) =>
    `${one.user} (${one.connected ? `waits ${Math.round(one.waiting)} ms` : 'away'})`;
  await poll(
    () => (late().length === 0 ? true : undefined),
    () => `not over for ${late().map(told).join(', ')}`,
    within,
  );
}

/** Resolves when the server has acknowledged everything. */
export async function acknowledged(clients: readonly Loyal[], within = 60_000): Promise<void> {
  await poll(
    () => {
      for (const one of clients) if (one.unacked > 0) one.requestAck();
      return clients.every((one) => one.connected && one.unacked === 0) ? true : undefined;
    },
    () => `not all is acknowledged: ${clients.map((one) => `${one.user}:${one.unacked}`).join(' ')}`,
    within,
  );
}
