import { fixed } from '../base/fixed.ts';
import { el } from './element.ts';
import type { Element } from './element.ts';
import { StanzaError } from './error.ts';
import { NS } from './namespaces.ts';

/** Which part of a list is asked for (XEP-0059). Without `after`, `before` and `index`: the first page. */
export interface Page {
  /** At most so many items; 0 asks for the count alone (§2.7). */
  readonly max: number;
  /** Behind the item with this id. */
  readonly after?: string | undefined;
  /** Before the item with this id; '' for the last page (§2.5). */
  readonly before?: string | undefined;
  /** From this position (§2.6). */
  readonly index?: number | undefined;
}

/** What a page turned out to be. Ids and index are left out where it is empty. */
export interface Found {
  readonly first?: string | undefined;
  readonly last?: string | undefined;
  readonly index?: number | undefined;
  /** Of the whole list, where it is cheap to know. */
  readonly count?: number | undefined;
}

/** What applies where a request says nothing, and the most it can get. */
export interface Bounds {
  readonly usual: number;
  readonly most: number;
}

/** Longest item id that is looked at. */
const longest = fixed.pageId.value;

/**
 * The page that the `<set/>` inside `query` asks for. A `max` above the bound is cut, as §2.1 allows. Throws
 * StanzaError `bad-request` for what is no number, said twice, too long or contradictory.
 */
export function parsePage(query: Element, bounds: Bounds): Page {
  const sets = query.elements('set', NS.rsm);
  if (sets.length > 1) throw new StanzaError('bad-request', 'more than one <set/>');
  const set = sets[0];
  if (set === undefined) return { max: bounds.usual };
  const max = once(set, 'max');
  const index = once(set, 'index');
  const page: Page = {
    max: max === undefined ? bounds.usual : Math.min(whole(max), bounds.most),
    after: id(once(set, 'after')),
    before: id(once(set, 'before')),
    index: index === undefined ? undefined : whole(index),
  };
  if (page.after === '') throw new StanzaError('bad-request', 'empty <after/>');
  if (page.index !== undefined && (page.after !== undefined || page.before !== undefined))
    throw new StanzaError('bad-request', '<index/> excludes <after/> and <before/>');
  return page;
}

/** The `<set/>` of an answer. */
export function foundSet({ first, last, index, count }: Found): Element {
  const children: Element[] = [];
  if (first !== undefined && last !== undefined) {
    const at = index === undefined ? {} : { index: String(index) };
    children.push(el('first', NS.rsm, at, [first]), el('last', NS.rsm, {}, [last]));
  }
  if (count !== undefined) children.push(el('count', NS.rsm, {}, [String(count)]));
  return el('set', NS.rsm, {}, children);
}

function once(set: Element, name: string): string | undefined {
  const found = set.elements(name);
  if (found.length > 1) throw new StanzaError('bad-request', `more than one <${name}/>`);
  return found[0]?.text();
}

function whole(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new StanzaError('bad-request', 'not a whole number from 0 to 999999999');
  return Number(text);
}

function id(text: string | undefined): string | undefined {
  if (text !== undefined && text.length > longest) throw new StanzaError('bad-request', 'item id too long');
  return text;
}
