import type { Element } from '../xmpp/element.ts';
import { StanzaError } from '../xmpp/error.ts';
import { Jid } from '../xmpp/jid.ts';
import { textOf } from '../xmpp/serialise.ts';
import { errorReply } from '../xmpp/stanza.ts';
import type { Account } from './account.ts';
import { storeRow } from './append.ts';
import { isShown } from './archiving.ts';
import { copyPassing } from './carbons.ts';
import { passToComponent, storeForComponent } from './component/component.ts';
import { receiveIq } from './iqroute.ts';
import { receivePresence } from './presence.ts';
import { sendPassing } from './route.ts';
import { incoming, subscription, type Kind, type Origin } from './rows.ts';
import { mayBeCopied } from './storing.ts';
import { receiveSubscription } from './subscription.ts';
import type { Work } from './work.ts';

/**
 * Step 6 of a message's way: the recipient's part of a durable stanza joins `work`. Throws `StanzaError` where the
 * recipient does not take it. `posted`: it came from another lane, and its origin may have been here before.
 */
export function receiveDurable(
  work: Work,
  recipient: Account,
  stanza: Element,
  to: Jid,
  kind: Kind,
  origin: Origin,
  posted: boolean,
): void | Promise<void> {
  work.involve(recipient);
  const from = Jid.parse(stanza.attrs['from'] ?? '');
  if (from === undefined) throw new StanzaError('jid-malformed');
  if (recipient.component) return storeForComponent(work, recipient, stanza, from, kind, origin, posted);
  if (kind === subscription) return receiveSubscription(work, recipient, stanza, from, origin, posted);
  if (recipient.spooled >= recipient.partition.env.limits.spool)
    throw new StanzaError('resource-constraint', 'too many messages wait for this account');
  const shown = isShown(recipient, from, stanza);
  if (typeof shown !== 'boolean')
    return shown.then((decided) =>
      storeMessage(work, recipient, stanza, from, to, kind, origin, posted, decided),
    );
  storeMessage(work, recipient, stanza, from, to, kind, origin, posted, shown);
}

function storeMessage(
  work: Work,
  recipient: Account,
  stanza: Element,
  from: Jid,
  to: Jid,
  kind: Kind,
  origin: Origin,
  posted: boolean,
  shown: boolean,
): void {
  const row = {
    direction: incoming,
    kind,
    peer: from.bare,
    // RFC 6121 §8.5.3.2.1: for a resource that is not there it is handled as for the account.
    target: to.resource !== '' && recipient.session(to.resource) !== undefined ? to.resource : '',
    session: origin.source,
    shown: shown ? 1 : 0,
    sent: recipient.partition.env.clock.now(),
    xml: textOf(stanza),
  };
  storeRow(work, recipient, row, origin, { pending: true, posted });
}

/** A stanza that nobody stores has come for this account. Runs in its mailbox, in order behind what was stored. */
export function receivePassing(account: Account, stanza: Element, to: Jid): void {
  if (account.component) return passToComponent(account, stanza, to);
  switch (stanza.name) {
    case 'presence': {
      const from = Jid.parse(stanza.attrs['from'] ?? '');
      if (from !== undefined) receivePresence(account, stanza, from, to);
      return;
    }
    case 'iq':
      receiveIq(account, stanza, to);
      return;
    default:
      passMessage(account, stanza, to);
  }
}

/** Chat states, headlines, errors (RFC 6121 §8.5): to whom they are for now, and to nobody later. */
function passMessage(account: Account, stanza: Element, to: Jid): void {
  const text = textOf(stanza);
  const { type } = stanza.attrs;
  const session = to.resource === '' ? undefined : account.session(to.resource);
  if (session !== undefined) {
    session.send(text);
    if (mayBeCopied(stanza, true)) copyPassing('received', account, stanza, to.resource);
    return;
  }
  if (type === 'groupchat') {
    // §8.5.3.2.1: nobody is in a room there.
    const back = Jid.parse(stanza.attrs['from'] ?? '');
    if (back !== undefined)
      sendPassing(account.partition, back, errorReply(stanza, new StanzaError('service-unavailable')));
    return;
  }
  // §8.5.2.1.1: errors to the account as a whole are ignored; §8.5.3.2.1: headlines to a resource that is not there, too.
  if (type === 'error' || (type === 'headline' && to.resource !== '')) return;
  for (const one of account.sessions) if (one.ready) one.send(text);
}
