import { readFileSync } from 'node:fs';
import type { Bearer, Policy } from '../account/mechanisms.ts';
import type { Clock } from '../base/clock.ts';
import type { Config } from '../base/config.ts';
import { Failure } from '../base/failure.ts';
import { openTokens } from '../directory/tokens.ts';
import { usual as usualOffering, type Offering } from '../mux/offering.ts';
import type { Clients } from '../mux/tcp.ts';

const usual = usualOffering.passwords;

/** How clients may log in, as the muxes offer it. */
export function offeringOf({ auth }: Config): Offering {
  const { mechanisms, anonymous, oauth } = auth;
  // Whoever lists others means them.
  const adapts = mechanisms.length === usual.length && usual.every((name) => mechanisms.includes(name));
  return { passwords: mechanisms, bearer: oauth.issuer !== undefined, anonymous, adapts };
}

/** The same as the owners hold clients to it. Rejects with `Failure('config')`. */
export async function policyOf({ auth }: Config, clock: Clock): Promise<Policy> {
  const { mechanisms, anonymous, clientCertificates } = auth;
  return {
    passwords: mechanisms,
    certificates: clientCertificates.ca !== undefined,
    anonymous,
    bearer: await bearerOf(auth, clock),
  };
}

async function bearerOf({ oauth }: Config['auth'], clock: Clock): Promise<Bearer | undefined> {
  const { issuer, audience, jwks, claim, scope, discovery } = oauth;
  if (issuer === undefined || audience === undefined || jwks === undefined) return undefined;
  const tokens = await openTokens({ issuer, audience, jwks, claim, scope, clock });
  return { verify: (token) => tokens.verify(token), scope, discovery };
}

/** Who certifies clients; undefined where nobody does. Throws `Failure('config')`. */
export function clientsOf({ auth }: Config): Clients | undefined {
  const { ca, crl } = auth.clientCertificates;
  if (ca === undefined) return undefined;
  return { ca: read('ca', ca), crl: crl === undefined ? undefined : read('crl', crl) };
}

function read(name: string, path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new Failure('config', `auth.clientCertificates.${name}: ${path} cannot be read`, error);
  }
}
