/** The part of `fixed.ts` that bounds protocol extensions: what clients' features may take. */
export const extensions = {
  privateName: {
    value: 1023,
    unit: 'bytes',
    of: 'the namespace, and the name, of an element in private storage (XEP-0049)',
    overflow: 'the request fails with `not-acceptable`',
  },
  farewell: {
    value: 1023,
    unit: 'bytes',
    of: 'the last status of an account that went, for XEP-0012',
    overflow: 'it is not kept',
  },
} as const;
