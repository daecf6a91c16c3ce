/** The part of `fixed.ts` that bounds protocol extensions: what clients' features may take. */
export const extensions = {
  uploadSlot: {
    value: 300_000,
    unit: 'ms',
    of: 'time from a slot to the begin of its upload (XEP-0363 §8)',
    overflow: 'the upload is refused; the client asks for another slot',
  },
  uploadIdle: {
    value: 30_000,
    unit: 'ms',
    of: 'time in which an upload or a download does not move',
    overflow: 'it is cut, and an upload leaves nothing behind',
  },
  uploadTime: {
    value: 3_600_000,
    unit: 'ms',
    of: 'one upload from its first byte to its last',
    overflow: 'it is cut, and leaves nothing behind',
  },
  uploadName: {
    value: 200,
    unit: 'bytes',
    of: 'the name of an uploaded file in its URL',
    overflow: 'it is shortened; its extension stays',
  },
  transfers: {
    value: 256,
    unit: 'transfers',
    of: 'uploads and downloads that a process serves, or passes on, at the same time',
    overflow: 'further ones are answered 503 with the time to wait',
  },
  blobChunk: {
    value: 262_144,
    unit: 'bytes',
    of: 'a piece of a file in the database, and of one that is read',
    overflow: 'a larger file has more pieces; one of each transfer is in memory',
  },
  relayConnect: {
    value: 3000,
    unit: 'ms',
    of: 'time that a server with accounts has to take a connection of a mux that passes a transfer on',
    overflow: 'the next server is tried',
  },
  relayAnswer: {
    value: 5000,
    unit: 'ms',
    of: 'time that it has to begin with its answer, or to want the body',
    overflow: 'the next server is tried; once a part of the body was sent, the upload fails',
  },
} as const;
