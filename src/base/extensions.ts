/** The part of `fixed.ts` that bounds protocol extensions: what clients' features may take. */
export const extensions = {
  failuresKept: {
    value: 20_000,
    unit: 'entries',
    of: 'accounts with failed logins that an owner keeps in mind, and as many of their networks; networks of a mux',
    overflow: 'those that failed longest ago are forgotten',
  },
  entered: {
    value: 20_000,
    unit: 'entries',
    of: 'accounts and networks that they were entered from, which others’ failures do not shut out',
    overflow: 'those that entered longest ago are forgotten: then they wait as anybody does',
  },
  tokenKeysSize: {
    value: 262_144,
    unit: 'bytes',
    of: 'the public keys of who issues tokens (`auth.oauth.jwks`)',
    overflow: 'they are not taken; logins with a token fail for now',
  },
  tokenKeysTime: {
    value: 5000,
    unit: 'ms',
    of: 'fetching them',
    overflow: 'the login fails for now, with `temporary-auth-failure`',
  },
  tokenKeysPause: {
    value: 30_000,
    unit: 'ms',
    of: 'time between two looks for a key that is not among them',
    overflow: 'a token that names such a key is refused',
  },
  tokenKeysAge: {
    value: 600_000,
    unit: 'ms',
    of: 'time that they are used without asking again',
    overflow: 'they are fetched with the next login',
  },
  tokenSkew: {
    value: 30_000,
    unit: 'ms',
    of: 'difference of clocks that a token is forgiven',
    overflow: 'it is refused as not yet, or not any more, valid',
  },
  tokenClients: {
    value: 16,
    unit: 'clients',
    of: 'clients of an account that have a token for fast logins (XEP-0484)',
    overflow: 'the one whose token is the oldest logs in with its password again',
  },
  tokenFresh: {
    value: 86_400_000,
    unit: 'ms',
    of: 'age of a token from which on a login with it brings a new one',
    overflow: 'it is given one; the old one holds until that is used',
  },
} as const;
