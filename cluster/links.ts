import { keepPackets, losePackets } from './packets.ts';
import { openProxy, type Direction } from './proxy.ts';

/** Ports of the engines on 127.0.0.1. */
export interface Hosts {
  readonly nats: readonly number[];
  readonly postgres: readonly number[];
}

/** How one process reaches the engines, and the others its health port. */
export interface Links {
  /** Where it has to connect. */
  readonly hosts: Hosts;
  /** `all`: everything between it and the rest of the pool. */
  cut(what: keyof Hosts | 'all', direction?: Direction): void;
  heal(): void;
  close(): Promise<void>;
}

/** With `by`, through proxies of its own; they are what is cut, or the packets on the way to them. */
export async function openLinks(
  to: Hosts,
  health: number,
  by: 'proxies' | 'packets' | undefined,
): Promise<Links> {
  if (by === undefined) return uncut(to);
  const all = (ports: readonly number[]) => Promise.all(ports.map((port) => openProxy(port)));
  const proxies = { nats: await all(to.nats), postgres: await all(to.postgres) };
  const hosts = {
    nats: proxies.nats.map(({ port }) => port),
    postgres: proxies.postgres.map(({ port }) => port),
  };
  const each = [...proxies.nats, ...proxies.postgres];
  const lost = new Set<readonly number[]>();
  return {
    hosts,
    cut: (what, direction = 'both') => {
      if (by === 'proxies') {
        for (const proxy of what === 'all' ? each : proxies[what]) proxy.cut(direction);
        return;
      }
      const lose = (ports: readonly number[], way: Direction) => {
        lost.add(ports);
        losePackets(ports, way);
      };
      lose(what === 'all' ? [...hosts.nats, ...hosts.postgres] : hosts[what], direction);
      // There it is the others who connect.
      if (what === 'all') lose([health], direction === 'both' ? 'both' : direction === 'in' ? 'out' : 'in');
    },
    heal: () => {
      for (const ports of lost) keepPackets(ports);
      lost.clear();
      for (const proxy of each) proxy.heal();
    },
    close: async () => {
      for (const ports of lost) keepPackets(ports);
      await Promise.all(each.map((proxy) => proxy.close()));
    },
  };
}

function uncut(hosts: Hosts): Links {
  const refuse = () => {
    throw new Error('open the pool with `cut` to cut its links');
  };
  return { hosts, cut: refuse, heal: () => {}, close: () => Promise.resolve() };
}
