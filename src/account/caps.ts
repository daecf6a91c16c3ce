import type { Timer } from '../base/clock.ts';
import { fixed } from '../base/fixed.ts';
import { token } from '../base/random.ts';
import { canHash, verification } from '../xmpp/caps.ts';
import { el, type Element } from '../xmpp/element.ts';
import { NS } from '../xmpp/namespaces.ts';
import { serialise } from '../xmpp/serialise.ts';
import type { Env } from './env.ts';
import type { Feature } from './iq.ts';
import { sendLast } from './pubsub/last.ts';
import type { Session } from './session.ts';

/**
 * What clients can (XEP-0115), as far as the server has to know: which nodes they want to hear of (XEP-0060 §9.2). A client
 * tells a hash of it with its presence; what stands behind a hash that nobody knows yet, the account asks of the client.
 */
export const caps: Feature = { serverFeatures: [NS.caps, NS.capsOptimize] };

/** Of a client that wants nothing, or does not say. */
const nothing: ReadonlySet<string> = new Set();

/** A question that is open. */
interface Question {
  readonly id: string;
  /** What it is about; undefined where the answer is for this session alone. */
  readonly about: { readonly key: string; readonly hash: string; readonly ver: string } | undefined;
  readonly timer: Timer;
  /** Its client has been told the last items. */
  readonly quiet: boolean;
}

/** What is known to a server, of all its partitions. */
class Known {
  /** By hash; the least recently used first. */
  readonly interests = new Map<string, ReadonlySet<string>>();
  /** By hash: who waits for the answer of one of them, and whether its client has been told the last items. */
  readonly waiting = new Map<string, Map<Session, boolean>>();
  readonly questions = new WeakMap<Session, Question>();
  /** How often a session has been asked in vain. */
  readonly vain = new WeakMap<Session, number>();

  get(key: string): ReadonlySet<string> | undefined {
    const interests = this.interests.get(key);
    if (interests !== undefined) this.set(key, interests);
    return interests;
  }

  set(key: string, interests: ReadonlySet<string>): void {
    this.interests.delete(key);
    this.interests.set(key, interests);
    if (this.interests.size > fixed.caps.value)
      for (const oldest of this.interests.keys()) {
        this.interests.delete(oldest);
        break;
      }
  }
}

const known = new WeakMap<Env, Known>();

function knownTo(session: Session): Known {
  const { env } = session.partition;
  let one = known.get(env);
  if (one === undefined) known.set(env, (one = new Known()));
  return one;
}

/** The annotation of a presence. */
export function capsOf(presence: Element | undefined): Element | undefined {
  return presence?.child('c', NS.caps);
}

/** Characters of a hash: SHA-512 has 88. */
const longest = 128;

/** Do both say the same? */
export function sameCaps(a: Element | undefined, b: Element | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return ['hash', 'node', 'ver', 'ext'].every((name) => a.attrs[name] === b.attrs[name]);
}

/**
 * A session has sent its first presence, or another annotation; or a new owner has it again (`told`: its client has been
 * given the last items). Call it as an effect.
 */
export function noticeCaps(session: Session, told = false): void {
  const quiet = told && !deaf.delete(session);
  const annotation = capsOf(session.presence);
  const all = knownTo(session);
  all.questions.get(session)?.timer.cancel();
  all.questions.delete(session);
  if (annotation === undefined) {
    session.interests = nothing;
    return;
  }
  const { hash, ver, ext } = annotation.attrs;
  // §5.4: what is not verified is for this session alone. §8: `ext` is of the time before there were hashes.
  if (
    hash === undefined ||
    ver === undefined ||
    ver.length > longest ||
    ext !== undefined ||
    !canHash(hash)
  ) {
    ask(session, undefined, annotation, quiet);
    return;
  }
  const key = `${hash} ${ver}`;
  const interests = all.get(key);
  if (interests !== undefined) {
    learn(session, interests, quiet);
    return;
  }
  const waiting = all.waiting.get(key);
  if (waiting !== undefined) {
    waiting.set(session, quiet);
    return;
  }
  all.waiting.set(key, new Map([[session, quiet]]));
  ask(session, { key, hash, ver }, annotation, quiet);
}

/** Sessions that something was to be told while they waited for their muxes: they are given the last items again. */
const deaf = new WeakSet<Session>();

/** Something was to be told to a session that only its row knows. */
export function missEvent(session: Session): void {
  deaf.add(session);
}

/** Somebody would tell this session something, and it is not known whether it wants to hear of it: is it being asked? */
export function recallCaps(session: Session): void {
  const all = knownTo(session);
  if (all.questions.has(session) || (all.vain.get(session) ?? 0) >= fixed.capsAsked.value) return;
  for (const waiting of all.waiting.values()) if (waiting.has(session)) return;
  noticeCaps(session);
}

function learn(session: Session, interests: ReadonlySet<string>, quiet: boolean): void {
  const before = session.interests ?? nothing;
  session.interests = interests;
  if (quiet || interests.size === 0) return;
  const fresh = [...interests].filter((node) => !before.has(node));
  if (fresh.length > 0) sendLast(session, new Set(fresh));
}

/** XEP-0115 §6.2: disco#info to the full address, of the node that the annotation makes. */
function ask(session: Session, about: Question['about'], { attrs }: Element, quiet: boolean): void {
  const { clock, random } = session.partition.env;
  const all = knownTo(session);
  const id = `caps-${token(random, 9)}`;
  const timer = clock.after(fixed.capsTime.value, () => {
    if (all.questions.get(session)?.id === id) failed(session, all);
  });
  all.questions.set(session, { id, about, timer, quiet });
  const node = `${attrs['node'] ?? ''}#${attrs['ver'] ?? ''}`;
  const { address } = session.account;
  session.send(
    serialise(
      el('iq', NS.client, { type: 'get', id, from: address, to: session.full }, [
        el('query', NS.discoInfo, { node }),
      ]),
    ),
  );
}

/** An answer of one of our sessions to its own account: true where it was to such a question, and is used up. */
export function answeredCaps(session: Session, iq: Element): boolean {
  const all = known.get(session.partition.env);
  const question = all?.questions.get(session);
  if (all === undefined || question === undefined || iq.attrs['id'] !== question.id) return false;
  const info = iq.child('query', NS.discoInfo);
  if (iq.attrs['type'] !== 'result' || info === undefined) {
    failed(session, all);
    return true;
  }
  question.timer.cancel();
  all.questions.delete(session);
  const interests = interestsIn(info);
  const { about, quiet } = question;
  if (about === undefined) {
    learn(session, interests, quiet);
    return true;
  }
  if (verification(info, about.hash) !== about.ver) {
    // §5.4: it counts for nobody else; somebody else who says the same is asked.
    learn(session, interests, quiet);
    all.waiting.get(about.key)?.delete(session);
    askNext(all, about);
    return true;
  }
  const waiting = all.waiting.get(about.key);
  all.waiting.delete(about.key);
  all.set(about.key, interests);
  for (const [one, told] of waiting ?? [])
    if (!one.ended && one.available && says(one, about.key)) learn(one, interests, told);
  return true;
}

/** It did not answer, or with an error. */
function failed(session: Session, all: Known): void {
  const question = all.questions.get(session);
  question?.timer.cancel();
  all.questions.delete(session);
  all.vain.set(session, (all.vain.get(session) ?? 0) + 1);
  if (question?.about === undefined) return;
  all.waiting.get(question.about.key)?.delete(session);
  askNext(all, question.about);
}

/** One question per hash is under way: of those that wait, the next one is asked. */
function askNext(all: Known, about: NonNullable<Question['about']>): void {
  for (const [session, quiet] of all.waiting.get(about.key) ?? []) {
    const annotation = capsOf(session.presence);
    if (session.ended || session.dormant || annotation === undefined || !says(session, about.key)) {
      all.waiting.get(about.key)?.delete(session);
      continue;
    }
    ask(session, about, annotation, quiet);
    return;
  }
  all.waiting.delete(about.key);
}

function says(session: Session, key: string): boolean {
  const annotation = capsOf(session.presence);
  return annotation !== undefined && `${annotation.attrs['hash']} ${annotation.attrs['ver']}` === key;
}

const suffix = '+notify';

/** The nodes that a client names with `+notify` among its features. */
function interestsIn(info: Element): ReadonlySet<string> {
  const nodes = info
    .elements('feature')
    .map(({ attrs }) => attrs['var'] ?? '')
    .filter((name) => name.endsWith(suffix) && name.length <= fixed.nodeName.value)
    .map((name) => Buffer.from(name.slice(0, -suffix.length)).toString());
  return nodes.length === 0 ? nothing : new Set(nodes.slice(0, fixed.capsNodes.value));
}

/** A session has ended: nobody waits for its answer. */
export function forgetCaps(session: Session): void {
  const all = known.get(session.partition.env);
  const question = all?.questions.get(session);
  if (all === undefined) return;
  if (question !== undefined) failed(session, all);
}
