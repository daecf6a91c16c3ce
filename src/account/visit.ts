import type { Element } from '../xmpp/element.ts';
import { StanzaError } from '../xmpp/error.ts';
import { Jid } from '../xmpp/jid.ts';
import { errorReply } from '../xmpp/stanza.ts';
import type { Account } from './account.ts';
import { blindHandlers, services, visitorHandlers } from './features.ts';
import { isComponent } from './component/known.ts';
import { key, payloadOf, resultOf, type Host } from './iq.ts';
import { placeOf, sendPassing } from './route.ts';
import type { Partition } from './partition.ts';
import { Work } from './work.ts';

/** Takes a request to a bare address to the owner of that address. Call it as an effect; the answer comes as an iq. */
export function sendVisit(partition: Partition, iq: Element, to: Jid): void {
  if (placeOf(partition, to) === 'elsewhere') partition.post.pass(partition, to.bare, iq);
  else receiveVisit(partition, iq, to);
}

/** A request to a bare address of this partition, from wherever. */
export function receiveVisit(partition: Partition, iq: Element, to: Jid): void {
  const from = Jid.parse(iq.attrs['from'] ?? '');
  if (from === undefined) return;
  if (isComponent(partition.env, to.domain)) return sendPassing(partition, to, iq);
  const blind = blindFor(partition, iq, to.bare);
  if (blind !== undefined) {
    try {
      sendPassing(partition, from, resultOf(iq, to.bare, from.full, blind()));
    } catch (error) {
      answer(partition, from, iq, error as StanzaError);
    }
    return;
  }
  Promise.resolve(partition.account(to.bare)).then(
    (account) => {
      // RFC 6121 §8.5.1: nobody learns more than that there is no such service here.
      if (account === undefined) answer(partition, from, iq, new StanzaError('service-unavailable'));
      else account.mailbox.run(() => visit(account, from, iq, to.bare));
    },
    (error: unknown) => {
      partition.env.log.warn({ err: error }, 'an account could not be read for a request');
      answer(partition, from, iq, new StanzaError('internal-server-error', undefined, 'wait'));
    },
  );
}

async function visit(account: Account, from: Jid, iq: Element, to: string): Promise<void> {
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
    const host = hostFor(account, key(type, payload));
    if (host === undefined) throw new StanzaError('service-unavailable');
    const result = await host({ account, from, work, iq, type, payload, to });
    work.after(() => sendPassing(partition, from, resultOf(iq, to, from.full, result)));
    work.commit();
  } catch (error) {
    fail(error);
  }
}

function blindFor(partition: Partition, iq: Element, to: string): (() => Element) | undefined {
  const [payload, more] = iq.elements();
  if (payload === undefined || more !== undefined || partition.env.hosts.has(to)) return undefined;
  return blindHandlers.get(key(iq.attrs['type'] ?? '', payload));
}

function hostFor(account: Account, request: string): Host | undefined {
  const label = account.partition.env.hosts.get(account.address);
  return label === undefined ? visitorHandlers.get(request) : services.get(label)?.visitors?.[request];
}

function answer(partition: Partition, to: Jid, iq: Element, error: StanzaError): void {
  sendPassing(partition, to, errorReply(iq, error));
}
