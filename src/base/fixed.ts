/**
 * The bounds that nobody sets: a standard says them, or what they cost is small and known. They stand here, and not
 * beside what they bound, so that `docs/limits.md` has every one of them (invariant 10).
 */
export interface Fixed {
  readonly value: number;
  readonly unit: string;
  /** What is bounded. */
  readonly of: string;
  /** What happens to what goes beyond it. */
  readonly overflow: string;
}

export const fixed = {
  answerTime: {
    value: 1000,
    unit: 'ms',
    of: 'time after which a client’s `<r/>` is answered at the latest, with the `h` of then (XEP-0198 §4)',
    overflow: 'the answer says less than was received; a later one says the rest',
  },
  closeTime: {
    value: 5000,
    unit: 'ms',
    of: 'the closing handshake of a stream, its last stanzas included',
    overflow: 'the connection is cut; the session waits to be resumed',
  },
  farewells: {
    value: 10_000,
    unit: 'sessions',
    of: 'ends of sessions of late, kept for an owner that comes next',
    overflow: 'further ones are forgotten; the next owner ends them after the resume window',
  },
  farewellTime: {
    value: 10_000,
    unit: 'ms',
    of: 'time that they are kept',
    overflow: 'they are forgotten: their owner has acted on them',
  },
  keepalive: {
    value: 120_000,
    unit: 'ms',
    of: 'silence of a connection before the operating system asks whether its other end is there',
    overflow: 'without an answer the connection is gone; the session waits to be resumed',
  },
  reports: {
    value: 3000,
    unit: 'ms',
    of: 'time that a new owner gives the muxes to show their sessions',
    overflow: 'sessions that cannot be resumed end; an unknown one is answered `item-not-found`',
  },
  rosterName: {
    value: 1023,
    unit: 'bytes',
    of: 'the name of a contact, and of each of its groups',
    overflow: 'the change fails with `not-acceptable` (RFC 6121 §2.3.3)',
  },
  rosterGroups: {
    value: 64,
    unit: 'groups',
    of: 'groups of one contact',
    overflow: 'the change fails with `not-acceptable`',
  },
  feedSlice: {
    value: 50,
    unit: 'messages',
    of: 'messages read at once for a session that catches up',
    overflow: 'the next ones are read when these are sent',
  },
  archiveSlice: {
    value: 2000,
    unit: 'rows',
    of: 'rows that one reading step of an archive query passes over',
    overflow: 'the query goes on in another step, behind what others asked meanwhile',
  },
  archiveWait: {
    value: 30_000,
    unit: 'ms',
    of: 'time in which a client must acknowledge enough for the next message of a page',
    overflow: 'the query fails with `resource-constraint`; the client asks again from where it is',
  },
  queryid: {
    value: 256,
    unit: 'characters',
    of: '`queryid` of an archive query, which comes back with every message',
    overflow: 'the query fails with `bad-request`',
  },
  pageId: {
    value: 1024,
    unit: 'characters',
    of: 'the item that a page begins or ends at (XEP-0059)',
    overflow: 'the request fails with `bad-request`',
  },
  outboxSlice: {
    value: 500,
    unit: 'messages',
    of: 'messages of an outbox read at once when an owner begins',
    overflow: 'the next ones are read after these',
  },
  password: {
    value: 1024,
    unit: 'characters',
    of: 'a new password',
    overflow: 'it is refused',
  },
  registerAddress: {
    value: 20,
    unit: 'accounts',
    of: 'accounts tried from one network address without a break; one more each 60 s',
    overflow: 'the attempt fails with `resource-constraint`, to be tried later',
  },
  registerAll: {
    value: 200,
    unit: 'accounts',
    of: 'accounts tried from all addresses together without a break; two more each second',
    overflow: 'the attempt fails with `resource-constraint`, to be tried later',
  },
  networks: {
    value: 10_000,
    unit: 'addresses',
    of: 'network addresses whose attempts are remembered',
    overflow: 'the one that was silent longest is forgotten; the common rate still holds',
  },
  hashingWidth: {
    value: 4,
    unit: 'passwords',
    of: 'passwords hashed at the same time',
    overflow: 'further ones wait, see `hashing`',
  },
  laneWait: {
    value: 3000,
    unit: 'ms',
    of: 'time for which a closing lane waits for a store that does not answer',
    overflow: 'what surely is not stored fails; what may be stored is told to nobody',
  },
  laneApart: {
    value: 3,
    unit: 'ms',
    of: 'time from the begin of one small batch of a lane to that of the next, for company: a commit costs 0.3 ms of CPU',
    overflow: 'the batch begins with what is there; behind a pause it begins at once',
  },
  laneEnough: {
    value: 64,
    unit: 'units',
    of: 'units with which a batch is not small',
    overflow: 'it begins at once',
  },
  meshRounds: {
    value: 4,
    unit: 'rounds',
    of: 'answers of a process to itself that go in one turn of the event loop',
    overflow: 'the rest goes in the next turn, behind what waits for its own',
  },
  meshDismissed: {
    value: 1000,
    unit: 'processes',
    of: 'dead processes of which nothing more is heard',
    overflow: 'the one that died first is forgotten',
  },
  routesPeriod: {
    value: 1000,
    unit: 'ms',
    of: 'time between two repetitions of the version of an owner’s routes',
    overflow: 'who missed a change learns of it with the next one',
  },
  handOff: {
    value: 5000,
    unit: 'ms',
    of: 'time that a partition has to come to rest before it is handed over',
    overflow: 'it stays where it is, and is tried again',
  },
  credentials: {
    value: 50_000,
    unit: 'accounts and mechanisms',
    of: 'keys of accounts owned here that a server remembers from their logins',
    overflow: 'those of the partition that was first are read again at their next login',
  },
  lanes: {
    value: 2,
    unit: 'lanes',
    of: 'commit lanes of a server of a pool: commits that are under way at a time',
    overflow: 'what else is to be stored waits for the next batch of its lane',
  },
  refreshBurst: {
    value: 200,
    unit: 'sessions',
    of: 'sessions of a new owner whose presence is repeated at once, and then each second',
    overflow: 'the others take turns',
  },
  refreshTime: {
    value: 4000,
    unit: 'ms',
    of: 'time in which all of them have had their turn',
    overflow: 'more of them go at a time',
  },
  leaseRenew: {
    value: 1000,
    unit: 'ms',
    of: 'time between two renewals of a server’s lease',
    overflow: 'a renewal that takes longer is waited for, and the next one follows at once',
  },
  lease: {
    value: 5000,
    unit: 'ms',
    of: 'time for which another server must see a lease stand still, while the database answers',
    overflow: 'that server is declared dead, and the others claim what it owned',
  },
  leaseOwn: {
    value: 4000,
    unit: 'ms',
    of: 'time from the sending of the last renewal that succeeded for which an owner acknowledges',
    overflow: 'it acknowledges nothing until the next renewal succeeded',
  },
  hearing: {
    value: 2000,
    unit: 'ms',
    of: 'time since another process answered a server',
    overflow: 'it does not renew its lease, declares nobody dead and claims nothing',
  },
  ringPeriod: {
    value: 250,
    unit: 'ms',
    of: 'time between two heartbeats',
    overflow: 'none: a process that has not answered yet is not asked again',
  },
  ringWatchers: {
    value: 3,
    unit: 'servers',
    of: 'servers that watch one server; a mux is watched by all',
    overflow: 'further ones learn of its death from these, or from the table',
  },
  lookPeriod: {
    value: 1000,
    unit: 'ms',
    of: 'time between two looks at the tables of servers and partitions',
    overflow: 'a look that takes longer is waited for',
  },
  lookSlow: {
    value: 1000,
    unit: 'ms',
    of: 'time in which the database must answer a look for it to say something about leases',
    overflow: 'the watch over the others’ leases begins anew',
  },
  lookGap: {
    value: 2500,
    unit: 'ms',
    of: 'time between two looks for them to be one watch; a server whose lease moved no later is given partitions',
    overflow: 'the watch over the others’ leases begins anew',
  },
  claimLeft: {
    value: 1500,
    unit: 'ms',
    of: 'time that a server has to claim its part of what is nobody’s',
    overflow: 'those whose leases move claim it; after twice that time anybody',
  },
  moves: {
    value: 8,
    unit: 'partitions',
    of: 'partitions that a server gives away in a second to even out',
    overflow: 'the next ones go in the next second; `rebalance` and `drain` have no such bound',
  },
  handoffWait: {
    value: 1000,
    unit: 'ms',
    of: 'time for which the next owner’s answer is waited for',
    overflow: 'it finds the partition in the table; what was carried over is lost',
  },
  partitionLoads: {
    value: 32,
    unit: 'partitions',
    of: 'partitions being loaded at the same time',
    overflow: 'further ones wait for their turn',
  },
  loadPause: {
    value: 50,
    unit: 'ms',
    of: 'pause before a partition that could not be loaded is tried again; up to a second',
    overflow: 'none',
  },
  announceApart: {
    value: 20,
    unit: 'ms',
    of: 'time for which changes of what is owned wait for company while more is being loaded',
    overflow: 'they are announced',
  },
  deadServers: {
    value: 3_600_000,
    unit: 'ms',
    of: 'time for which a dead server is still listed',
    overflow: 'its row goes, with those of its commit lanes',
  },
  leave: {
    value: 5000,
    unit: 'ms',
    of: 'each step of a server’s leave: a look, handing everything over, its own row',
    overflow: 'the step is given up; the others take over what is left',
  },
  floor: {
    value: 20,
    unit: 'of 100',
    of: 'availability of a server that is given partitions',
    overflow:
      'below it a server is constrained: it takes nothing new and gives one partition away each second',
  },
  tidyLeast: {
    value: 32 * 1024 * 1024,
    unit: 'bytes',
    of: 'growth of the heap after which a server at rest gives memory back',
    overflow: 'it collects once: a pause of 1 to 3 ms per megabyte in use',
  },
  tidyMost: {
    value: 384 * 1024 * 1024,
    unit: 'bytes',
    of: 'heap in use up to which it does so, because more would pause for longer than half a second',
    overflow: 'memory is not given back',
  },
  query: {
    value: 10_000,
    unit: 'ms',
    of: 'one question to the store',
    overflow: 'it fails with `store-unavailable`; commits have no deadline of their own',
  },
  queryLines: {
    value: 4,
    unit: 'connections',
    of: 'connections to PostgreSQL for questions, beside one for each lane and one for the rest',
    overflow: 'questions wait for those before them',
  },
  queryQueue: {
    value: 1000,
    unit: 'questions',
    of: 'questions that wait on each of them',
    overflow: 'further ones fail with `store-unavailable`',
  },
  commitTime: {
    value: 5000,
    unit: 'ms',
    of: 'one commit to PostgreSQL, and any other statement that is no question',
    overflow: 'its connection is given up; what came of it is asked on a new one',
  },
  connectTime: {
    value: 2000,
    unit: 'ms',
    of: 'one connection to one host of PostgreSQL, until it has said whether it is the primary',
    overflow: 'the next host is tried',
  },
  migrateTime: {
    value: 60_000,
    unit: 'ms',
    of: 'bringing the schema of a PostgreSQL up to date, or waiting for a server that does',
    overflow: 'the server does not start',
  },
  ids: {
    value: 4096,
    unit: 'ids',
    of: 'ids taken from the store at once; the next ones are asked for when half of them are gone',
    overflow: 'while the store gives none, what needs an id fails with `store-unavailable`',
  },
  meshWindow: {
    value: 4096,
    unit: 'frames',
    of: 'frames on the wire to one process',
    overflow: 'further ones wait; sessions, lanes and outboxes in front of them have bounds of their own',
  },
  meshPeerBytes: {
    value: 2 * 1024 * 1024,
    unit: 'bytes',
    of: 'frames on the wire to one process, where they leave this one',
    overflow: 'further ones wait; a single bigger one goes alone',
  },
  meshBytes: {
    value: 24 * 1024 * 1024,
    unit: 'bytes',
    of: 'frames on the wire to all processes together',
    overflow: 'further ones wait; each process may have one under way',
  },
  meshBacklog: {
    value: 16 * 1024 * 1024,
    unit: 'bytes',
    of: 'bytes given to NATS that it has not acknowledged',
    overflow: 'packets are dropped until it does; the channel sends their frames again',
  },
  meshMembers: {
    value: 1000,
    unit: 'processes',
    of: 'other processes that tell of themselves on the mesh',
    overflow: 'further ones are not heard',
  },
  meshBeacon: {
    value: 500,
    unit: 'ms',
    of: 'time between two beacons of a process',
    overflow: 'a process that says nothing for `meshSilence` is gone',
  },
  meshSilence: {
    value: 5000,
    unit: 'ms',
    of: 'silence of a process while this one can hear others',
    overflow: 'it is gone: frames that it has not received return to their senders',
  },
  meshAnswer: {
    value: 2500,
    unit: 'ms',
    of: 'time that NATS takes to answer a ping, or to accept a connection',
    overflow: 'the connection is given up, and the next server of the list is tried',
  },
  meshFirst: {
    value: 5000,
    unit: 'ms',
    of: 'time in which a starting process tries all servers of the list again and again',
    overflow: 'it ends with `mesh-unavailable`',
  },
  meshLook: {
    value: 500,
    unit: 'ms',
    of: 'time in which a process that is looked for, or its health port, must answer',
    overflow: 'it counts as silent',
  },
  healthConnections: {
    value: 64,
    unit: 'connections',
    of: 'connections to the health port at a time, each for half a second at most',
    overflow: 'further ones are closed unanswered, which counts as silence',
  },
  meshProbe: {
    value: 16,
    unit: 'frames',
    of: 'frames sent again to a process that has twice received none of what was sent again',
    overflow: 'the others follow when it answers',
  },
  meshResend: {
    value: 200,
    unit: 'ms',
    of: 'time without progress on the way to one process',
    overflow: 'what was not received is sent again',
  },
  postRetry: {
    value: 5000,
    unit: 'ms',
    of: 'time for which a letter is under way',
    overflow: 'it is sent again; its recipient knows it by its origin',
  },
  jids: {
    value: 4096,
    unit: 'addresses',
    of: 'addresses whose normal form is remembered, in each of two generations',
    overflow: 'the older generation is forgotten',
  },
  readers: {
    value: 64,
    unit: 'readers',
    of: 'idle XML readers kept for one kind of stream header; 16 kinds are shared',
    overflow: 'further ones are made when they are needed',
  },
  importLine: {
    value: 16_384,
    unit: 'characters',
    of: 'one line of an import',
    overflow: 'that line is rejected',
  },
  asks: {
    value: 1000,
    unit: 'questions',
    of: 'questions to other servers that wait for their answers (administration)',
    overflow: 'the next one fails with `overloaded`',
  },
  askTime: {
    value: 5000,
    unit: 'ms',
    of: 'time that another server has for an answer',
    overflow: 'the question fails with `server-timeout`; a list goes without its part',
  },
  askOwner: {
    value: 10_000,
    unit: 'ms',
    of: 'time for which a change goes after an account whose owner is changing',
    overflow: 'it fails with `server-unreachable`',
  },
  answerSize: {
    value: 524_288,
    unit: 'characters',
    of: 'the list of sessions that one server tells another',
    overflow: 'further sessions are not listed',
  },
  listing: {
    value: 1000,
    unit: 'rows',
    of: 'one page of accounts, and a list of sessions',
    overflow: 'accounts go on with the next page; further sessions are not listed',
  },
} as const satisfies Record<string, Fixed>;

/** What has no number of its own, because what is in front of it has. */
export const derived: readonly (readonly [of: string, by: string])[] = [
  ['tasks that wait in an account’s mailbox', '`unaccepted` of its sessions, and `meshWindow`'],
  ['frames to one process that wait behind `meshWindow`', '`unaccepted`, `unackedHard`, `lane` and `outbox`'],
  ['questions of other servers that are being answered', '`asks` of each of them'],
  ['logins under way at an owner', '`unauthenticated` of each mux'],
  ['sessions whose mux lost their owner', '`resume`: then it forgets them'],
];
