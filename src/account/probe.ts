import { Jid } from '../xmpp/jid.ts';
import type { Account } from './account.ts';
import { castOf, unavailable, type Cast } from './cast.ts';
import { withRoster } from './roster.ts';
import { placeOf, sendPassing } from './route.ts';
import type { Session } from './session.ts';
import { between, forward, prepare } from './subscription.ts';
import { Work } from './work.ts';

/**
 * Presence that was given away in the name of a session which only its row knows: the mux that attaches it may bring a
 * newer one (`presence.ts`, refresh).
 */
const given = new WeakMap<Session, string>();

/** What others were told of this session while it waited for its mux; forgets it. */
export function takeGiven(session: Session): string | undefined {
  const text = given.get(session);
  given.delete(session);
  return text;
}

/**
 * What an account says to who asks for its presence (RFC 6121 §4.3.2). `gives` gets the presence of each available
 * resource, or, where `absent` is wanted too, "unavailable" of the account. Runs in the account's mailbox.
 */
export function answer(account: Account, asker: string, absent: boolean, gives: (cast: Cast) => void): void {
  withRoster(account, (roster) => {
    if (asker !== account.address && roster.get(asker)?.from !== true) {
      // Case 1: whoever asks without a subscription learns that it has none.
      deny(account, asker).catch((error: unknown) =>
        account.partition.env.log.warn({ err: error }, 'a probe could not be answered'),
      );
      return;
    }
    let some = false;
    for (const session of account.sessions) {
      if (!session.available) continue;
      some = true;
      const cast = castOf(session);
      if (session.dormant) given.set(session, cast.text(''));
      gives(cast);
    }
    if (!some && absent) gives(unavailable(account.address));
  });
}

/** A probe that came from elsewhere, or from a client. */
export function answerProbe(account: Account, from: Jid): void {
  const { partition } = account;
  answer(account, from.bare, true, (cast) => sendPassing(partition, from, cast.element(from.full)));
}

/** Said where it holds when it is stored: meanwhile the request may have been granted, and both sides would differ for ever. */
async function deny(account: Account, asker: string): Promise<void> {
  const to = Jid.parse(asker);
  if (to === undefined || placeOf(account.partition, to) === 'foreign') return;
  await prepare(account, to);
  const work = new Work(account);
  work.step(() => {
    if (account.roster?.get(asker)?.from === true) return;
    const origin = { source: account.id, n: account.nextId(), k: 0 };
    forward(work, account, between('unsubscribed', account.address, asker), 'unsubscribed', to, origin);
  });
  work.commit();
}
