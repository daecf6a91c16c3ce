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
} as const;
