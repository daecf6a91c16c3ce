import { open } from 'node:fs/promises';
import {
  createLocalJWKSet,
  createRemoteJWKSet,
  customFetch,
  errors,
  jwtVerify,
  type JSONWebKeySet,
  type JWTPayload,
  type JWTVerifyGetKey,
} from 'jose';
import type { Clock } from '../base/clock.ts';
import { Failure } from '../base/failure.ts';
import { fixed } from '../base/fixed.ts';
import type { Bearing } from '../xmpp/sasl/bearer.ts';

export interface TokenOptions {
  readonly issuer: string;
  readonly audience: string;
  /** Where the issuer's public keys are (RFC 7517): the path of a file, or a URL. */
  readonly jwks: string;
  /** Which claim names the account. */
  readonly claim: string;
  /** A scope that a token must have. */
  readonly scope: string | undefined;
  readonly clock: Clock;
}

export interface Tokens {
  /** Whom a token (JWT, RFC 9068 or an older form of it) names. Rejects where its keys cannot be had now. */
  verify(token: string): Promise<Bearing>;
}

/**
 * Tokens of one issuer. Nothing is asked of a network before the first token comes, and then at most each
 * `fixed.tokenKeysPause`. Rejects with `Failure('config')` where the keys are a file that does not do.
 */
export async function openTokens(options: TokenOptions): Promise<Tokens> {
  const { issuer, audience, claim, scope, clock } = options;
  const keys = await keysAt(options.jwks, clock);
  return {
    verify: async (token) => {
      try {
        const { payload } = await jwtVerify(token, keys, {
          issuer,
          audience,
          algorithms,
          requiredClaims: ['exp'],
          clockTolerance: fixed.tokenSkew.value / 1000,
          currentDate: new Date(clock.now()),
        });
        if (scope !== undefined && !scopesOf(payload).includes(scope)) return { error: 'insufficient_scope' };
        return named(payload, claim);
      } catch (error) {
        if (error instanceof errors.JOSEError && !unavailable.has(error.code))
          return { error: 'invalid_token' };
        throw error;
      }
    },
  };
}

/** By a public key only: `none`, and a public key taken for the secret of an HMAC, are how tokens are forged (RFC 8725 §2.1). */
const algorithms = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
];

/** Not the token is wrong, but where its key should be. */
const unavailable = new Set(['ERR_JWKS_TIMEOUT', 'ERR_JWKS_INVALID', 'ERR_JOSE_GENERIC']);

function named(payload: JWTPayload, claim: string): Bearing {
  const name = payload[claim];
  if (typeof name !== 'string' || name === '') return { error: 'invalid_token' };
  // Whose mail address nobody has checked may have typed somebody else's (OpenID Connect Core §5.7).
  if (claim === 'email' && payload['email_verified'] === false) return { error: 'invalid_token' };
  return { name };
}

/** RFC 8693 §4.2: separated by spaces; some issuers give a list. */
function scopesOf(payload: JWTPayload): readonly unknown[] {
  const said = payload['scope'] ?? payload['scp'];
  return typeof said === 'string' ? said.split(' ') : Array.isArray(said) ? said : [];
}

async function keysAt(where: string, clock: Clock): Promise<JWTVerifyGetKey> {
  if (!where.includes('://')) return fileKeys(where, clock);
  const remote = createRemoteJWKSet(new URL(where), {
    timeoutDuration: fixed.tokenKeysTime.value,
    cooldownDuration: fixed.tokenKeysPause.value,
    cacheMaxAge: fixed.tokenKeysAge.value,
    [customFetch]: boundedFetch,
  });
  return (header, token) => remote(header, token);
}

/** The same as `fetch`, as far as the keys of an issuer may be big. */
async function boundedFetch(url: string, init: RequestInit): Promise<Response> {
  const response = await fetch(url, init);
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.length;
    if (size > fixed.tokenKeysSize.value) throw new Failure('jwks', `${url} answers with too much`);
    chunks.push(chunk);
  }
  return new Response(Buffer.concat(chunks), { status: response.status, headers: response.headers });
}

/** Read now, and again when a token names a key that is not there. */
async function fileKeys(path: string, clock: Clock): Promise<JWTVerifyGetKey> {
  let known = await readKeys(path);
  let read = clock.mono();
  return async (header, token) => {
    try {
      return await known(header, token);
    } catch (error) {
      const due = clock.mono() - read >= fixed.tokenKeysPause.value;
      if (!due || !(error instanceof errors.JWKSNoMatchingKey)) throw error;
      read = clock.mono();
      known = await readKeys(path);
      return known(header, token);
    }
  };
}

async function readKeys(path: string): Promise<ReturnType<typeof createLocalJWKSet>> {
  try {
    await using file = await open(path);
    const { size } = await file.stat();
    if (size > fixed.tokenKeysSize.value) throw new Error('the file is too big');
    return createLocalJWKSet(JSON.parse(await file.readFile('utf8')) as JSONWebKeySet);
  } catch (error) {
    throw new Failure('config', `auth.oauth.jwks: ${path} cannot be read as a set of keys`, error);
  }
}
