import { fixed } from '../base/fixed.ts';
import { el, type Element } from '../xmpp/element.ts';
import { StanzaError } from '../xmpp/error.ts';
import { NS } from '../xmpp/namespaces.ts';
import { accountRows } from './accountrows.ts';
import type { Feature, Request, Visit } from './iq.ts';
import { mayKnow } from './mayknow.ts';
import { settled } from './roster.ts';
import type { Session } from './session.ts';
import type { Work } from './work.ts';

const request = `get query ${NS.last}`;

/** Last activity (XEP-0012). What is asked of a resource goes to it, if who asks sees its presence (visit.ts). */
export const last: Feature = {
  server: { [request]: uptime },
  // Who asks is connected (§3).
  account: { [request]: () => answer(0) },
  visitors: { [request]: tell },
  serverFeatures: [NS.last],
  accountFeatures: [NS.last],
};

/** §5. In a pool: of the server that speaks for the domain to this account. */
function uptime({ account }: Request): Element {
  return answer(account.partition.env.clock.mono());
}

/** §3: how long nobody has been there, and with which words the last one went. */
async function tell({ account, from }: Visit): Promise<Element> {
  if (!(await mayKnow(account, from))) throw new StanzaError('forbidden');
  const { partition } = account;
  await settled(account);
  const [row] = await partition.env.store.query<{ gone: number | null; farewell: string | null }>(
    accountRows.whenGone,
    [partition.id, account.id],
  );
  if (account.sessions.length > 0) return answer(0);
  // They were never there: there is nothing to tell of.
  if (row === undefined || row.gone === null) throw new StanzaError('item-not-found');
  return answer(partition.env.clock.now() - row.gone, row.farewell ?? undefined);
}

function answer(ms: number, status?: string): Element {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  return el('query', NS.last, { seconds: `${seconds}` }, status === undefined ? [] : [status]);
}

/** The status of an unavailable presence, as far as it is kept. */
export function farewellOf(presence: Element): string | undefined {
  const status = presence.child('status')?.text() ?? '';
  return status === '' || Buffer.byteLength(status) > fixed.farewell.value ? undefined : status;
}

/** The last session of its account ends with this unit. */
export function leaveWord(work: Work, { account, partition, farewell }: Session): void {
  const now = partition.env.clock.now();
  work.write(accountRows.gone, [partition.id, account.id, now, farewell ?? null], account.id);
}
