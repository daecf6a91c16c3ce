import { createHmac, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** The name that its tokens carry. */
export const issuer = 'https://login.example.org/';

/** An authorization server: its keys as a file, and tokens. */
export class Issuer {
  readonly #dir = mkdtempSync(join(tmpdir(), 'muster-issuer-'));
  readonly file = join(this.#dir, 'keys.json');
  readonly #pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  readonly #other = generateKeyPairSync('ec', { namedCurve: 'P-256' });

  constructor() {
    const jwk = { ...this.#pair.publicKey.export({ format: 'jwk' }), kid: 'one', alg: 'ES256', use: 'sig' };
    writeFileSync(this.file, JSON.stringify({ keys: [jwk] }));
  }

  token(claims: object, header: object = { alg: 'ES256', kid: 'one' }, key?: KeyObject | string): string {
    const now = Math.floor(Date.now() / 1000);
    const all = { iss: issuer, aud: 'muster', exp: now + 60, iat: now, ...claims };
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const signed = `${part(header)}.${part(all)}`;
    if (key === '') return `${signed}.`;
    const by = (key as KeyObject | undefined) ?? this.#pair.privateKey;
    return `${signed}.${sign('sha256', Buffer.from(signed), { key: by, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`;
  }

  /** Signed with the public key, as if that were a secret (RFC 8725 §2.1). */
  confused(claims: object): string {
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const signed = `${part({ alg: 'HS256', kid: 'one' })}.${part(claims)}`;
    const secret = this.#pair.publicKey.export({ format: 'pem', type: 'spki' });
    return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`;
  }

  get stranger(): KeyObject {
    return this.#other.privateKey;
  }

  close(): void {
    rmSync(this.#dir, { recursive: true });
  }
}
