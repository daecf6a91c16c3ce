/** The part of `fixed.ts` that bounds protocol extensions: what clients' features may take. */
export const extensions = {
  commandTime: {
    value: 600,
    unit: 's',
    of: 'time for filling in the form of an administrator’s command (XEP-0050)',
    overflow: 'it has to be begun anew',
  },
  commandsEnded: {
    value: 1000,
    unit: 'commands',
    of: 'commands that were done, remembered so that none is done twice',
    overflow: 'the oldest could be done again until its time is over',
  },
  peopleListed: {
    value: 2000,
    unit: 'accounts',
    of: 'the list of people that an administrator’s command answers',
    overflow: 'further ones are not listed, and the answer says so',
  },
  announcePace: {
    value: 100,
    unit: 'sessions',
    of: 'sessions of a server that are told of an announcement at once',
    overflow: 'the next ones are told 100 ms later',
  },
  noticesRead: {
    value: 60_000,
    unit: 'ms',
    of: 'time after which a server reads again what people are told when they come',
    overflow: 'a change that it did not hear of waits so long',
  },
  announcements: {
    value: 8,
    unit: 'announcements',
    of: 'announcements that a server is still telling',
    overflow: 'the next one is refused',
  },
  transferPiece: {
    value: 524_288,
    unit: 'characters',
    of: 'one piece of an account that is imported: a message, a contact, a vCard; and what is sent to its owner at once',
    overflow: 'it is left out, and the import says so; a text or tag without an end stops the import',
  },
  transferElements: {
    value: 20_000,
    unit: 'elements',
    of: 'elements of one such piece',
    overflow: 'it is left out, and the import says so',
  },
  transferPieces: {
    value: 50,
    unit: 'pieces',
    of: 'pieces of an imported account that are stored at once',
    overflow: 'further ones go with the next unit',
  },
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
  shelf: {
    value: 4 * 1024 * 1024,
    unit: 'bytes',
    of: 'memory, roughly, for the PubSub nodes of the accounts of a partition',
    overflow: 'those not asked for longest are read again when they are needed',
  },
  nodeName: {
    value: 1023,
    unit: 'bytes',
    of: 'the name of a PubSub node, and the id of an item',
    overflow: 'the request fails with `not-acceptable`',
  },
  nodeAsked: {
    value: 100,
    unit: 'items',
    of: 'ids of PubSub items in one request',
    overflow: 'it fails with `resource-constraint`',
  },
  nodeAnswer: {
    value: 240_000,
    unit: 'bytes',
    of: 'PubSub items in one answer',
    overflow: 'older ones are left out; a client that pages (XEP-0059) gets them on the next page',
  },
} as const;
