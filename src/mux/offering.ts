/** The mechanisms that a mux may offer, as the configuration says. */
export interface Offering {
  /** Those that need a password, without their -PLUS forms. */
  readonly passwords: readonly string[];
  /** OAUTHBEARER (RFC 7628). */
  readonly bearer: boolean;
  /** The domain of ANONYMOUS (XEP-0175), where there is nothing else; undefined: none. */
  readonly anonymous: string | undefined;
  /** Those with a password are less while accounts lack keys; unset where the administrator wants just these. */
  readonly adapts?: boolean | undefined;
  /** Those with a password whose keys a client may add (XEP-0480), where it is not what is offered. */
  readonly upgrades?: readonly string[] | undefined;
}

export const usual: Offering = {
  passwords: ['SCRAM-SHA-512', 'SCRAM-SHA-256', 'SCRAM-SHA-1', 'PLAIN'],
  bearer: false,
  anonymous: undefined,
  adapts: true,
};

/**
 * What is offered while some accounts have no keys for these mechanisms: before it logs in nobody knows whose client it
 * is, and it takes the strongest one. Keys for the others may be added as ever. One object for the same answer.
 */
export function without(offering: Offering, lacking: readonly string[] | undefined): Offering {
  if (offering.adapts !== true || lacking === undefined || lacking.length === 0) return offering;
  let known = narrowed.get(offering);
  if (known === undefined) narrowed.set(offering, (known = new Map()));
  const key = lacking.join();
  let less = known.get(key);
  if (less === undefined) {
    const left = offering.passwords.filter((name) => !lacking.includes(name));
    // Nothing does for all, so the one that nearly every server before had: PLAIN alone would be no way in the clear.
    if (!left.some((name) => strongest.includes(name)))
      left.unshift(...offering.passwords.filter((name) => name === 'SCRAM-SHA-1'));
    known.set(key, (less = { ...offering, passwords: left, upgrades: offering.passwords }));
  }
  return less;
}

/** By what was to be offered, and what lacks: there are eight. */
const narrowed = new WeakMap<Offering, Map<string, Offering>>();

/** What is known of a connection that decides about mechanisms. */
export interface Circumstances {
  readonly domain: string;
  /** Encrypted, or on a listener that needs no encryption. */
  readonly secure: boolean;
  /** There is channel-binding data. */
  readonly bound: boolean;
  /** The client has shown a certificate that TLS verified. */
  readonly certified: boolean;
}

/** By strength (RFC 6120 §6.3.3): what is bound to the channel before what is not, and PLAIN, which tells the password, last. */
export function mechanismsOf(offering: Offering, at: Circumstances): readonly string[] {
  const { passwords, bearer, anonymous } = offering;
  if (at.domain === anonymous) return ['ANONYMOUS'];
  const scram = strongest.filter((name) => passwords.includes(name));
  return [
    ...(at.certified ? ['EXTERNAL'] : []),
    ...(at.bound ? scram.map((name) => `${name}-PLUS`) : []),
    ...scram,
    ...(bearer && at.secure ? ['OAUTHBEARER'] : []),
    ...(at.secure && passwords.includes('PLAIN') ? ['PLAIN'] : []),
  ];
}

const strongest = ['SCRAM-SHA-512', 'SCRAM-SHA-256', 'SCRAM-SHA-1'];
