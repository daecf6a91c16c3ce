import { key } from '../../entity/requests.ts';
import { fixed } from '../../base/fixed.ts';
import type { Element } from '../../xmpp/element.ts';
import { StanzaError, StreamError } from '../../xmpp/error.ts';
import { Jid } from '../../xmpp/jid.ts';
import { NS } from '../../xmpp/namespaces.ts';
import { serialise, textOf } from '../../xmpp/serialise.ts';
import { errorReply, payloadOf } from '../../xmpp/stanza.ts';
import { serverHandlers } from '../features.ts';
import { resultOf } from '../iq.ts';
import { reply } from '../iqroute.ts';
import { placeOf, sendDurable, sendPassing, writeLetter } from '../route.ts';
import { copied, subscription, uncopied, type Kind, type Origin } from '../rows.ts';
import type { Session } from '../session.ts';
import { isSubscription } from '../states.ts';
import { classify, mayBeCopied } from '../storing.ts';
import { between } from '../subscription.ts';
import { sendVisit } from '../visit.ts';
import { Work } from '../work.ts';
import { answered, keepForComponent, tellSender } from './component.ts';
import { answerAbsent } from './absent.ts';
import { isComponent } from './known.ts';

/**
 * A stanza from a component (XEP-0114 §3): from any address at its domain, to anybody in this community. Throws
 * `StreamError` where it may not be said at all, `StanzaError` where it is answered with an error.
 */
export function sendFromComponent(work: Work, session: Session, stanza: Element): void | Promise<void> {
  const { account } = session;
  const { from, to: address, type } = stanza.attrs;
  if (from === undefined || address === undefined) throw new StreamError('improper-addressing');
  const source = Jid.parse(from);
  if (source === undefined || source.domain !== account.address) throw new StreamError('invalid-from');
  const to = Jid.parse(address);
  if (to === undefined) throw new StanzaError('jid-malformed');
  const stamped = stanza.with({ from: source.full, to: to.full });
  if (stanza.name === 'iq') return sendIq(work, session, stamped, source, to);
  if (placeOf(work.partition, to) === 'foreign') {
    if (type === 'error' || type === 'unavailable') return;
    throw new StanzaError('remote-server-not-found');
  }
  if (stanza.name === 'message') return sendMessage(work, stamped, to);
  return sendPresence(work, stamped, source, to);
}

// ── messages ────────────────────────────────────────────────────────────────────────────────────────────────────────

function sendMessage(work: Work, stanza: Element, to: Jid): void | Promise<void> {
  const { partition } = work;
  if (to.local === '' && !isComponent(partition.env, to.domain)) throw new StanzaError('service-unavailable');
  partition.env.count('message');
  if (classify(stanza) === 'transient') {
    work.after(() => sendPassing(partition, to, stanza));
    return;
  }
  return store(work, stanza, to, false);
}

/**
 * The recipient's part, in the commit that accepts the stanza. Whatever comes back for it is stored as well, because the
 * component believes that it is delivered (invariant 6). `byPost`: that part failed once, and goes through the outbox.
 */
function store(work: Work, stanza: Element, to: Jid, byPost: boolean): void | Promise<void> {
  const { account, session } = work;
  const origin: Origin = { source: session!.id, n: work.n, k: 0 };
  const kind: Kind = mayBeCopied(stanza) ? copied : uncopied;
  const back = (error: unknown) => {
    if (!(error instanceof StanzaError)) throw error;
    keepForComponent(work, account, errorReply(stanza, error), to.bare, { ...origin, k: 1 }, false);
  };
  try {
    if (byPost) {
      writeLetter(work, to, stanza, kind, origin);
      return;
    }
    work.onFailure(() => refused(work, stanza));
    const instead = () => {
      const again = new Work(account, session, work.n);
      again.onFailure(() => refused(again, stanza));
      void store(again, stanza, to, true);
      return again;
    };
    return sendDurable(work, to, stanza, kind, origin, instead)?.catch(back);
  } catch (error) {
    back(error);
  }
}

/** Nothing of it could be stored. */
function refused({ session }: Work, stanza: Element): void {
  session!.send(textOf(errorReply(stanza, new StanzaError('internal-server-error', undefined, 'wait'))));
}

// ── presence ────────────────────────────────────────────────────────────────────────────────────────────────────────

function sendPresence(work: Work, stanza: Element, source: Jid, to: Jid): void | Promise<void> {
  const { partition, session } = work;
  const { type } = stanza.attrs;
  switch (type) {
    case undefined:
    case 'unavailable':
    case 'error':
      work.after(() => sendPassing(partition, to, stanza));
      return;
    case 'probe':
      work.after(() => sendPassing(partition, to, stanza, () => answerAbsent(partition, source, to)));
      return;
    default:
  }
  if (!isSubscription(type)) throw new StanzaError('bad-request', 'presence has no such type');
  const step = stanza.with({ from: source.bare, to: to.bare });
  const origin: Origin = { source: session!.id, n: work.n, k: 0 };
  const nobody = (error: unknown) => {
    if (!(error instanceof StanzaError)) throw error;
    // RFC 6121 §3.1.3, case 1: only a request is answered.
    if (type === 'subscribe')
      work.after(() => session!.send(textOf(between('unsubscribed', to.bare, source.bare))));
  };
  try {
    return sendDurable(work, to.toBare(), step, subscription, origin)?.catch(nobody);
  } catch (error) {
    nobody(error);
  }
}

// ── requests and answers ────────────────────────────────────────────────────────────────────────────────────────────

function sendIq(work: Work, session: Session, iq: Element, source: Jid, to: Jid): void | Promise<void> {
  const { partition } = work;
  const { type, id } = iq.attrs;
  if (id === undefined) throw new StanzaError('bad-request', 'an iq has an id');
  if (type === 'result' || type === 'error') {
    work.after(() => {
      answered(session, iq, to);
      if (to.resource !== '' || isComponent(partition.env, to.domain)) sendPassing(partition, to, iq);
    });
    return;
  }
  if (type !== 'get' && type !== 'set')
    throw new StanzaError('bad-request', 'an iq is get, set, result or error');
  const payload = payloadOf(iq);
  if (to.local === '' && partition.env.domains.has(to.domain)) {
    const handler = open.has(payload.ns) ? serverHandlers.get(key(type, payload)) : undefined;
    if (handler === undefined) throw new StanzaError('service-unavailable');
    const { account } = session;
    const answer = (result: Element | undefined) =>
      reply(work, session, serialise(resultOf(iq, to.full, source.full, result)));
    const result = handler({ account, session, work, iq, type, payload, to: to.full });
    if (result instanceof Promise) return result.then(answer);
    answer(result);
    return;
  }
  if (placeOf(partition, to) === 'foreign') throw new StanzaError('remote-server-not-found');
  session.asked ??= new Map();
  if (session.asked.size >= fixed.componentRequests.value)
    throw new StanzaError('resource-constraint', 'too many requests are open');
  session.asked.set(`${source.full} ${to.full} ${id}`, work.answers);
  work.after(() => {
    if (to.resource === '' && !isComponent(partition.env, to.domain)) sendVisit(partition, iq, to);
    else
      sendPassing(partition, to, iq, () => tellSender(partition, iq, new StanzaError('service-unavailable')));
  });
}

/** What the server answers to a component: who it is and what it can, and nothing that is about an account. */
const open: ReadonlySet<string> = new Set([NS.discoInfo, NS.discoItems, NS.version, NS.time, NS.ping]);
