import type { Jid } from '../xmpp/jid.ts';
import type { Account } from './account.ts';
import { blocksAddress } from './blocks.ts';
import { broadcastOf, unavailable, type Broadcast } from './broadcast.ts';
import { withRoster } from './roster.ts';
import { sendPassing } from './route.ts';
import { isComponent } from './component/known.ts';
import type { Session } from './session.ts';
import { between } from './subscription.ts';

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

/** The same for the next owner. */
export function givenOf(session: Session): string | undefined {
  return given.get(session);
}

/** This was given in its name, by the last owner. */
export function remember(session: Session, text: string): void {
  given.set(session, text);
}

/**
 * What an account says to who asks for its presence (RFC 6121 §4.3.2). `gives` gets the presence of each available
 * resource, or, where `absent` is wanted too, "unavailable" of the account; `denied` runs for who may not see it. Runs in
 * the account's mailbox.
 */
export function answer(
  account: Account,
  asker: string,
  absent: boolean,
  gives: (broadcast: Broadcast) => void,
  denied: () => void = () => {},
): void {
  if (blocksAddress(account, asker)) {
    // As where nobody is there (XEP-0191 §3.3); a probe of a client did not come so far.
    if (absent) gives(unavailable(account.address));
    return;
  }
  withRoster(account, (roster) => {
    if (asker !== account.address && roster.get(asker)?.from !== true) {
      denied();
      return;
    }
    let some = false;
    for (const session of account.sessions) {
      if (!session.available) continue;
      some = true;
      const broadcast = broadcastOf(session);
      if (session.dormant) given.set(session, broadcast.text(''));
      gives(broadcast);
    }
    if (!some && absent) gives(unavailable(account.address));
  });
}

/** A probe that came from elsewhere, or from a client. */
export function answerProbe(account: Account, from: Jid): void {
  const { partition } = account;
  answer(
    account,
    from.bare,
    true,
    (broadcast) => sendPassing(partition, from, broadcast.element(from.full)),
    () => deny(account, from),
  );
}

/**
 * Whoever asks without a subscription learns that it has none (case 1). Only the client that asked, or a component: what two accounts here
 * hold of each other changes at both sides in one step, so there is nothing to heal, and a denial that comes late would undo
 * a request that has been made meanwhile.
 */
function deny(account: Account, asker: Jid): void {
  if (asker.resource === '' && !isComponent(account.partition.env, asker.domain)) return;
  const stanza = between('unsubscribed', account.address, asker.full);
  sendPassing(account.partition, asker, stanza);
}
