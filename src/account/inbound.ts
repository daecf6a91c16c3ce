import { fixed } from '../base/fixed.ts';
import type { Element } from '../xmpp/element.ts';
import { StanzaError, StreamError } from '../xmpp/error.ts';
import { Jid } from '../xmpp/jid.ts';
import { serialise } from '../xmpp/serialise.ts';
import { errorReply } from '../xmpp/stanza.ts';
import { holdsBack } from './blocks.ts';
import { genuine } from './forged.ts';
import { sendFromComponent } from './component/sent.ts';
import { sendIq } from './iqroute.ts';
import { endSession } from './end.ts';
import { sendMessage } from './message.ts';
import { sendPresence } from './presence.ts';
import type { Session } from './session.ts';
import { sessionRows } from './sessionrows.ts';
import { sendSubscription } from './subscription.ts';
import { unstored } from './unstored.ts';
import { Work } from './work.ts';

/** Step 3 of a message's way: stanza n of a session. Runs in the account's mailbox. */
export function receiveStanza(session: Session, n: number, stanza: Element): void | Promise<void> {
  if (session.ended) return;
  if (n <= session.n) return replay(session, n, stanza);
  if (n !== session.n + 1) {
    // The link never loses frames: a gap means that the mux and we do not speak of the same session any more.
    session.partition.env.log.error(
      { session: session.id, n, expected: session.n + 1 },
      'a gap in the inbound numbers',
    );
    session.frame({ t: 'close', condition: 'reset', text: undefined });
    session.mux = undefined;
    return endSession(session);
  }
  session.n = n;
  return run(new Work(session.account, session, n), session, stanza);
}

function run(work: Work, session: Session, stanza: Element): void | Promise<void> {
  work.onFailure((error) => void refuse(session, work, stanza, unstored(error)));
  try {
    const pending = dispatch(work, session, stanza);
    if (pending !== undefined)
      return pending
        .then(() => work.commit())
        .catch((error: unknown) => refuse(session, work, stanza, error));
    work.commit();
  } catch (error) {
    return refuse(session, work, stanza, error);
  }
}

function dispatch(work: Work, session: Session, received: Element): void | Promise<void> {
  if (session.account.component) return sendFromComponent(work, session, unforged(received, session));
  const { from, to: address } = received.attrs;
  // RFC 6120 §8.1.2.1: a client may only speak as itself.
  if (from !== undefined && from !== session.full && from !== session.account.address) {
    const claimed = Jid.parse(from)?.full;
    if (claimed !== session.full && claimed !== session.account.address)
      throw new StreamError('invalid-from');
  }
  const to = address === undefined ? undefined : Jid.parse(address);
  if (address !== undefined && to === undefined) throw new StanzaError('jid-malformed');
  if (to !== undefined && session.account.blocks !== undefined && holdsBack(session.account, received, to))
    return;
  const stanza = stamp(received, session, to);
  switch (stanza.name) {
    case 'message':
      return sendMessage(work, stanza, to ?? Jid.parse(session.account.address)!);
    case 'iq':
      return sendIq(work, session, stanza, to);
    default:
      if (to !== undefined && subscriptions.has(stanza.attrs['type'] ?? ''))
        return sendSubscription(work, session, stanza, to);
      return sendPresence(work, session, stanza, to);
  }
}

const subscriptions = new Set(['subscribe', 'subscribed', 'unsubscribe', 'unsubscribed']);

/** `from` by us (RFC 6120 §8.1.2.1), `to` in normal form, the stream's language (§8.1.5), nothing forged (forged.ts). */
function stamp(received: Element, session: Session, to: Jid | undefined): Element {
  const { attrs } = received;
  const lang = attrs['xml:lang'] ?? session.info?.lang;
  const stamped = received.with({ from: session.full, to: to?.full, 'xml:lang': lang });
  return unforged(stamped, session);
}

function unforged(stanza: Element, session: Session): Element {
  return stanza.name === 'iq' ? stanza : genuine(stanza, Jid.parse(session.full)!, session.partition.env);
}

/** The stanza has no effect but an answer; what its unit was to write is dropped. */
function refuse(session: Session, work: Work, stanza: Element, error: unknown): void | Promise<void> {
  if (error instanceof StreamError) {
    session.frame({ t: 'close', condition: error.condition, text: error.text });
    session.mux = undefined;
    return endSession(session);
  }
  let known = error;
  if (!(known instanceof StanzaError)) {
    session.partition.env.log.error({ err: error, stanza: stanza.name }, 'a stanza failed unexpectedly');
    known = new StanzaError('internal-server-error', undefined, 'wait');
  }
  const answer = new Work(session.account, session, work.n, work.answers);
  const { type } = stanza.attrs;
  // RFC 6120 §8.3.1: never an error for an error, nor for a result.
  if (type !== 'error' && type !== 'result') {
    // A component speaks for many.
    const stamped = session.account.component ? stanza : stanza.with({ from: session.full });
    const text = serialise(errorReply(stamped, known as StanzaError));
    answer.after(() => session.send(text, stanza.name === 'iq' ? answer.answers : 0));
  }
  answer.commit();
}

/** A replay changes nothing (DESIGN §5): a request is answered again, everything else only confirmed. */
function replay(session: Session, n: number, stanza: Element): void | Promise<void> {
  if (n <= session.accepted) session.frame({ t: 'accepted', n: session.accepted });
  if (stanza.name === 'iq' && n <= session.accepted) return answerAgain(session, n, stanza);
}

/** Others answer it, and nobody knows whether they did (DESIGN §5: one sent elsewhere). */
function othersAnswer({ account, partition }: Session, to: Jid): boolean {
  if (to.full === account.address) return false;
  return to.local !== '' || !(partition.env.domains.has(to.full) || partition.env.hosts.has(to.full));
}

/** This owner has answered it, and the answer goes to whoever does not have it; or others are being asked. */
function isAnswered({ unacked, asked }: Session, n: number): boolean {
  for (const sent of unacked) if (sent.answers === n) return true;
  for (const open of asked?.values() ?? []) if (open === n) return true;
  return false;
}

/** undefined where the store cannot be asked now: what else there is to do for the session does not wait for it. */
async function storedAnswers({ id, partition }: Session): Promise<readonly Answer[] | undefined> {
  const { store, log } = partition.env;
  try {
    return await store.query<Answer>(sessionRows.answers, [partition.id, id]);
  } catch (error) {
    log.warn({ err: error }, 'the answers to requests could not be read: tried again');
    return undefined;
  }
}

interface Answer {
  readonly n: number;
  readonly xml: string;
}

/** A request that was acted on by an owner before us and not answered: a `get` runs again, a `set` has its stored outcome. */
export async function answerAgain(session: Session, n: number, stanza: Element): Promise<void> {
  const { type } = stanza.attrs;
  // Once more it would run behind what came after it.
  if ((type !== 'get' && type !== 'set') || isAnswered(session, n)) return;
  const { partition } = session;
  const stored = await storedAnswers(session);
  if (stored === undefined) {
    const again = () => (session.ended || partition.ended ? undefined : answerAgain(session, n, stanza));
    partition.env.clock.after(fixed.accountPause.value, () => session.account.mailbox.run(again));
    return;
  }
  const outcome = stored.find((row) => row.n === n);
  if (outcome !== undefined) {
    (session.answers ??= new Map()).set(n, 0);
    session.send(outcome.xml, n);
    return;
  }
  const to = Jid.parse(stanza.attrs['to'] ?? session.account.address);
  const work = new Work(session.account, session, 0, n);
  if (to !== undefined && othersAnswer(session, to)) {
    const timeout = new StanzaError('remote-server-timeout');
    return refuse(session, work, stanza, timeout);
  }
  return run(work, session, stanza);
}
