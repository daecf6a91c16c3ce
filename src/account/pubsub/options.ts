import type { Subscription } from './nodes.ts';

/** Does this subscriber want notifications now (`pubsub#deliver`)? */
export function wants({ options }: Subscription): boolean {
  const [deliver] = options['pubsub#deliver'] ?? [];
  return deliver !== '0' && deliver !== 'false';
}
