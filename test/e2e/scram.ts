import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto';

const keys = new Map<string, Buffer>();

/** The client's half of SCRAM (RFC 5802, RFC 7677), without channel binding. */
export class Scram {
  readonly first: string;
  #hash: 'sha1' | 'sha256';
  #password: string;
  #bare: string;
  #nonce: string;
  #signature = '';
  constructor(mechanism: string, user: string, password: string, authzid = '') {
    this.#hash = mechanism === 'SCRAM-SHA-1' ? 'sha1' : 'sha256';
    this.#password = password;
    this.#nonce = randomBytes(18).toString('base64');
    this.#bare = `n=${user.replaceAll('=', '=3D').replaceAll(',', '=2C')},r=${this.#nonce}`;
    this.#header = `n,${authzid ? `a=${authzid}` : ''},`;
    this.first = this.#header + this.#bare;
  }
  #header: string;

  answer(challenge: string): string {
    const part = new Map(challenge.split(',').map((one) => [one.slice(0, 1), one.slice(2)]));
    const nonce = part.get('r') ?? '';
    if (!nonce.startsWith(this.#nonce))
      throw new Error(`the server's nonce does not begin with ours: ${challenge}`);
    const salted = this.#salted(part.get('s') ?? '', Number(part.get('i')));
    const hmac = (key: Buffer, data: string): Buffer => createHmac(this.#hash, key).update(data).digest();
    const client = hmac(salted, 'Client Key');
    const stored = createHash(this.#hash).update(client).digest();
    const bare = `c=${Buffer.from(this.#header).toString('base64')},r=${nonce}`;
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
    const size = this.#hash === 'sha1' ? 20 : 32;
    const key = pbkdf2Sync(this.#password, Buffer.from(salt, 'base64'), rounds, size, this.#hash);
    keys.set(name, key);
    return key;
  }
}
