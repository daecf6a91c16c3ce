import { key } from '../entity/requests.ts';
import type { Element } from '../xmpp/element.ts';
import { StanzaError } from '../xmpp/error.ts';
import { Jid } from '../xmpp/jid.ts';
import { serialise, textOf } from '../xmpp/serialise.ts';
import { errorReply, payloadOf } from '../xmpp/stanza.ts';
import type { Account } from './account.ts';
import { answeredCaps } from './caps.ts';
import { isComponent } from './component/known.ts';
import { accountHandlers, aside, serverHandlers, services } from './features.ts';
import { resultOf, type Handler, type Request } from './iq.ts';
import { placeOf, sendPassing } from './route.ts';
import type { Session } from './session.ts';
import { sessionRows } from './sessionrows.ts';
import { isVisit, sendVisit } from './visit.ts';
import type { Work } from './work.ts';

/** An iq from one of our sessions, stamped with its full address (RFC 6120 §8.2.3, RFC 6121 §8.4 and §8.5). */
export function sendIq(work: Work, session: Session, iq: Element, to: Jid | undefined): void | Promise<void> {
  const { type, id } = iq.attrs;
  if (id === undefined) throw new StanzaError('bad-request', 'an iq has an id');
  if (type === 'result' || type === 'error') {
    if (to === undefined || to.full === session.account.address)
      work.after(() => {
        // To the own bare address: the account itself has asked (caps.ts, pushes.ts).
        if (!answeredCaps(session, iq) && to !== undefined) sendPassing(work.partition, to, iq);
      });
    else if (to.resource !== '' || to.local !== '' || isComponent(work.partition.env, to.domain))
      work.after(() => sendPassing(work.partition, to, iq));
    return;
  }
  if (type !== 'get' && type !== 'set')
    throw new StanzaError('bad-request', 'an iq is get, set, result or error');
  const payload = payloadOf(iq);
  if (to === undefined || to.full === session.account.address)
    return handle(work, session, iq, type, payload, accountHandlers.get(key(type, payload)), to?.full);
  if (to.local === '' && session.partition.env.domains.has(to.domain))
    return handle(work, session, iq, type, payload, serverHandlers.get(key(type, payload)), to.full);
  const own = ownHandler(session, key(type, payload), to);
  if (own !== undefined) return handle(work, session, iq, type, payload, own, to.full);
  ask(work, session, iq, id, to);
}

/** What a service answers to people of this community at their own owner. */
function ownHandler(session: Session, request: string, to: Jid): Handler | undefined {
  const label = to.local === '' ? session.partition.env.hosts.get(to.full) : undefined;
  return label === undefined ? undefined : services.get(label)?.handlers?.[request];
}

/** Runs a feature's handler; its writes and the outcome commit together, and the answer leaves after that. */
function handle(
  work: Work,
  session: Session,
  iq: Element,
  type: 'get' | 'set',
  payload: Element,
  handler: Handler | undefined,
  to: string | undefined,
): void | Promise<void> {
  // RFC 6120 §8.4: never silence.
  if (handler === undefined) throw new StanzaError('service-unavailable');
  const { account } = session;
  const request = { account, session, work, iq, type, payload, to: to ?? account.address };
  if (aside.has(key(type, payload))) {
    handleAside(handler, request);
    return;
  }
  const answer = (result: Element | undefined) =>
    reply(work, session, serialise(resultOf(iq, to, session.full, result)));
  const result = handler(request);
  if (result instanceof Promise) return result.then(answer);
  answer(result);
}

/** A request that may wait for its client: what comes behind it does not wait, and it writes nothing (iq.ts, aside). */
function handleAside(handler: Handler, request: Request): void {
  const { session, work, iq } = request;
  const send = (answer: Element) =>
    session.account.inOrder(() => session.send(serialise(answer), work.answers));
  work.after(() => {
    Promise.resolve()
      .then(() => handler(request))
      .then(
        (result) => send(resultOf(iq, iq.attrs['to'], session.full, result)),
        (error: unknown) => {
          if (!(error instanceof StanzaError))
            session.partition.env.log.error({ err: error }, 'a request failed unexpectedly');
          const known =
            error instanceof StanzaError
              ? error
              : new StanzaError('internal-server-error', undefined, 'wait');
          send(errorReply(iq, known));
        },
      );
  });
}

/** Sends the answer of a request; where the request wrote something, its outcome is stored with it (DESIGN §5, sessions). */
export function reply(work: Work, session: Session, text: string): void {
  work.step(() => {
    if (work.ops.length > 0) {
      work.write(sessionRows.answer, [session.partition.id, session.id, work.answers, text]);
      (session.answers ??= new Map()).set(work.answers, 0);
    }
    work.after(() => session.send(text, work.answers));
  });
}

/** A request to somebody's resource, or to what another owner answers: remembered, so that its answer names its n. */
function ask(work: Work, session: Session, iq: Element, id: string, to: Jid): void {
  if (placeOf(work.partition, to) === 'foreign') throw new StanzaError('remote-server-not-found');
  session.asked ??= new Map();
  if (session.asked.size >= session.partition.env.limits.requests)
    throw new StanzaError('resource-constraint', 'too many requests are open');
  session.asked.set(askedKey(to.full, id), work.answers);
  if (isVisit(iq, to)) {
    work.after(() => sendVisit(work.partition, iq, to));
    return;
  }
  work.after(() =>
    sendPassing(work.partition, to, iq, () =>
      receiveIq(
        session.account,
        errorReply(iq, new StanzaError('service-unavailable')),
        Jid.parse(session.full)!,
      ),
    ),
  );
}

function askedKey(address: string, id: string): string {
  return `${address} ${id}`;
}

/** An iq from elsewhere for a resource of this account (RFC 6121 §8.5.3). */
export function receiveIq(account: Account, iq: Element, to: Jid): void {
  const { type, id = '', from = '' } = iq.attrs;
  const session = account.session(to.resource);
  if (type === 'result' || type === 'error') {
    if (to.resource === '') account.push?.answered(iq);
    if (session === undefined) return;
    const asked = askedKey(from, id);
    const n = session.asked?.get(asked);
    session.asked?.delete(asked);
    if (session.asked?.size === 0) session.asked = undefined;
    session.send(textOf(iq), n ?? 0);
    return;
  }
  if (session !== undefined) {
    session.send(textOf(iq));
    return;
  }
  const back = Jid.parse(from);
  if (back !== undefined)
    sendPassing(account.partition, back, errorReply(iq, new StanzaError('service-unavailable')));
}

/** An iq could not be handed on: its sender is told (DESIGN §5, a request sent elsewhere). */
export function unreachable(iq: Element): Element | undefined {
  const { type } = iq.attrs;
  if (type !== 'get' && type !== 'set') return undefined;
  return errorReply(iq, new StanzaError('remote-server-timeout'));
}
