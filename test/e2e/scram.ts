import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto';

const keys = new Map<string, Buffer>();

/** What a client binds to (RFC 5802 §6): the type and its data, or `y`: it could, and thinks that the server cannot. */
export type Binding = readonly [type: string, data: Uint8Array] | 'y' | undefined;

/** The client's half of SCRAM (RFC 5802, RFC 7677). */
export class Scram {
  readonly first: string;
  #hash: 'sha1' | 'sha256' | 'sha512';
  #binding: Uint8Array;
  /** What the server said first. */
  challenge = '';
  #password: string;
  #bare: string;
  #nonce: string;
  #signature = '';
  constructor(mechanism: string, user: string, password: string, authzid = '', binding?: Binding) {
    const size = /^SCRAM-SHA-(\d+)/.exec(mechanism)?.[1] as '1' | '256' | '512';
    this.#hash = `sha${size}`;
    this.#binding = typeof binding === 'object' ? binding[1] : new Uint8Array();
    this.#password = password;
    this.#nonce = randomBytes(18).toString('base64');
    this.#bare = `n=${user.replaceAll('=', '=3D').replaceAll(',', '=2C')},r=${this.#nonce}`;
    const flag = typeof binding === 'object' ? `p=${binding[0]}` : (binding ?? 'n');
    this.#header = `${flag},${authzid ? `a=${authzid}` : ''},`;
    this.first = this.#header + this.#bare;
  }
  #header: string;

  answer(challenge: string): string {
    this.challenge = challenge;
    const part = new Map(challenge.split(',').map((one) => [one.slice(0, 1), one.slice(2)]));
    const nonce = part.get('r') ?? '';
    if (!nonce.startsWith(this.#nonce))
      throw new Error(`the server's nonce does not begin with ours: ${challenge}`);
    const salted = this.#salted(part.get('s') ?? '', Number(part.get('i')));
    const hmac = (key: Buffer, data: string): Buffer => createHmac(this.#hash, key).update(data).digest();
    const client = hmac(salted, 'Client Key');
    const stored = createHash(this.#hash).update(client).digest();
    const bound = Buffer.concat([Buffer.from(this.#header), this.#binding]);
    const bare = `c=${bound.toString('base64')},r=${nonce}`;
    const message = `${this.#bare},${challenge},${bare}`;
    const proof = hmac(stored, message);
    for (let i = 0; i < proof.length; i++) proof[i]! ^= client[i]!;
    this.#signature = hmac(hmac(salted, 'Server Key'), message).toString('base64');
    return `${bare},p=${proof.toString('base64')}`;
  }

  /** Throws unless the server proved that it knows the keys too. */
  check(final: string): void {
    if (!final.split(',').includes(`v=${this.#signature}`))
      throw new Error(`wrong server signature: ${final}`);
  }

  #salted(salt: string, rounds: number): Buffer {
    const name = `${this.#hash} ${rounds} ${salt} ${this.#password}`;
    const known = keys.get(name);
    if (known) return known;
    const size = { sha1: 20, sha256: 32, sha512: 64 }[this.#hash];
    const key = pbkdf2Sync(this.#password, Buffer.from(salt, 'base64'), rounds, size, this.#hash);
    keys.set(name, key);
    return key;
  }
}
