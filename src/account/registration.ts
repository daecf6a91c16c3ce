import { failed, Failure } from '../base/failure.ts';
import { fixed } from '../base/fixed.ts';
import type { ConnInfo } from '../link/frames.ts';
import { el, type Element } from '../xmpp/element.ts';
import { StanzaError } from '../xmpp/error.ts';
import { Jid } from '../xmpp/jid.ts';
import { NS } from '../xmpp/namespaces.ts';
import { serialise } from '../xmpp/serialise.ts';
import { errorReply, payload, result } from '../xmpp/stanza.ts';
import type { Env } from './env.ts';
import type { Rate } from '../base/bucket.ts';
import { Turnstile } from './turnstile.ts';

/** Characters of a password that a client sets: none may be empty, none may be a burden to hash. */
export const passwordMax = fixed.password.value;

/** How many accounts may be tried, from one address and from all together. */
const registrationRates: { readonly address: Rate; readonly all: Rate } = {
  address: { burst: fixed.registerAddress.value, perSecond: 1 / 60 },
  all: { burst: fixed.registerAll.value, perSecond: 2 },
};

/**
 * Registration before authentication (XEP-0077 §3.1), where the configuration opens it. One for all connections of an
 * owner: it counts the attempts.
 */
export class Registration {
  readonly #env: Env;
  readonly #turnstile: Turnstile;

  constructor(env: Env, rates: typeof registrationRates = registrationRates) {
    this.#env = env;
    this.#turnstile = new Turnstile(env.clock, rates.address, rates.all);
  }

  /** The answer to an iq of `jabber:iq:register` on a connection without a session, whole. Never rejects. */
  async answer(stanza: Element, info: ConnInfo): Promise<string> {
    try {
      return serialise(result(stanza, await this.#handle(stanza, info)));
    } catch (error) {
      const shown =
        error instanceof StanzaError ? error : new StanzaError('internal-server-error', undefined, 'wait');
      if (shown !== error) this.#env.log.error({ err: error }, 'a registration failed unexpectedly');
      return serialise(withCode(errorReply(stanza, shown), shown));
    }
  }

  async #handle(stanza: Element, info: ConnInfo): Promise<Element | undefined> {
    const query = payload(stanza);
    const { type } = stanza.attrs;
    if (query === undefined || !query.is('query', NS.register) || (type !== 'get' && type !== 'set'))
      throw new StanzaError('bad-request');
    // §3.1: as if the protocol were unknown.
    if (this.#env.registration === 'closed') throw new StanzaError('service-unavailable');
    // §11: "unless the channel has been secured".
    if (!info.secure) throw new StanzaError('not-authorized', 'only over TLS');
    if (type === 'get') return form();
    // §3.2: nobody is registered on this connection.
    if (query.child('remove') !== undefined) throw new StanzaError('unexpected-request');
    await this.#register(query, info);
    return undefined;
  }

  async #register(query: Element, info: ConnInfo): Promise<void> {
    const name = fieldIn(query, 'username');
    const password = fieldIn(query, 'password');
    // §3.1: "neglected to provide all of the required information".
    if (name === undefined || name === '' || password === undefined || password === '')
      throw new StanzaError('not-acceptable', 'username and password are needed');
    const jid = Jid.of(name, info.domain);
    if (jid === undefined || jid.local === '')
      throw new StanzaError('not-acceptable', 'not a possible username');
    checkPassword(password);
    if (!this.#turnstile.pass(info.address))
      throw new StanzaError('resource-constraint', 'too many registrations, try again later');
    try {
      await this.#env.directory.add(jid.bare, password);
    } catch (error) {
      throw refusal(error);
    }
  }
}

function refusal(error: unknown): unknown {
  if (failed(error, 'account-exists')) return new StanzaError('conflict');
  if (failed(error, 'overloaded')) return new StanzaError('resource-constraint', error.message);
  if (error instanceof Failure && (error.code === 'password-unusable' || error.code === 'account-domain'))
    return new StanzaError('not-acceptable', error.message);
  return error;
}

function form(): Element {
  return el('query', NS.register, {}, [
    el('instructions', NS.register, {}, ['Choose a username and a password.']),
    el('username', NS.register),
    el('password', NS.register),
  ]);
}

/** The one field of this name; throws `bad-request` for two. */
export function fieldIn(query: Element, name: string): string | undefined {
  const found = query.elements(name);
  if (found.length > 1) throw new StanzaError('bad-request', `more than one ${name}`);
  return found[0]?.text();
}

/** Throws `not-acceptable`. */
export function checkPassword(password: string): void {
  if (password.length > passwordMax)
    throw new StanzaError('not-acceptable', `a password has at most ${passwordMax} characters`);
}

/** §9: the numbers of XEP-0086 beside the conditions, for older clients. */
function withCode(reply: Element, { condition }: StanzaError): Element {
  const code = codes[condition];
  const children = reply.children.map((child) =>
    typeof child !== 'string' && child.name === 'error' && code !== undefined ? child.with({ code }) : child,
  );
  return reply.withChildren(children);
}

const codes: { readonly [condition: string]: string } = {
  'bad-request': '400',
  conflict: '409',
  'internal-server-error': '500',
  'not-acceptable': '406',
  'not-authorized': '401',
  'resource-constraint': '500',
  'service-unavailable': '503',
  'unexpected-request': '400',
};
