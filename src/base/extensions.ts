/** The part of `fixed.ts` that bounds protocol extensions: what clients' features may take. */
export const extensions = {
  boshWait: {
    value: 60,
    unit: 's',
    of: 'time for which a BOSH request is held open (XEP-0124 §7, `wait`)',
    overflow: 'it is answered with an empty body; a client that asks for more gets this',
  },
  boshHold: {
    value: 2,
    unit: 'requests',
    of: 'requests of a BOSH session that are held open; one more may come at the same time',
    overflow: 'the oldest is answered; one that is further ahead ends the session with `item-not-found`',
  },
  boshInactivity: {
    value: 60,
    unit: 's',
    of: 'time without any request of a BOSH session',
    overflow: 'it ends; its stream waits to be resumed',
  },
  boshPause: {
    value: 120,
    unit: 's',
    of: 'the same where its client has asked for a pause',
    overflow: 'the session ends with `policy-violation`',
  },
  boshPolling: {
    value: 2,
    unit: 's',
    of: 'time between two requests of a BOSH session that carry nothing and were not asked for',
    overflow: 'the session ends with `policy-violation`',
  },
  boshRepeats: {
    value: 10,
    unit: 'requests',
    of: 'repetitions of one BOSH request',
    overflow: 'the session ends with `policy-violation`',
  },
  boshSessions: {
    value: 10_000,
    unit: 'sessions',
    of: 'BOSH sessions of a mux',
    overflow: 'a new one is answered `internal-server-error`',
  },
  componentUnacked: {
    value: 20_000,
    unit: 'stanzas',
    of: 'stanzas for an external component that its connection has not taken (`unackedHard` is for people)',
    overflow: 'the connection is closed; messages wait for the next one',
  },
  componentRequests: {
    value: 10_000,
    unit: 'requests',
    of: 'requests to an external component, and requests of it, that are not answered',
    overflow: 'one more is answered `resource-constraint`',
  },
} as const;
