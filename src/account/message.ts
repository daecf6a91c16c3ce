import { failed } from '../base/failure.ts';
import type { Element } from '../xmpp/element.ts';
import { StanzaError } from '../xmpp/error.ts';
import type { Jid } from '../xmpp/jid.ts';
import { textOf } from '../xmpp/serialise.ts';
import { errorReply } from '../xmpp/stanza.ts';
import { isShown } from './archiving.ts';
import { storeRow } from './append.ts';
import { isComponent } from './component/known.ts';
import { isRoom, sendRoomMessage } from './hall/send.ts';
import { copyPassing } from './carbons.ts';
import { isApproval, passApproval } from './pubsub/authorize.ts';
import { retractedBy } from '../xmpp/retract.ts';
import { bury, graveOf } from './retract.ts';
import { sendDurable, sendPassing, writeLetter } from './route.ts';
import { bounce, incoming, copied, outgoing, uncopied, type Kind, type Origin } from './rows.ts';
import { classify, mayBeCopied } from './storing.ts';
import { unstored } from './unstored.ts';
import { Work } from './work.ts';

/** A message from one of our sessions, stamped with its full address (steps 3 and 5 of a message's way). */
export function sendMessage(work: Work, stanza: Element, to: Jid): void | Promise<void> {
  if (asksAnswer(work, stanza, to)) {
    work.after(() => passApproval(work.partition, stanza, to));
    return;
  }
  // A private message is kept by its sender's archive, too (XEP-0045 §7.5); what is said to all is in the room's alone.
  if (isRoom(work.partition.env, to) && (to.resource === '' || stanza.attrs['type'] === 'groupchat'))
    return sendRoomMessage(
      work,
      stanza,
      to,
      (error) => returnToSender(work, stanza, to, error),
      (failedWork, error) => failedMessage(failedWork, stanza, to, error),
    );
  // RFC 6121 §8.5.1: the server itself takes no messages. §8.5.2.1.1: an account takes no groupchat; a resource may.
  const domain = to.local === '' || (stanza.attrs['type'] === 'groupchat' && to.resource === '');
  if (domain && !isComponent(work.partition.env, to.domain)) throw new StanzaError('service-unavailable');
  work.partition.env.count('message');
  if (classify(stanza) === 'transient') {
    work.after(() => pass(work, stanza, to));
    return;
  }
  if (retractedBy(stanza) !== undefined) return retract(work, stanza, to);
  const shown = isShown(work.account, to, stanza);
  if (typeof shown !== 'boolean') return shown.then((decided) => store(work, stanza, to, decided, false));
  return store(work, stanza, to, shown, false);
}

/** An owner of a PubSub node tells whether somebody may subscribe (XEP-0060 §8.6). */
function asksAnswer(work: Work, stanza: Element, to: Jid): boolean {
  const own = to.full === work.account.address || (to.local === '' && work.partition.env.hosts.has(to.full));
  return own && isApproval(stanza);
}

/** XEP-0424 §5, in the sender's archive; the recipient's is their owner's to look after (arrive.ts). */
async function retract(work: Work, stanza: Element, to: Jid): Promise<void> {
  const { account } = work;
  const direction = to.bare === account.address ? incoming : outgoing;
  const grave = await graveOf(account, stanza, direction, to.bare);
  const shown = await isShown(account, to, stanza);
  if (grave !== undefined) bury(work, grave);
  return store(work, stanza, to, shown, false);
}

/** What nobody stores reaches who is there, and copies of it our own other resources (XEP-0280 §8). */
function pass(work: Work, stanza: Element, to: Jid): void {
  const { account, partition, session } = work;
  sendPassing(partition, to, stanza, () => {
    // RFC 6121 §8.5.3.2.1: of all types only groupchat is answered where nobody is there.
    if (stanza.attrs['type'] === 'groupchat')
      session!.send(textOf(errorReply(stanza, new StanzaError('service-unavailable'))));
  });
  if (mayBeCopied(stanza)) copyPassing('sent', account, stanza, session!.resource);
}

/**
 * The sender's copy, then the recipient's part. `byPost`: the recipient's part failed once; it goes through the outbox,
 * which tries again and tells the sender if it never succeeds.
 */
function store(work: Work, stanza: Element, to: Jid, shown: boolean, byPost: boolean): void | Promise<void> {
  const { account, session } = work;
  const origin: Origin = { source: session!.id, n: work.n, k: 0 };
  const kind: Kind = mayBeCopied(stanza) ? copied : uncopied;
  const own = to.bare === account.address;
  const row = {
    direction: own ? incoming : outgoing,
    kind,
    peer: to.bare,
    target: own && to.resource !== '' && account.session(to.resource) !== undefined ? to.resource : '',
    session: session!.id,
    shown: shown ? 1 : 0,
    sent: work.partition.env.clock.now(),
    xml: textOf(stanza),
  };
  // A message to oneself is one row (DESIGN §5, names and numbers).
  storeRow(work, account, row, origin, { pending: own, posted: false });
  work.partition.env.count('message-archived');
  if (own) return;
  if (byPost) {
    writeLetter(work, to, stanza, kind, origin);
    return;
  }
  const instead = () => {
    const again = new Work(account, session, work.n);
    again.onFailure((error) => failedMessage(again, stanza, to, error));
    void store(again, stanza, to, shown, true);
    return again;
  };
  work.onFailure((error) => failedMessage(work, stanza, to, error));
  const back = (error: unknown) => returnToSender(work, stanza, to, error);
  try {
    return sendDurable(work, to, stanza, kind, origin, instead)?.catch(back);
  } catch (error) {
    back(error);
  }
}

/** What cannot be delivered ends as an error to its sender, stored like a message, because the message was (invariant 6). */
function returnToSender(work: Work, stanza: Element, to: Jid, error: unknown): void {
  if (!(error instanceof StanzaError)) throw error;
  const { session } = work;
  if (stanza.attrs['type'] === 'error') return;
  storeBounce(work, errorReply(stanza, error), to.bare, session!.resource, {
    source: session!.id,
    n: work.n,
    k: 1,
  });
}

/** Nothing of it could be stored: its sender is told, and where the store takes anything at all, that is stored. */
function failedMessage(failedWork: Work, stanza: Element, to: Jid, cause: Error): Work | void {
  const { account, session, n } = failedWork;
  const overloaded = failed(cause, 'overloaded');
  const error = unstored(cause);
  const tell = () => {
    if (stanza.attrs['type'] !== 'error') session!.send(textOf(errorReply(stanza, error)));
  };
  if (overloaded) return tell();
  const work = new Work(account, session, n);
  work.onFailure(tell);
  returnToSender(work, stanza, to, error);
  return work;
}

/** Spools an error for the session that sent what it is about. */
export function storeBounce(
  work: Work,
  error: Element,
  peer: string,
  resource: string,
  origin: Origin,
): void {
  const { account } = work;
  work.partition.env.count('message-bounced');
  const row = {
    direction: incoming,
    kind: bounce,
    peer,
    target: resource,
    session: 0,
    shown: 0,
    sent: work.partition.env.clock.now(),
    xml: textOf(error),
  };
  storeRow(work, account, row, origin, { pending: true, posted: false });
}
