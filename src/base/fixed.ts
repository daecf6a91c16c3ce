import { extensions } from './extensions.ts';
import { meshing } from './meshing.ts';
import { placing } from './placing.ts';
import { rooming } from './rooming.ts';

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
  ...extensions,
  ...placing,
  ...meshing,
  ...rooming,
  answerTime: {
    value: 1000,
    unit: 'ms',
    of: 'time after which a client’s `<r/>` is answered at the latest, with the `h` of then (XEP-0198 §4)',
    overflow: 'the answer says less than was received; a later one says the rest',
  },
  paceTurn: {
    value: 20,
    unit: 'ms',
    of: 'time for which the socket of a client that says too much is not read (`limits.pace`)',
    overflow: 'it is read again where enough time has passed, else after the next turn',
  },
  paceBytes: {
    value: 4096,
    unit: 'bytes',
    of: 'a stanza that counts once for that',
    overflow: 'it counts by its size',
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
  retentionSlice: {
    value: 200,
    unit: 'rows',
    of: 'old messages removed in one commit',
    overflow: 'further ones go with the next one, after a pause of `retentionPause`',
  },
  retentionPause: {
    value: 100,
    unit: 'ms',
    of: 'time between two such commits of a partition',
    overflow: 'what others store goes first',
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
  poolApart: {
    value: 10,
    unit: 'ms',
    of: 'the same in a pool, where a commit costs the database as much again and a message takes two',
    overflow: 'as `laneApart`',
  },
  laneEnough: {
    value: 64,
    unit: 'units',
    of: 'units with which a batch is not small',
    overflow: 'it begins at once',
  },
  ahead: {
    value: 1000,
    unit: 'sessions',
    of: 'sessions of a partition whose accounts a new owner reads at once',
    overflow: 'the accounts of the others are read when somebody asks for them',
  },
  aheadTime: {
    value: 10_000,
    unit: 'ms',
    of: 'time for which it keeps what nobody asked for yet',
    overflow: 'it is read again when somebody does',
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
  catchUps: {
    value: 64,
    unit: 'sessions',
    of: 'sessions of a server that read at a time what they missed',
    overflow: 'the others wait for their turn: the store has others’ questions to answer, too',
  },
  owed: {
    value: 10_000,
    unit: 'stanzas',
    of: 'presence that could not be handed to another server, kept to be said again as it is then',
    overflow: 'the oldest is forgotten; its recipient sees it with the next change',
  },
  owedRetry: {
    value: 1000,
    unit: 'ms',
    of: 'time after which presence that could not be handed over is said again',
    overflow: 'none',
  },
  ackGather: {
    value: 10,
    unit: 'ms',
    of: 'time in which a mux gathers what clients acknowledge, before it tells their owners',
    overflow: 'an owner that has sent a client all that it may waits as long before it goes on',
  },
  ends: {
    value: 32,
    unit: 'sessions',
    of: 'sessions of a partition whose end is being stored',
    overflow: 'further ones, and what comes for their accounts, wait their turn',
  },
  touchSlice: {
    value: 500,
    unit: 'sessions',
    of: 'sessions of a partition whose numbers and records go with one batch',
    overflow:
      'the others go with the next one; until then they are not acknowledged, or are at their mux alone',
  },
  lazySlice: {
    value: 50,
    unit: 'accounts',
    of: 'accounts of a partition whose lazy writes begin in one go',
    overflow: 'the next ones follow after `lazyPause`',
  },
  lazyPause: {
    value: 20,
    unit: 'ms',
    of: 'time between two slices of lazy writes',
    overflow: 'what is acknowledged meanwhile waits with the rest',
  },
  sweepSlice: {
    value: 500,
    unit: 'accounts or rooms',
    of: 'entities of a partition that are looked at in one go to see which are idle',
    overflow: 'the next ones are looked at next time',
  },
  accountPause: {
    value: 250,
    unit: 'ms',
    of: 'time until an account that could not be read for its mux or client is read again',
    overflow: 'what came for it waits; a client that does not wait that long comes again',
  },
  keysKept: {
    value: 50_000,
    unit: 'accounts',
    of: 'accounts whose keys for logins are kept in memory',
    overflow: 'those used longest ago are read again when they are needed',
  },
  tidyLeast: {
    value: 32 * 1024 * 1024,
    unit: 'bytes',
    of: 'growth of the heap after which a server at rest gives memory back',
    overflow:
      'it collects once: a pause of 1 to 3 ms per megabyte in use, where no other process wants the cores',
  },
  tidyMost: {
    value: 192 * 1024 * 1024,
    unit: 'bytes',
    of: 'heap in use up to which it does so; half of it for the thorough way, which takes twice as long',
    overflow: 'memory is not given back',
  },
  tidyPause: {
    value: 250,
    unit: 'ms',
    of: 'pause for that, by what the last one took for each byte: on a busy machine it is a multiple',
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
  statusTime: {
    value: 2000,
    unit: 'ms',
    of: 'time that the store has for its part of `muster status`',
    overflow: 'the server tells of itself alone, and that the store does not answer',
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
  ['frames that wait while their partition is handed over', '`unaccepted` of its sessions, for `handOff`'],
  ['logins under way at an owner', '`unauthenticated` of each mux'],
  ['sessions that wait for `catchUps`', '`sessions` of each account'],
  ['sessions whose mux lost their owner', '`resume`: then it forgets them'],
];
