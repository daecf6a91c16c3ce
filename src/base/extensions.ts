/** The part of `fixed.ts` that bounds protocol extensions: what clients' features may take. */
export const extensions = {
  lull: {
    value: 200,
    unit: 'stanzas',
    of: 'stanzas that an inactive client need not see yet (XEP-0352)',
    overflow: 'all of them are sent',
  },
  lullCharacters: {
    value: 65_536,
    unit: 'characters',
    of: 'their size',
    overflow: 'all of them are sent',
  },
} as const;
