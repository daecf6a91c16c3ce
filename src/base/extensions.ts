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
