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
  shelf: {
    value: 4 * 1024 * 1024,
    unit: 'bytes',
    of: 'memory, roughly, for the PubSub nodes of the accounts of a partition',
    overflow: 'those not asked for longest are read again when they are needed',
  },
  caps: {
    value: 2000,
    unit: 'hashes',
    of: 'capabilities of clients that a server remembers (XEP-0115)',
    overflow: 'those not met for longest are asked of a client again',
  },
  capsNodes: {
    value: 256,
    unit: 'nodes',
    of: 'PubSub nodes that one client wants to hear of',
    overflow: 'further ones are not taken note of',
  },
  capsTime: {
    value: 30_000,
    unit: 'ms',
    of: 'time that a client has to say what its hash means',
    overflow: 'another client with that hash is asked',
  },
  capsAsked: {
    value: 3,
    unit: 'questions',
    of: 'questions for its capabilities that a session leaves without an answer',
    overflow: 'it is asked no more, and gets no notifications by its capabilities',
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
  nodesListed: {
    value: 2000,
    unit: 'nodes',
    of: 'PubSub nodes that one answer of service discovery lists',
    overflow: 'further ones are not listed',
  },
} as const;
