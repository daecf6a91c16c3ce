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
  pushPause: {
    value: 5000,
    unit: 'ms',
    of: 'time between two notifications to one push registration (XEP-0357)',
    overflow: 'what comes meanwhile is told together at its end',
  },
  pushNode: {
    value: 1024,
    unit: 'characters',
    of: 'the node of a push registration',
    overflow: 'it is refused with `not-acceptable`',
  },
  pushForm: {
    value: 4096,
    unit: 'characters',
    of: 'the publish options of a push registration',
    overflow: 'it is refused with `not-acceptable`',
  },
  retractSlice: {
    value: 1000,
    unit: 'messages',
    of: 'the newest messages of an account among which a retraction looks for its own (XEP-0424)',
    overflow: 'what is older is retracted by clients alone, and no tombstone takes its place',
  },
} as const;
