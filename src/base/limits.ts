import { derived, fixed, type Fixed } from './fixed.ts';
import { roomLimits } from './roomlimits.ts';

/**
 * Every bound that an administrator may set: the configuration takes its defaults and ranges from here. With those of
 * `fixed.ts` they are `docs/limits.md` (`node scripts/limits.ts`). A queue or a count that is not listed has no bound,
 * which invariant 10 forbids: whoever adds one adds a row.
 */
export interface Limit {
  readonly unit: string;
  readonly default: number;
  readonly min: number;
  readonly max: number;
  /** What is bounded. */
  readonly of: string;
  /** What happens to what goes beyond it. */
  readonly overflow: string;
}

const mib = 1024 * 1024;

export const limits = {
  blocked: {
    unit: 'addresses',
    default: 1000,
    min: 1,
    max: 10_000,
    of: 'addresses that an account blocks (XEP-0191)',
    overflow: 'blocking more is refused with `policy-violation`',
  },
  pushes: {
    unit: 'registrations',
    default: 20,
    min: 1,
    max: 100,
    of: 'push registrations of an account (XEP-0357)',
    overflow: 'a new one takes the place of the oldest',
  },
  unaccepted: {
    unit: 'stanzas',
    default: 64,
    min: 1,
    max: 10_000,
    of: 'inbound stanzas of a session that no commit has accepted yet',
    overflow: 'its socket is not read until some are accepted',
  },
  unacceptedBytes: {
    unit: 'bytes',
    default: 512 * 1024,
    min: 16_384,
    max: 64 * mib,
    of: 'their size',
    overflow: 'its socket is not read until some are accepted',
  },
  pace: {
    unit: 'stanzas a second',
    default: 100,
    min: 1,
    max: 1_000_000,
    of: 'what one connection of a client says, in the long run; three times as many at once. A stanza of more than 4 KiB counts once for each of them, other elements a quarter; components have no such limit',
    overflow: 'its socket is read that much later; nothing is refused',
  },
  stanza: {
    unit: 'bytes',
    default: 262_144,
    min: 10_000,
    max: mib,
    of: 'one stanza of an authenticated client (RFC 6120 §13.12 asks for at least 10,000)',
    overflow: 'the stream ends with `policy-violation`',
  },
  elements: {
    unit: 'elements',
    default: 10_000,
    min: 100,
    max: 10_000,
    of: 'elements inside one stanza',
    overflow: 'the stream ends with `policy-violation`',
  },
  depth: {
    unit: 'levels',
    default: 64,
    min: 8,
    max: 64,
    of: 'nesting of elements inside a stanza',
    overflow: 'the stream ends with `policy-violation`',
  },
  attributes: {
    unit: 'attributes',
    default: 256,
    min: 16,
    max: 256,
    of: 'attributes of one element',
    overflow: 'the stream ends with `policy-violation`',
  },
  stanzaBefore: {
    unit: 'bytes',
    default: 8192,
    min: 1024,
    max: mib,
    of: 'one element before authentication; 32 elements in it, 16 levels deep, 64 attributes each',
    overflow: 'the stream ends with `policy-violation`',
  },
  elementsBefore: {
    unit: 'elements',
    default: 32,
    min: 8,
    max: 10_000,
    of: 'elements directly in the stream before there is a session',
    overflow: 'the stream ends with `policy-violation`',
  },
  attempts: {
    unit: 'attempts',
    default: 5,
    min: 2,
    max: 5,
    of: 'failed logins, binds and resumes on one connection (RFC 6120 §6.4.5: between 2 and 5)',
    overflow: 'the stream ends with `policy-violation`',
  },
  failures: {
    unit: 'failures',
    default: 30,
    min: 1,
    max: 10_000,
    of: 'failed logins to one account from one network (an IPv4 address, 2^64 IPv6 ones)',
    overflow: '`temporary-auth-failure` with the time to wait; no password is looked at until then',
  },
  failuresAccount: {
    unit: 'failures',
    default: 150,
    min: 1,
    max: 100_000,
    of: 'failed logins to one account from anywhere',
    overflow: 'the same, but for networks from which the account was entered lately',
  },
  failuresAddress: {
    unit: 'failures',
    default: 300,
    min: 1,
    max: 1_000_000,
    of: 'failed logins from one network to any account, at each mux; more where many people come from one address',
    overflow: 'the same, for every login from there',
  },
  failurePause: {
    unit: 's',
    default: 30,
    min: 1,
    max: 86_400,
    of: 'time after which one failed login, of each of these three, is forgiven',
    overflow: 'one more is let through',
  },
  unauthenticated: {
    unit: 'connections',
    default: 10_000,
    min: 1,
    max: 1_000_000,
    of: 'connections of a mux that have no session',
    overflow: 'the one that has waited longest is closed: a real login is over long before its turn comes',
  },
  logins: {
    unit: 'logins a second',
    default: 500,
    min: 1,
    max: 1_000_000,
    of: 'new sessions of an owner, in the long run; ten times as many at once (resumptions are not counted)',
    overflow: 'binding is answered `resource-constraint` with the time to wait; a resumption never is',
  },
  login: {
    unit: 's',
    default: 60,
    min: 1,
    max: 3600,
    of: 'time from connecting to an established session',
    overflow: 'the stream ends with `connection-timeout`',
  },
  unsent: {
    unit: 'bytes',
    default: 4 * mib,
    min: 65_536,
    max: 256 * mib,
    of: 'what a connection has been given and the network has not taken',
    overflow: 'the connection is cut; the session waits to be resumed',
  },
  stall: {
    unit: 's',
    default: 60,
    min: 1,
    max: 3600,
    of: 'time for which a connection takes nothing of what waits for it',
    overflow: 'the connection is cut; the session waits to be resumed',
  },
  ackWait: {
    unit: 's',
    default: 60,
    min: 1,
    max: 3600,
    of: 'time from `<r/>` to the client’s `<a/>` (XEP-0198 §4)',
    overflow: 'the connection is cut; the session waits to be resumed',
  },
  requests: {
    unit: 'requests',
    default: 256,
    min: 1,
    max: 10_000,
    of: 'requests of one session to others that are not answered',
    overflow: 'one more is answered `resource-constraint`; a mux keeps the newest for the next owner',
  },
  unacked: {
    unit: 'stanzas',
    default: 250,
    min: 1,
    max: 100_000,
    of: 'outbound stanzas of a session that its client has not acknowledged (soft)',
    overflow:
      'an acknowledgement is asked for; what can be produced later (spool, archive pages, join presence) is held back',
  },
  unackedBytes: {
    unit: 'bytes',
    default: 256 * 1024,
    min: 16_384,
    max: 64 * mib,
    of: 'their size (soft)',
    overflow: 'as for `unacked`',
  },
  unackedHard: {
    unit: 'stanzas',
    default: 2000,
    min: 1,
    max: 1_000_000,
    of: 'outbound stanzas of a session that its client has not acknowledged (hard)',
    overflow: 'the session ends; durable ones stay in the spool',
  },
  unackedHardBytes: {
    unit: 'bytes',
    default: 2 * mib,
    min: 16_384,
    max: 256 * mib,
    of: 'their size (hard)',
    overflow: 'the session ends; durable ones stay in the spool',
  },
  token: {
    unit: 'days',
    default: 21,
    min: 1,
    max: 365,
    of: 'life of a token for fast logins (XEP-0484); a client that uses it gets a new one in time',
    overflow: 'it is refused as `credentials-expired`, and the client logs in with its password',
  },
  resume: {
    unit: 's',
    default: 300,
    min: 0,
    max: 86_400,
    of: 'time in which a session that lost its connection may resume (XEP-0198 §5)',
    overflow: 'the session ends with presence `unavailable`; what it had not acknowledged goes to the spool',
  },
  sessions: {
    unit: 'sessions',
    default: 20,
    min: 1,
    max: 1000,
    of: 'sessions of one account',
    overflow: 'binding one more fails with `resource-constraint` (RFC 6120 §7.6.2.1)',
  },
  handled: {
    unit: 'ms',
    default: 500,
    min: 10,
    max: 10_000,
    of: 'time for which `h` may lag behind a stanza without stored effects',
    overflow: 'a batch is committed for it',
  },
  page: {
    unit: 'messages',
    default: 100,
    min: 1,
    max: 1000,
    of: 'one page of an archive query (XEP-0313 §4.3)',
    overflow: 'the page ends there; the client asks for the next one',
  },
  queries: {
    unit: 'queries',
    default: 4,
    min: 1,
    max: 100,
    of: 'archive queries of one account at the same time, and the same of its queries of rooms',
    overflow: 'one more is answered `resource-constraint`',
  },
  preferences: {
    unit: 'addresses',
    default: 1000,
    min: 1,
    max: 100_000,
    of: 'addresses in the archive preferences of one account',
    overflow: 'the change is answered `policy-violation`',
  },
  nodes: {
    unit: 'nodes',
    default: 500,
    min: 1,
    max: 100_000,
    of: 'PubSub nodes of one account (XEP-0163); the service of the domain keeps 20 times as many',
    overflow: 'creating one more fails with `resource-constraint`',
  },
  nodeItems: {
    unit: 'items',
    default: 1000,
    min: 1,
    max: 100_000,
    of: 'items that one PubSub node keeps at most, whatever its configuration says',
    overflow: 'the oldest ones go; a configuration that asks for more fails with `not-acceptable`',
  },
  nodePayload: {
    unit: 'bytes',
    default: 131_072,
    min: 1024,
    max: mib,
    of: 'the payload of one PubSub item',
    overflow: 'publishing fails with `not-acceptable` and `payload-too-big`',
  },
  nodePeople: {
    unit: 'addresses',
    default: 1000,
    min: 1,
    max: 100_000,
    of: 'subscriptions of one PubSub node, and likewise its affiliations',
    overflow: 'one more fails with `policy-violation` and `too-many-subscriptions`, or `resource-constraint`',
  },
  roster: {
    unit: 'items',
    default: 10_000,
    min: 1,
    max: 1_000_000,
    of: 'contacts of one account',
    overflow: 'adding one more fails with `resource-constraint`',
  },
  spool: {
    unit: 'messages',
    default: 10_000,
    min: 1,
    max: 10_000_000,
    of: 'messages that wait for an account without a session',
    overflow: 'the sender gets `resource-constraint`; nothing that was accepted earlier is dropped',
  },
  outbox: {
    unit: 'messages',
    default: 10_000,
    min: 1,
    max: 10_000_000,
    of: 'messages of an account that its owner has not handed over',
    overflow: 'further durable stanzas are answered `resource-constraint`',
  },
  lane: {
    unit: 'units',
    default: 4096,
    min: 64,
    max: 1_000_000,
    of: 'units that wait in one commit lane',
    overflow:
      'further messages of its accounts are answered `resource-constraint`, other changes `internal-server-error`, both to be tried again',
  },
  batch: {
    unit: 'units',
    default: 512,
    min: 1,
    max: 10_000,
    of: 'units in one commit',
    overflow: 'further ones go with the next',
  },
  batchOps: {
    unit: 'ops',
    default: 4096,
    min: 1,
    max: 100_000,
    of: 'ops after which a commit takes no further unit',
    overflow: 'further ones go with the next',
  },
  hashing: {
    unit: 'passwords',
    default: 1024,
    min: 1,
    max: 100_000,
    of: 'new passwords that wait to be hashed',
    overflow: 'making the account, or the change, fails with `overloaded`',
  },
  loads: {
    unit: 'entities',
    default: 64,
    min: 1,
    max: 10_000,
    of: 'entities that load from the store at the same time',
    overflow: 'further ones wait their turn',
  },
  loadsWaiting: {
    unit: 'entities',
    default: 10_000,
    min: 1,
    max: 1_000_000,
    of: 'entities that wait for their turn to load',
    overflow: 'what asked for one more is answered `resource-constraint` or tried again later',
  },
  idle: {
    unit: 'entities',
    default: 10_000,
    min: 0,
    max: 10_000_000,
    of: 'entities kept in memory although nobody uses them',
    overflow: 'the oldest are forgotten, and read again when they are needed',
  },
  directed: {
    unit: 'addresses',
    default: 1000,
    min: 1,
    max: 100_000,
    of: 'addresses that one session has sent directed presence to (RFC 6121 §4.6)',
    overflow: 'directed presence to one more is answered `resource-constraint`',
  },
  outboxTime: {
    unit: 's',
    default: 432_000,
    min: 60,
    max: 31_536_000,
    of: 'time for which a message waits to be handed over to its recipient',
    overflow: 'it goes back to its sender as `remote-server-timeout`',
  },
  retention: {
    unit: 'days',
    default: 0,
    min: 0,
    max: 36_500,
    of: 'age of archived messages; 0 keeps them for ever',
    overflow: 'older ones are removed, never one that waits for its recipient',
  },
  ...roomLimits,
  private: {
    unit: 'elements',
    default: 100,
    min: 10,
    max: 10_000,
    of: 'kinds of elements (by name and namespace) that an account may keep in private storage (XEP-0049)',
    overflow: 'the request fails with `resource-constraint`',
  },
  privateBytes: {
    unit: 'bytes',
    default: mib,
    min: 65_536,
    max: 16 * mib,
    of: 'their size together',
    overflow: 'the request fails with `resource-constraint`',
  },
  vcard: {
    unit: 'bytes',
    default: 262_144,
    min: 10_000,
    max: mib,
    of: 'a vCard (XEP-0054) with its photo',
    overflow: 'the request fails with `policy-violation`',
  },
  uploadSize: {
    unit: 'bytes',
    default: 100 * mib,
    min: 1,
    max: 1024 * 1024 * mib,
    of: 'one uploaded file (XEP-0363)',
    overflow: 'the slot is refused with `not-acceptable`, which tells this limit',
  },
  uploadQuota: {
    unit: 'bytes',
    default: 1024 * mib,
    min: 1,
    max: 1024 * 1024 * 1024 * mib,
    of: 'all files of an account that are kept, and those that it may be uploading',
    overflow: 'a slot is refused with `resource-constraint`',
  },
  uploadSlots: {
    unit: 'slots an hour',
    default: 200,
    min: 1,
    max: 100_000,
    of: 'uploads that one account begins',
    overflow: 'a slot is refused with `resource-constraint` and the time of the next one',
  },
  uploadRetention: {
    unit: 'days',
    default: 0,
    min: 0,
    max: 36_500,
    of: 'age of uploaded files; 0 keeps them for ever',
    overflow: 'older ones are removed',
  },
  lazy: {
    unit: 'ms',
    default: 2000,
    min: 10,
    max: 60_000,
    of: 'time for which the store may not know what clients acknowledged; after a crash they get that again',
    overflow: 'a batch is committed for it',
  },
  labels: {
    unit: 'values',
    default: 64,
    min: 8,
    max: 1000,
    of: 'different values of one metric label',
    overflow: 'further ones are counted under `other`',
  },
  importing: {
    unit: 'accounts',
    default: 64,
    min: 1,
    max: 1024,
    of: 'accounts of an import that are being made at the same time',
    overflow: 'the file is read more slowly',
  },
} as const satisfies Record<string, Limit>;

export type LimitName = keyof typeof limits;

/** A value for each limit, in its unit. */
export type Limits = { readonly [Name in LimitName]: number };

export const limitNames = Object.keys(limits) as LimitName[];

/** The value of every limit where the configuration says nothing. */
export const defaultLimits: Limits = Object.fromEntries(
  limitNames.map((name) => [name, limits[name].default]),
) as Limits;

/** The text of `docs/limits.md`. */
export function limitsPage(): string {
  const row = (name: string, value: number, { unit, of, overflow }: Omit<Fixed, 'value'>) =>
    `| \`${name}\` | ${value.toLocaleString('en-US')} ${unit} | ${of} | ${overflow} |`;
  const rows = limitNames.map((name) => row(name, limits[name].default, limits[name]));
  const constant = Object.entries(fixed).map(([name, one]) => row(name, one.value, one));
  return `# Limits

Every queue and every count that a client can make grow is bounded, and says here what happens beyond the bound. This
page is written from \`src/base/limits.ts\` and \`src/base/fixed.ts\` by \`node scripts/limits.ts\`.

## Set in the configuration

Each is set under \`limits\` in \`muster.yaml\`, in the unit given here.

| name | default | what is bounded | what happens beyond it |
|---|---|---|---|
${rows.join('\n')}

## Fixed

| name | value | what is bounded | what happens beyond it |
|---|---|---|---|
${constant.join('\n')}

## Bounded by what is in front of them

| what | by |
|---|---|
${derived.map(([of, by]) => `| ${of} | ${by} |`).join('\n')}
`;
}
