import { settle, type Actor } from '../e2e/actor.ts';
import { attr, show, type Element } from '../e2e/xml.ts';
import type { Pair, World } from './world.ts';

/** Two contacts who are online, and what a feature leaves behind for later. */
export interface Scene {
  readonly world: World;
  readonly pair: Pair;
  alice: Actor;
  bob: Actor;
  /** Ids and names that `use` found out and `holds` needs. */
  readonly kept: Map<string, string>;
}

export async function openScene(world: World, tag: string): Promise<Scene> {
  const pair = await world.pair(tag);
  const [alice, bob] = await Promise.all([pair.login('alice'), pair.login('bob')]);
  const scene = { world, pair, alice, bob, kept: new Map<string, string>() };
  await befriend(alice, bob);
  await befriend(bob, alice);
  await settle([alice, bob]);
  for (const one of [alice, bob]) one.forget();
  return scene;
}

/** `one` comes to see the presence of `other`; both are online then. */
async function befriend(one: Actor, other: Actor): Promise<void> {
  for (const actor of [one, other]) await ok(actor, 'get', "<query xmlns='jabber:iq:roster'/>");
  for (const actor of [one, other]) actor.send('<presence/>');
  one.send(`<presence type='subscribe' to='${other.bare}'/>`);
  await other.expect(`<presence type='subscribe' from='${one.bare}'/>`);
  other.send(`<presence type='subscribed' to='${one.bare}'/>`);
  await one.expect(`<presence type='subscribed' from='${other.bare}'/>`);
}

/** The result of a request; throws where it is an error. */
export async function ok(actor: Actor, type: 'get' | 'set', payload: string, to?: string): Promise<Element> {
  const answer = await actor.ask(type, payload, to);
  if (attr(answer, 'type') !== 'result') throw new Error(`${payload}\nwas answered\n${show(answer)}`);
  return answer;
}

/** The condition with which a request is refused; throws where it is not. */
export async function refused(
  actor: Actor,
  type: 'get' | 'set',
  payload: string,
  to?: string,
): Promise<string> {
  const answer = await actor.ask(type, payload, to);
  const found = /<([\w-]+)[^>]* xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/.exec(show(answer));
  if (attr(answer, 'type') !== 'error' || found === null)
    throw new Error(`${payload}\nwas not refused:\n${show(answer)}`);
  return found[1]!;
}

/** Text of a stanza, for what is quicker said as a pattern. */
export function said(element: Element, pattern: RegExp): RegExpExecArray {
  const found = pattern.exec(show(element));
  if (found === null) throw new Error(`${show(element)}\ndoes not say ${String(pattern)}`);
  return found;
}
