import type { Element } from './element.ts';
import { NS } from './namespaces.ts';

/** The id of the message that this one retracts; undefined for nearly all. */
export function retractedBy(message: Element): string | undefined {
  for (const node of message.children)
    if (typeof node !== 'string' && node.name === 'retract' && node.ns === NS.retract)
      return node.attrs['id'];
  return undefined;
}
