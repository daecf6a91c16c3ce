import type { Element } from '../xmpp/element.ts';
import { StanzaError } from '../xmpp/error.ts';
import { Jid } from '../xmpp/jid.ts';
import { textOf } from '../xmpp/serialise.ts';
import { errorReply } from '../xmpp/stanza.ts';
import type { Account } from './account.ts';
import { storeRow } from './append.ts';
import { isShown } from './archiving.ts';
import { isBlocked, refusalOf } from './blocks.ts';
import { waitingKey } from './csi.ts';
import { copyPassing } from './carbons.ts';
import { received } from './forged.ts';
import { passToComponent, storeForComponent } from './component/component.ts';
import { receiveIq } from './iqroute.ts';
import { receivePresence } from './presence.ts';
import { retractedBy } from '../xmpp/retract.ts';
import { bury, graveOf } from './retract.ts';
import { sendPassing } from './route.ts';
import { incoming, subscription, type Kind, type Origin } from './rows.ts';
import { mayBeCopied } from './storing.ts';
import type { Session } from './session.ts';
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
  if (recipient.blocks !== undefined && isBlocked(recipient, from)) {
    // XEP-0191 §3.3: no presence is answered. What ends something is noted, without a word to anybody's client.
    if (kind === subscription)
      return stanza.attrs['type'] === 'subscribe'
        ? undefined
        : receiveSubscription(work, recipient, stanza, from, origin, posted, true);
    const refusal = refusalOf(stanza);
    if (refusal !== undefined) throw refusal;
    return;
  }
  if (kind === subscription) return receiveSubscription(work, recipient, stanza, from, origin, posted);
  if (recipient.spooled >= recipient.partition.env.limits.spool)
    throw new StanzaError('resource-constraint', 'too many messages wait for this account');
  const clean = received(stanza, from, recipient.address, recipient.partition.env);
  if (retractedBy(clean) !== undefined) return retract();
  const shown = isShown(recipient, from, clean);
  if (typeof shown !== 'boolean') return shown.then(keep);
  storeMessage(work, recipient, clean, from, to, kind, origin, posted, shown);

  /** Behind a wait, in which its sender may have been blocked. */
  function keep(decided: boolean): void {
    if (isBlocked(recipient, from!)) throw new StanzaError('service-unavailable');
    storeMessage(work, recipient, clean, from!, to, kind, origin, posted, decided);
  }

  /** XEP-0424 §5 */
  async function retract(): Promise<void> {
    const grave = await graveOf(recipient, clean, incoming, from!.bare);
    const decided = await isShown(recipient, from!, clean);
    if (grave !== undefined && !isBlocked(recipient, from!)) bury(work, grave);
    keep(decided);
  }
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
  if (account.blocks !== undefined) {
    const from = Jid.parse(stanza.attrs['from'] ?? '');
    if (from !== undefined && isBlocked(account, from)) {
      const refusal = refusalOf(stanza);
      if (refusal !== undefined) sendPassing(account.partition, from, errorReply(stanza, refusal));
      return;
    }
  }
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
function passMessage(account: Account, message: Element, to: Jid): void {
  const from = Jid.parse(message.attrs['from'] ?? '');
  const stanza =
    from === undefined ? message : received(message, from, account.address, account.partition.env);
  const text = textOf(stanza);
  const { type } = stanza.attrs;
  const session = to.resource === '' ? undefined : account.session(to.resource);
  const send = (one: Session) => {
    const key = one.lull === undefined ? undefined : waitingKey(stanza, account.address);
    if (key === undefined) one.send(text);
    else one.sendLater(key, text);
  };
  if (session !== undefined) {
    send(session);
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
  for (const one of account.sessions) if (one.ready) send(one);
}
