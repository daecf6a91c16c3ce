import { fixed } from '../base/fixed.ts';
import { normalDomain } from './domain.ts';
import { opaque, username } from './precis.ts';

/** Each part, in bytes of UTF-8 (RFC 7622 §3.2 to §3.4). */
const longest = 1023;

/**
 * An address, `local@domain/resource`, in normal form: two are the same exactly where their `full` is.
 *
 * The profile is RFC 7622 (local part: UsernameCaseMapped, resource: OpaqueString, domain: U-labels). Most of the
 * network still prepares by RFC 6122, which the compliance suite (XEP-0479) asks for; the two agree on all of ASCII
 * and on ordinary letters. They differ in that RFC 6122 folds compatibility forms that RFC 7622 refuses in local
 * parts and keeps in resources, and knows no character newer than Unicode 3.2.
 */
export class Jid {
  /** '' for none. */
  readonly local: string;
  readonly domain: string;
  /** '' for none. */
  readonly resource: string;
  /** Without the resource. */
  readonly bare: string;
  /** All parts that are there. */
  readonly full: string;

  private constructor(local: string, domain: string, resource: string) {
    this.local = local;
    this.domain = domain;
    this.resource = resource;
    this.bare = local === '' ? domain : `${local}@${domain}`;
    this.full = resource === '' ? this.bare : `${this.bare}/${resource}`;
  }

  /** The address in `text`, or undefined where it is none. */
  static parse(text: string): Jid | undefined {
    const known = recent.get(text);
    if (known !== undefined) return known;
    // A string cut from a stanza keeps its surroundings alive: what is remembered gets text of its own.
    const own = Buffer.from(text).toString();
    if (own !== text) return undefined;
    const jid = Jid.#read(own);
    if (jid !== undefined && own.length <= 256) recent.set(own, jid);
    return jid;
  }

  /** From parts that were not checked yet; '' leaves one out. */
  static of(local: string, domain: string, resource = ''): Jid | undefined {
    const l = localOf(local);
    const d = normalDomain(domain);
    const r = resourceOf(resource);
    if (l === undefined || d === undefined || r === undefined || Buffer.byteLength(d) > longest)
      return undefined;
    return new Jid(l, d, r);
  }

  /** RFC 7622 §3.1: the first slash begins the resource; before it, the first @ ends the local part. */
  static #read(text: string): Jid | undefined {
    const slash = text.indexOf('/');
    const bare = slash === -1 ? text : text.slice(0, slash);
    const at = bare.indexOf('@');
    if (at === 0 || slash === text.length - 1) return undefined;
    return Jid.of(
      at === -1 ? '' : bare.slice(0, at),
      at === -1 ? bare : bare.slice(at + 1),
      slash === -1 ? '' : text.slice(slash + 1),
    );
  }

  /** The same with another resource, '' for none; undefined where that text cannot be one. */
  withResource(resource: string): Jid | undefined {
    if (resource === this.resource) return this;
    const prepared = resourceOf(resource);
    return prepared === undefined ? undefined : new Jid(this.local, this.domain, prepared);
  }

  /** The address without resource. */
  toBare(): Jid {
    return this.resource === '' ? this : new Jid(this.local, this.domain, '');
  }

  toString(): string {
    return this.full;
  }
}

/** RFC 7622 §3.3.1: none of `"&'/:<>@`. */
const simpleLocal = /^[!#-%(-.0-9;=?A-Z[-~]+$/;
const simpleResource = /^[ -~]*$/;
const reserved = /["&'/:<>@]/;

function localOf(text: string): string | undefined {
  if (text === '') return text;
  const local = simpleLocal.test(text) ? text.toLowerCase() : username(text);
  return local === undefined || reserved.test(local) ? undefined : fitting(local);
}

function resourceOf(text: string): string | undefined {
  const resource = simpleResource.test(text) ? text : opaque(text);
  return resource === undefined ? undefined : fitting(resource);
}

function fitting(part: string): string | undefined {
  return part.length * 3 > longest && Buffer.byteLength(part) > longest ? undefined : part;
}

/** A bounded memory: entries not asked for during a whole generation are forgotten. */
class Recent {
  #young = new Map<string, Jid>();
  #old = new Map<string, Jid>();

  get(text: string): Jid | undefined {
    const young = this.#young.get(text);
    if (young !== undefined) return young;
    const old = this.#old.get(text);
    if (old !== undefined) this.set(text === old.full ? old.full : own(text), old);
    return old;
  }

  set(text: string, jid: Jid): void {
    if (this.#young.size >= generation) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(text, jid);
  }
}

function own(text: string): string {
  return Buffer.from(text).toString();
}

const generation = fixed.jids.value;
const recent = new Recent();
