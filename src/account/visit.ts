import { key } from '../entity/requests.ts';
import type { Element } from '../xmpp/element.ts';
import { StanzaError } from '../xmpp/error.ts';
import { Jid } from '../xmpp/jid.ts';
import { NS } from '../xmpp/namespaces.ts';
import { errorReply, payloadOf } from '../xmpp/stanza.ts';
import type { Account } from './account.ts';
import { isBlocked } from './blocks.ts';
import { blindHandlers, services, visitorHandlers } from './features.ts';
import { isComponent } from './component/known.ts';
import { resultOf, type Host } from './iq.ts';
import { mayKnow } from './mayknow.ts';
import { placeOf, sendPassing } from './route.ts';
import type { Partition } from './partition.ts';
import { Work } from './work.ts';

/**
 * Is it for the owner of the address to answer? What is asked of a bare address is, and what no resource may be asked by
 * somebody who does not see its presence (XEP-0012 §4).
 */
export function isVisit(iq: Element, to: Jid): boolean {
  const { type } = iq.attrs;
  if (type !== 'get' && type !== 'set') return false;
  return to.resource === '' || iq.child('query', NS.last) !== undefined;
}

/** Takes a request to a bare address to the owner of that address. Call it as an effect; the answer comes as an iq. */
export function sendVisit(partition: Partition, iq: Element, to: Jid): void {
  if (placeOf(partition, to) === 'elsewhere') partition.post.pass(partition, to.bare, iq);
  else receiveVisit(partition, iq, to);
}

/** A request to an address of this partition (`isVisit`), from wherever. */
export function receiveVisit(partition: Partition, iq: Element, to: Jid): void {
  const from = Jid.parse(iq.attrs['from'] ?? '');
  if (from === undefined) return;
  if (isComponent(partition.env, to.domain)) return sendPassing(partition, to, iq);
  const blind = blindFor(partition, iq, to);
  Promise.resolve(partition.account(to.bare)).then(
    (account) => {
      // XEP-0191 §3.3: also where everybody else gets one answer.
      const blocked = account !== undefined && isBlocked(account, from);
      if (blocked) answer(partition, from, iq, new StanzaError('service-unavailable'));
      else if (blind !== undefined && (blind.always || account === undefined))
        answerBlind(partition, from, iq, to.bare, blind.answer);
      // RFC 6121 §8.5.1: nobody learns more than that there is no such service here.
      else if (account === undefined) answer(partition, from, iq, new StanzaError('service-unavailable'));
      else account.mailbox.run(() => visit(account, from, iq, to));
    },
    (error: unknown) => {
      partition.env.log.warn({ err: error }, 'an account could not be read for a request');
      answer(partition, from, iq, new StanzaError('internal-server-error', undefined, 'wait'));
    },
  );
}

async function visit(account: Account, from: Jid, iq: Element, { bare: to, full }: Jid): Promise<void> {
  const { partition } = account;
  const work = new Work(account);
  const fail = (error: unknown) => {
    if (!(error instanceof StanzaError))
      partition.env.log.error({ err: error, account: to }, 'a request from outside failed unexpectedly');
    const known =
      error instanceof StanzaError ? error : new StanzaError('internal-server-error', undefined, 'wait');
    account.inOrder(() => answer(partition, from, iq, known));
  };
  work.onFailure(fail);
  try {
    const type = iq.attrs['type'] as 'get' | 'set';
    const payload = payloadOf(iq);
    if (full !== to) {
      if (!(await mayKnow(account, from))) throw new StanzaError('forbidden');
      work.after(() => partition.arrivals.passing(account, iq, Jid.parse(full)!));
      work.commit();
      return;
    }
    const host = hostFor(account, key(type, payload));
    if (host === undefined) throw new StanzaError('service-unavailable');
    const result = await host({ account, from, work, iq, type, payload, to });
    work.after(() => sendPassing(partition, from, resultOf(iq, to, from.full, result)));
    work.commit();
  } catch (error) {
    fail(error);
  }
}

/** The answer that does not hang on the account; `always`: not even where there is one. */
function blindFor(
  partition: Partition,
  iq: Element,
  to: Jid,
): { readonly answer: () => Element; readonly always: boolean } | undefined {
  const [payload, more] = iq.elements();
  if (payload === undefined || more !== undefined || partition.env.hosts.has(to.bare)) return undefined;
  if (to.resource !== '') return undefined;
  const request = key(iq.attrs['type'] ?? '', payload);
  const answer = blindHandlers.get(request);
  return answer === undefined ? undefined : { answer, always: !visitorHandlers.has(request) };
}

function answerBlind(partition: Partition, from: Jid, iq: Element, to: string, blind: () => Element): void {
  try {
    sendPassing(partition, from, resultOf(iq, to, from.full, blind()));
  } catch (error) {
    answer(partition, from, iq, error as StanzaError);
  }
}

function hostFor(account: Account, request: string): Host | undefined {
  const label = account.partition.env.hosts.get(account.address);
  return label === undefined ? visitorHandlers.get(request) : services.get(label)?.visitors?.[request];
}

function answer(partition: Partition, to: Jid, iq: Element, error: StanzaError): void {
  sendPassing(partition, to, errorReply(iq, error));
}
