import type { Element, Node } from '../xmpp/element.ts';
import { Jid } from '../xmpp/jid.ts';
import { NS } from '../xmpp/namespaces.ts';
import type { Env } from './env.ts';
import type { Feature } from './iq.ts';

/** XEP-0359 §6: an account whose ids nobody else can give says so. */
export const stanzaIds: Feature = { accountFeatures: [NS.sid] };

/**
 * Takes out of a client's message or presence what only entities of this community may say: stanza ids in their name
 * (XEP-0359 §4, rule 2), every occupant id, because rooms set those (XEP-0421 §4), both at any depth, and delays that
 * they are said to have caused (XEP-0203 §8). What it says in the name of others stays (XEP-0359 §4, rule 3).
 */
export function genuine(stanza: Element, sender: Jid, env: Env): Element {
  if (!suspicious(stanza)) return stanza;
  return without(
    stanza,
    (node, depth) =>
      isId(node, env) ||
      node.is('occupant-id', NS.occupantId) ||
      (depth === 0 && node.is('delay', NS.delay) && isDelayOfOurs(node, sender, env)),
  );
}

/**
 * The same for what comes from outside, whose server is not ours to trust: an id in the name of the recipient, and a delay
 * in the name of the recipient's server. What an account or a service of ours sends is as it says.
 */
export function received(stanza: Element, from: Jid, recipient: string, env: Env): Element {
  const trusted =
    env.domains.has(from.domain) || env.hosts.has(from.domain) || env.roomHosts?.has(from.domain) === true;
  if (trusted || !suspicious(stanza)) return stanza;
  return without(
    stanza,
    (node, depth) =>
      (isStanzaId(node) && claims(node.attrs['by'], (by) => by.bare === recipient)) ||
      (depth === 0 && node.is('delay', NS.delay) && claims(node.attrs['from'], (by) => ours(by, env))),
  );
}

/** Is there anything to look at? Asked of every message: names alone, and nothing is made. */
function suspicious(element: Element): boolean {
  for (const node of element.children) {
    if (typeof node === 'string') continue;
    const { name, children } = node;
    if (name === 'stanza-id' || name === 'occupant-id' || name === 'delay') return true;
    if (children.length > 0 && suspicious(node)) return true;
  }
  return false;
}

function without(element: Element, forged: (node: Element, depth: number) => boolean, depth = 0): Element {
  let kept: Node[] | undefined;
  for (const [at, node] of element.children.entries()) {
    const clean =
      typeof node === 'string' ? node : forged(node, depth) ? undefined : without(node, forged, depth + 1);
    if (clean !== node) kept ??= element.children.slice(0, at);
    if (kept !== undefined && clean !== undefined) kept.push(clean);
  }
  return kept === undefined ? element : element.withChildren(kept);
}

function isStanzaId(node: Element): boolean {
  return node.is('stanza-id', NS.sid);
}

/** One without an address of its own claims nothing that can be true (XEP-0359 §4, rule 5). */
function isId(node: Element, env: Env): boolean {
  if (!isStanzaId(node)) return false;
  const by = node.attrs['by'];
  return by === undefined || Jid.parse(by) === undefined || claims(by, (jid) => ours(jid, env));
}

/** A client may say that its own message is late. */
function isDelayOfOurs(node: Element, sender: Jid, env: Env): boolean {
  return claims(node.attrs['from'], (by) => by.bare !== sender.bare && ours(by, env));
}

function claims(address: string | undefined, of: (jid: Jid) => boolean): boolean {
  const jid = address === undefined ? undefined : Jid.parse(address);
  return jid !== undefined && of(jid);
}

/** An account, a service or anything else at or below a domain that we serve. */
function ours({ domain }: Jid, { domains }: Env): boolean {
  for (let at = 0; ;) {
    if (domains.has(domain.slice(at))) return true;
    const dot = domain.indexOf('.', at);
    if (dot === -1) return false;
    at = dot + 1;
  }
}
