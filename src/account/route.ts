import type { Element } from '../xmpp/element.ts';
import { StanzaError } from '../xmpp/error.ts';
import { letterParams, outboxRows } from '../post/outbox.ts';
import type { Letter } from '../post/post.ts';
import type { Jid } from '../xmpp/jid.ts';
import { textOf } from '../xmpp/serialise.ts';
import type { Account } from './account.ts';
import { entityOf, isComponent } from './component/known.ts';
import type { Partition } from './partition.ts';
import type { Kind, Origin } from './rows.ts';
import type { Work } from './work.ts';

/** Where the account of an address is: in this partition, in another one of ours, or nowhere that we know. */
export type Place = 'here' | 'elsewhere' | 'foreign';

export function placeOf(partition: Partition, to: Jid): Place {
  const number = partition.env.partitionOf(to.bare);
  if (number === undefined) return 'foreign';
  return number === partition.id ? 'here' : 'elsewhere';
}

/**
 * Sends a durable stanza, already stamped with `from`, on behalf of `work.account`. Into its own partition its part joins the
 * work, so that one commit holds both (DESIGN §5, commits); elsewhere the work gets an outbox row, and the post takes it from
 * there after the commit. `instead` makes what is stored in place of the work where the recipient's part cannot be: with it
 * that part joins in every partition that shares the lane. Without a promise where everything is in memory. Throws, or
 * rejects with, `StanzaError` where it cannot be sent at all.
 */
export function sendDurable(
  work: Work,
  to: Jid,
  stanza: Element,
  kind: Kind,
  origin: Origin,
  instead?: () => Work,
): void | Promise<void> {
  const { account, partition } = work;
  const number = partition.env.partitionOf(to.bare);
  if (number === undefined) throw new StanzaError('remote-server-not-found');
  const shared = number === partition.id || instead !== undefined ? partition.beside(number) : undefined;
  if (shared === undefined || account.detoured(to.bare)) {
    writeLetter(work, to, stanza, kind, origin);
    return;
  }
  if (instead !== undefined) work.fallback(() => account.detoured(to.bare) || !shared.serving, instead);
  const hand = (recipient: Account | undefined) => {
    if (recipient === undefined) throw new StanzaError('service-unavailable');
    return shared.arrivals.durable(work, recipient, stanza, to, kind, origin, false);
  };
  const recipient = shared.account(to.bare);
  return recipient instanceof Promise ? recipient.then(hand) : hand(recipient);
}

/** The outbox row of a stanza (DESIGN §3, step 3). */
export function writeLetter(work: Work, to: Jid, stanza: Element, kind: Kind, origin: Origin): void {
  const { account, partition } = work;
  if (
    partition.post.waiting > 0 &&
    partition.post.waitingOf(partition.id, account.id) >= partition.env.limits.outbox
  )
    throw new StanzaError('resource-constraint', 'too many messages of this account wait to be handed over');
  work.step(() => addLetter(work, to, stanza, kind, origin));
}

function addLetter(work: Work, to: Jid, stanza: Element, kind: Kind, origin: Origin): void {
  const { account, partition } = work;
  const letter: Letter = {
    partition: partition.id,
    account: account.id,
    sender: account.address,
    id: account.nextId(),
    to: to.full,
    recipient: to.bare,
    ...origin,
    kind,
    created: partition.env.clock.now(),
    xml: textOf(stanza),
  };
  work.write(outboxRows.add, letterParams(letter));
  account.countLetter(letter.recipient, 1);
  work.ended(() => account.countLetter(letter.recipient, -1));
  work.after(() => partition.post.queue(letter));
}

/**
 * Hands on a stanza that nobody stores. Call it as an effect. Where the recipient is not in memory and nobody waits to
 * be resumed there, it has no sessions: `absent` runs instead.
 */
export function sendPassing(partition: Partition, to: Jid, stanza: Element, absent?: () => void): void {
  const place = placeOf(partition, to);
  if (place === 'elsewhere') {
    partition.post.pass(partition, to.bare, stanza);
    return;
  }
  if (place === 'foreign') {
    absent?.();
    return;
  }
  withSessions(partition, to.bare, (recipient) => partition.arrivals.passing(recipient, stanza, to), absent);
}

/** Runs `use` in the account's mailbox if it may have sessions: it is in memory, or a session of it waits in the store. */
export function withSessions(
  partition: Partition,
  address: string,
  use: (account: Account) => void,
  absent?: () => void,
): void {
  const known = partition.accounts.peek(address);
  if (known !== undefined) {
    // What this account still has in the lane comes first (DESIGN §3, order).
    known.mailbox.run(() => known.inOrder(() => use(known)));
    return;
  }
  const entity = entityOf(partition.env, address);
  // While it is being read nobody can tell yet; and a component answers also while it is not there.
  if (
    !partition.dormant.has(entity) &&
    !partition.accounts.reads(address) &&
    !isComponent(partition.env, entity)
  ) {
    absent?.();
    return;
  }
  Promise.resolve(partition.account(address)).then(
    (account) =>
      account === undefined ? absent?.() : account.mailbox.run(() => account.inOrder(() => use(account))),
    (error: unknown) => partition.env.log.warn({ err: error }, 'an account could not be read'),
  );
}
