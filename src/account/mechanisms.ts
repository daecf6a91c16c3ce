import type { Env } from './env.ts';
import { token, type Random } from '../base/random.ts';
import type { Mechanism } from '../directory/directory.ts';
import type { Auth } from '../link/frames.ts';
import { openAnonymous } from '../xmpp/sasl/anonymous.ts';
import { openBearer, type Bearing } from '../xmpp/sasl/bearer.ts';
import { openExternal } from '../xmpp/sasl/external.ts';
import type { Hash } from '../xmpp/sasl/keys.ts';
import { openPlain } from '../xmpp/sasl/plain.ts';
import type { Exchange } from '../xmpp/sasl/sasl.ts';
import { openScram } from '../xmpp/sasl/scram.ts';

/** How clients may prove who they are, as the configuration says; the muxes offer the same. */
export interface Policy {
  /** Mechanisms that need a password, without their -PLUS forms. */
  readonly passwords: readonly string[];
  /** EXTERNAL, with certificates that the muxes verified. */
  readonly certificates: boolean;
  /** The domain of ANONYMOUS, where there is nothing else. */
  readonly anonymous: string | undefined;
  /** OAUTHBEARER. */
  readonly bearer: Bearer | undefined;
}

/** Who a token is for, as the authorization server says. */
export interface Bearer {
  /** Rejects where that cannot be found out now. */
  verify(token: string): Promise<Bearing>;
  readonly scope: string | undefined;
  readonly discovery: string | undefined;
}

/** Where nothing is configured. */
export const usualPolicy: Policy = {
  passwords: ['SCRAM-SHA-512', 'SCRAM-SHA-256', 'SCRAM-SHA-1', 'PLAIN'],
  certificates: false,
  anonymous: undefined,
  bearer: undefined,
};

/**
 * The owner's side of a login, by mechanism; undefined where it may not be used on this connection, whatever the mux
 * let through. `admit` is told the account before a password of it is looked at, and throws to refuse that.
 */
export function openExchange(env: Env, frame: Auth, admit: (account: string) => void): Exchange | undefined {
  const { mechanism, info } = frame;
  const { domain } = info;
  const policy = env.policy ?? usualPolicy;
  if (domain === policy.anonymous)
    return mechanism === 'ANONYMOUS' ? openAnonymous(uuid(env.random)) : undefined;
  const scram = /^SCRAM-(SHA-(?:1|256|512))(-PLUS)?$/.exec(mechanism);
  if (scram !== null)
    return policy.passwords.includes(`SCRAM-${scram[1]}`)
      ? byProof(env, frame, scram[1] as Hash, scram[2] !== undefined, admit)
      : undefined;
  switch (mechanism) {
    case 'PLAIN':
      return info.secure && policy.passwords.includes(mechanism) ? byPassword(env, domain, admit) : undefined;
    case 'EXTERNAL':
      return policy.certificates && frame.certificate !== undefined
        ? openExternal({ domain, certificate: frame.certificate, exists: existsAt(env, domain) })
        : undefined;
    case 'OAUTHBEARER': {
      const { bearer } = policy;
      if (bearer === undefined || !info.secure) return undefined;
      const { scope, discovery } = bearer;
      const verify = (said: string) => bearer.verify(said);
      return openBearer({ domain, verify, exists: existsAt(env, domain), scope, discovery });
    }
    default:
      return undefined;
  }
}

function byProof(
  env: Env,
  { info: { domain }, bindings: bound, offered, past }: Auth,
  hash: Hash,
  plus: boolean,
  admit: (account: string) => void,
): Exchange | undefined {
  const bindings = new Map(bound);
  if (plus && bindings.size === 0) return undefined;
  return openScram({
    hash,
    domain,
    credentials: async (username) => {
      const address = `${username}@${domain}`;
      admit(address);
      const found = await env.directory.keys(address, `SCRAM-${hash}`);
      return found === undefined || found.entry.disabled ? undefined : found.keys;
    },
    nonce: past === undefined ? token(env.random, nonceBytes) : nonceOf(past.challenge),
    secret: env.secret,
    plus,
    bindings,
    offered,
  });
}

/** Of our half of the nonce; a multiple of three, so that three become four characters. */
const nonceBytes = 18;

/** Our half of the nonce in the challenge of another owner (RFC 5802 §5.1); what it is worth shows when all is repeated. */
function nonceOf(challenge: Uint8Array): string {
  return Buffer.from(challenge)
    .toString('latin1')
    .split(',', 1)[0]!
    .slice((-nonceBytes / 3) * 4);
}

function byPassword(env: Env, domain: string, admit: (account: string) => void): Exchange {
  return openPlain({
    domain,
    credentials: async (username) => {
      const address = `${username}@${domain}`;
      admit(address);
      const found = await env.directory.keys(address, ...stored);
      if (found === undefined || found.entry.disabled) return undefined;
      return { hash: found.mechanism.slice('SCRAM-'.length) as Hash, keys: found.keys };
    },
    hash: 'SHA-256',
    secret: env.secret,
    // Most clients take the strongest mechanism and add no keys (XEP-0480): here is the password, once.
    proven: (username, password, { hash, keys }) => {
      if (env.constrained?.() === true) return;
      env.directory
        .complete(`${username}@${domain}`, password, { mechanism: `SCRAM-${hash}`, keys })
        .catch((error: unknown) => env.log.debug({ err: error }, 'keys that lack were not added'));
    },
  });
}

/** Nearly every account has keys of the first, and it costs less than the second. */
const stored: readonly Mechanism[] = ['SCRAM-SHA-256', 'SCRAM-SHA-512', 'SCRAM-SHA-1'];

function existsAt(env: Env, domain: string): (username: string) => Promise<boolean> {
  return async (username) => {
    const entry = await env.directory.find(`${username}@${domain}`);
    return entry?.disabled === false;
  };
}

/** XEP-0175 §3 recommends a UUID (RFC 9562 §5.4) for whom nobody knows. */
function uuid(random: Random): string {
  const bytes = random.bytes(16);
  bytes[6] = (bytes[6]! & 0x0f) | 0x40;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  const hex = Buffer.from(bytes).toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}
