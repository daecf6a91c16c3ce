import { hash } from 'node:crypto';

/** The key sequence of a BOSH session (XEP-0124 §15): each request shows what hashes to the one before. */
export class Keys {
  #last: string | undefined;

  /** `newkey` of the request that made the session; without one there are no keys. */
  constructor(first: string | undefined) {
    this.#last = first?.toLowerCase();
  }

  /** Does the next request show the next key? It may begin another sequence with its last one (§15.5). */
  fits(key: string | undefined, newkey: string | undefined): boolean {
    if (this.#last === undefined) return true;
    if (key === undefined || hash('sha1', key, 'hex') !== this.#last) return false;
    this.#last = (newkey ?? key).toLowerCase();
    return true;
  }
}
