/** The mechanisms that a mux may offer, as the configuration says. */
export interface Offering {
  /** Those that need a password, without their -PLUS forms. */
  readonly passwords: readonly string[];
  /** OAUTHBEARER (RFC 7628). */
  readonly bearer: boolean;
  /** The domain of ANONYMOUS (XEP-0175), where there is nothing else; undefined: none. */
  readonly anonymous: string | undefined;
}

export const usual: Offering = {
  passwords: ['SCRAM-SHA-512', 'SCRAM-SHA-256', 'SCRAM-SHA-1', 'PLAIN'],
  bearer: false,
  anonymous: undefined,
};

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
