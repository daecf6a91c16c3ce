import { el, type Element } from '../../xmpp/element.ts';
import { NS } from '../../xmpp/namespaces.ts';
import type { Config } from './config.ts';
import type { Item } from './item.ts';

/** Something to tell of a node: a child of `<event/>`, e.g. `<items/>`. */
export function itemsEvent(node: string, children: readonly Element[]): Element {
  return el('items', NS.pubsubEvent, { node }, children);
}

/** An item as notifications show it (XEP-0060 §7.1.2). */
export function itemEvent(item: Item, config: Config): Element {
  const payload = config.payloads ? item.payload : undefined;
  return el('item', NS.pubsubEvent, attrsOf(item, config), payload === undefined ? [] : [payload]);
}

/** §7.1.2.3: the publisher is told where the node is configured to. */
export function attrsOf(item: Item, config: Config): { id: string; publisher?: string } {
  return config.reply === 'publisher' ? { id: item.id, publisher: item.publisher } : { id: item.id };
}

/** The message around it, without `to`: to whom it goes differs. `from`: always a bare address (XEP-0163 §4.3.2). */
export function message(from: string, id: string, type: Config['message'], event: Element): Element {
  return el('message', NS.client, { from, type: type === 'normal' ? undefined : type, id }, [
    el('event', NS.pubsubEvent, {}, [event]),
  ]);
}
