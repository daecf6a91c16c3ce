import { idOf, type Filter } from './archiveform.ts';
import { el, type Element } from './element.ts';
import { NS } from './namespaces.ts';
import { foundSet, type Page } from './rsm.ts';

/** What archives have in common (XEP-0313), whosever they are. Ids are integers; bigger ones are later. */

/** Which way from where: ids between the two, from the lower or from the upper end. */
export interface Range {
  readonly above: number;
  readonly below: number;
  readonly backwards: boolean;
}

/**
 * Where to read from; nothing behind `head`. XEP-0059 leaves open what `after` and `before` mean together: here both bound
 * the page, which is the last one between them.
 */
export function rangeOf(filter: Filter, { after, before }: Page, head: number): Range {
  return {
    above: Math.max(filter.above, after === undefined ? 0 : idOf(after)),
    below: Math.min(filter.below, before === undefined || before === '' ? Infinity : idOf(before), head + 1),
    // XEP-0059 §2.3 and §2.5: also where it is empty.
    backwards: before !== undefined,
  };
}

/** The end of a page (§4.3), whose messages have these ids, in order. */
export function fin(
  complete: boolean,
  ids: readonly number[],
  whole: { readonly count?: number | undefined; readonly index?: number | undefined } = {},
): Element {
  const [first, last] = [ids[0]?.toString(), ids.at(-1)?.toString()];
  return el('fin', NS.mam, { complete: complete ? 'true' : undefined }, [
    foundSet({ first, last, ...whole }),
  ]);
}

interface End {
  readonly id: number;
  readonly stamp: string;
}

/** The ends of an archive (§5); undefined for one without anything. */
export function metadata(ends: readonly End[] | undefined): Element {
  const [start, end] = ends ?? [];
  const one = (name: string, { id, stamp }: End) => el(name, NS.mam, { id: String(id), timestamp: stamp });
  return el(
    'metadata',
    NS.mam,
    {},
    start === undefined || end === undefined ? [] : [one('start', start), one('end', end)],
  );
}
