import { el } from '../xmpp/element.ts';
import type { Element } from '../xmpp/element.ts';
import { capsFeature } from '../xmpp/caps.ts';
import { NS } from '../xmpp/namespaces.ts';
import { serialise } from '../xmpp/serialise.ts';
import { offeredTypes } from '../xmpp/sasl/binding.ts';
import { features } from '../xmpp/stream.ts';
import type { Connection, Login } from './connection.ts';
import { mechanismsOf, type Offering } from './offering.ts';
import { bindings } from './bindings.ts';
import { authentication as sasl2, tokenMechanisms } from './inline.ts';

/** What this connection may authenticate with, the strongest first. */
export function mechanisms(conn: Connection, login: Login): readonly string[] {
  const offering = (login.offering ??= conn.core.offering);
  const { domain, secure } = conn;
  const bound = offeredTypes(bindings(conn, login).map(([type]) => type)).length > 0;
  const certified = conn.transport.certificate !== undefined;
  // One array for all logins of a kind: each of them tells its owner what it was offered.
  const kind = `${domain === offering.anonymous} ${secure} ${bound} ${certified}`;
  let known = offered.get(offering);
  if (known === undefined) offered.set(offering, (known = new Map()));
  let names = known.get(kind);
  if (names === undefined)
    known.set(kind, (names = mechanismsOf(offering, { domain, secure, bound, certified })));
  return names;
}

/** By offering and kind of connection. */
const offered = new WeakMap<Offering, Map<string, readonly string[]>>();

/** What the stream offers now (RFC 6120 §4.3.2). */
export function offer(conn: Connection, login: Login): string {
  if (login.account !== undefined) return bindable(conn.core.bounds.members.bytes);
  // RFC 6120 §5.3.1: required, so it stands alone; RFC 7590 §3: no authentication in the clear.
  if (!conn.secure) return secureFirst;
  const names = mechanisms(conn, login);
  const types = offeredTypes(bindings(conn, login).map(([type]) => type));
  const offering = login.offering!;
  const registration = conn.core.registration && conn.domain !== offering.anonymous;
  const upgrades = offering.upgrades ?? names;
  const key = `${names.join(' ')}|${types.join(' ')}|${registration}|${upgrades.join(' ')}`;
  let text = offers.get(key);
  if (text === undefined) {
    text = features(authentication(names, types, upgrades, registration));
    offers.set(key, text);
  }
  return text;
}

function authentication(
  names: readonly string[],
  types: readonly string[],
  upgrades: readonly string[],
  registration: boolean,
): Element[] {
  return [
    ...channelBindings(types),
    el(
      'mechanisms',
      NS.sasl,
      {},
      names.map((name) => el('mechanism', NS.sasl, {}, [name])),
    ),
    // Only under TLS (XEP-0388 §3), as all of this.
    sasl2(names, tokenMechanisms(names, types), upgrades),
    ...(registration ? [el('register', NS.registerFeature)] : []),
  ];
}

/** XEP-0440 §2: at least one type, or no element. */
function channelBindings(types: readonly string[]): Element[] {
  if (types.length === 0) return [];
  const each = types.map((type) => el('channel-binding', NS.channelBinding, { type }));
  return [el('sasl-channel-binding', NS.channelBinding, {}, each)];
}

/** Written once for each kind of connection: there are a few dozen. */
const offers = new Map<string, string>();

/** With what the server can (XEP-0115 §6.3), so that nobody need ask; not before there is TLS, which stands alone. */
export function annotated(conn: Connection, features: string): string {
  const { caps } = conn.core;
  if (caps === undefined || !conn.secure) return features;
  const at = features.lastIndexOf('</');
  return `${features.slice(0, at)}${serialise(capsFeature(caps))}${features.slice(at)}`;
}

const secureFirst = features([el('starttls', NS.tls, {}, [el('required', NS.tls)])]);
/** XEP-0478: `bytes` is how much one stanza may be. */
function bindable(bytes: number): string {
  return once(`bind ${bytes}`, () => [
    el('bind', NS.bind),
    el('session', NS.session, {}, [el('optional', NS.session)]),
    el('sm', NS.sm),
    ...always(bytes),
  ]);
}

/** What is left for a stream that SASL2 has bound (XEP-0388 §2.6.1). */
export function offerBound(conn: Connection, managed: boolean): string {
  const { bytes } = conn.core.bounds.members;
  return once(`bound ${managed} ${bytes}`, () => [...(managed ? [] : [el('sm', NS.sm)]), ...always(bytes)]);
}

function always(bytes: number): Element[] {
  return [
    el('csi', NS.csi),
    el('ver', NS.rosterver),
    el('sub', NS.preapproval),
    el('limits', NS.limits, {}, [el('max-bytes', NS.limits, {}, [String(bytes)])]),
  ];
}

function once(key: string, make: () => Element[]): string {
  let text = boundTo.get(key);
  if (text === undefined) boundTo.set(key, (text = features(make())));
  return text;
}

/** Written once for each mux of the process. */
const boundTo = new Map<string, string>();
