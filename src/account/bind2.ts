import { token } from '../base/random.ts';
import type { Bind2, Bound } from '../link/frames.ts';
import { sql } from '../store/store.ts';
import type { Element } from '../xmpp/element.ts';
import { Jid } from '../xmpp/jid.ts';
import type { Account } from './account.ts';
import { metadataOf } from './archive.ts';
import { Lull } from './lull.ts';
import { keep } from './record.ts';
import type { Session } from './session.ts';
import { hashOf, previdOf } from './ticket.ts';

/** What waits for no resource that is there, and is in the archive for everybody to read. */
const spooled = sql`select id from message
  where partition = $1 and account = $2 and id > $3 and pending = 1 and shown = 1 order by id`;

/** XEP-0386 §3.2.1: the client's tag, where an address can have it, and what tells this client from others. */
export function taggedResource(account: Account, tag: string | undefined, own: string): string {
  const jid = tag === undefined ? undefined : Jid.parse(`${account.address}/${tag}/${own}`);
  return jid === undefined || !jid.resource.endsWith(`/${own}`) ? own : jid.resource;
}

/** How the session begins (§3.2), before its first commit; how stream management is enabled (XEP-0198 §9.1). */
export function beginWith(session: Session, { carbons, inactive, enable }: Bind2): Bound['enabled'] {
  const { env } = session.partition;
  session.carbons = carbons;
  if (inactive) session.lull = new Lull();
  if (carbons || inactive) keep(session);
  if (enable === undefined) return undefined;
  session.enabled = { n: 0, m: 0 };
  const max = env.limits.resume;
  if (!enable.resume) return { id: undefined, max };
  const secret = token(env.random);
  session.token = hashOf(secret);
  return { id: previdOf(session.id, secret), max };
}

/** What is read before it: the ends of the archive, and what of the spool is in it. */
export async function lookAround(
  account: Account,
): Promise<{ readonly metadata: Element; readonly spooled: readonly number[] }> {
  const { partition, id, watermark } = account;
  const [metadata, rows] = await Promise.all([
    metadataOf(account),
    account.spooled === 0
      ? []
      : partition.env.store.query<{ id: number }>(spooled, [partition.id, id, watermark]),
  ]);
  return { metadata, spooled: rows.map((row) => row.id) };
}

/**
 * §3.2: offline messages are not sent to who reads the archive. What is not in there stays, and so does what a session has
 * in hand.
 */
export function clearSpool(account: Account, ids: readonly number[]): void {
  for (const id of ids) if (account.isWaiting(id)) account.settle(id);
}
