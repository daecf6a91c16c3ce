import { fixed } from '../base/fixed.ts';
import { sql, type Value } from '../store/store.ts';
import { formatDate } from '../xmpp/datetime.ts';
import { el, type Element } from '../xmpp/element.ts';
import { NS } from '../xmpp/namespaces.ts';
import { retractedBy } from '../xmpp/retract.ts';
import { parseStored } from '../xmpp/parser.ts';
import { attribute, textOf } from '../xmpp/serialise.ts';
import type { Account } from './account.ts';
import type { Feature } from './iq.ts';
import { settled } from './roster.ts';
import type { Direction } from './rows.ts';
import type { Work } from './work.ts';

/**
 * Retractions (XEP-0424) are stored like any message. What they retract becomes a tombstone (§5) in each archive of an
 * account here, in the commit that stores the retraction; so it is nothing more that waits in a spool either.
 */
export const retraction: Feature = {
  serverFeatures: [NS.retract],
  accountFeatures: [NS.retract, `${NS.retract}#tombstone`],
};

const rows = {
  /** The newest of what one side said to the other; most retract what they said a moment ago. */
  newest: sql`select id, xml from message where partition = $1 and account = $2 and id > $3 and id < $4
    and peer = $5 and direction = $6 and xml <> '' order by id desc limit $7`,
  edge: sql`select min(id) as edge from (select id from message
    where partition = $1 and account = $2 and id < $3 order by id desc limit $4) as slice`,
  bury: sql`update message set xml = $4 where partition = $1 and account = $2 and id = $3`,
};

export type Grave = readonly Value[];

/**
 * Looks for the message in the archive of `account`: said in the same direction between the same two (§6: "from the same
 * bare JID"), not too long ago. The values are for `bury`. Runs in a mailbox.
 */
export async function graveOf(
  account: Account,
  retracting: Element,
  direction: Direction,
  peer: string,
): Promise<Grave | undefined> {
  const { partition } = account;
  const { store, clock } = partition.env;
  const id = retractedBy(retracting);
  if (id === undefined || retracting.attrs['id'] === undefined) return undefined;
  const named = ` id="${attribute(id)}"`;
  // What it retracts may be on its way to the store.
  await settled(account);
  const slice = fixed.retractSlice.value;
  const [found] = await store.query<{ edge: number | null }>(rows.edge, [
    partition.id,
    account.id,
    Number.MAX_SAFE_INTEGER,
    slice,
  ]);
  let below = Number.MAX_SAFE_INTEGER;
  for (; found !== undefined && found.edge !== null;) {
    // oxlint-disable-next-line no-await-in-loop -- the next page begins where this one ended
    const page = await store.query<{ id: number; xml: string }>(rows.newest, [
      partition.id,
      account.id,
      found.edge - 1,
      below,
      peer,
      direction,
      pageRows,
    ]);
    for (const row of page) {
      below = row.id;
      // As serialise.ts writes it: few rows are worth to be parsed.
      if (!row.xml.startsWith('<message') || !row.xml.includes(named)) continue;
      const original = parseStored(row.xml);
      if (original.attrs['id'] !== id || !sameAuthor(original, retracting)) continue;
      // §5: the contents go. A retraction stays (§6), and so does what is a tombstone already.
      if (retractedBy(original) !== undefined || original.child('retracted', NS.retract) !== undefined)
        return undefined;
      return [
        partition.id,
        account.id,
        row.id,
        textOf(tombstone(original, retracting.attrs['id'], formatDate(clock.now()))),
      ];
    }
    if (page.length < pageRows) break;
  }
  return undefined;
}

/** Joins `work`, in the step in which it goes to the lane. */
export function bury(work: Work, grave: Grave): void {
  work.step(() => void work.write(rows.bury, grave));
}

/** §6: in a room's name several people speak, each with a resource of it. */
function sameAuthor(original: Element, retracting: Element): boolean {
  if (original.child('x', NS.mucUser) === undefined) return true;
  return original.attrs['from'] === retracting.attrs['from'];
}

function tombstone({ name, ns, attrs }: Element, by: string, stamp: string): Element {
  return el(name, ns, { ...attrs }, [el('retracted', NS.retract, { id: by, stamp })]);
}

const pageRows = 50;
