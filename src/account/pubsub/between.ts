import type { Element } from '../../xmpp/element.ts';
import type { Partition } from '../partition.ts';
import { receiveNotify } from './notify.ts';

/**
 * What one owner tells another of nodes. Its elements have a namespace of their own and are no stanzas, so that nothing
 * that a client sends is ever taken for one: a mux hands on stanzas alone (mux/verbs.ts).
 */
export function receiveBetween(partition: Partition, frame: Element): void {
  if (frame.name === 'notify') receiveNotify(partition, frame);
}
