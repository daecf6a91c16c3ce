import { fixed } from '../base/fixed.ts';
import type { Config as RoomConfig } from '../rooms/config.ts';
import type { RoomDetails, RoomInfo } from '../rooms/listing.ts';
import type { Affiliation } from '../rooms/standing.ts';
import type { ExportEvent } from '../transfer/export.ts';
import type { TransferEvent } from '../transfer/import.ts';
import type { Mode } from '../transfer/intake.ts';
import type { Record } from '../transfer/reader.ts';
import type { Reader } from '../transfer/source.ts';

/**
 * What an administrator can ask of a community: the same contract over the running server (`client.ts` speaks to
 * `api.ts`) and over a store that nobody serves (`roles/offline.ts`).
 *
 * Addresses are bare JIDs as a person types them; the implementation prepares them (RFC 7622) and answers with the
 * prepared form. Failures: `address-malformed`, `account-domain` (not served here), `account-exists`,
 * `account-missing`, `password-weak` (empty, or refused by SASLprep), `store-unavailable`, `overloaded`; in a pool also
 * `server-unreachable` and `server-timeout` (it may have been done); `not-here` on a mux, `server-needed` where no server
 * runs. Their texts never repeat a password, nor an address that did not parse: it may be a password in the wrong column.
 */
export interface Administration {
  readonly users: Users;
  readonly rooms: Rooms;
  readonly servers: Servers;
  readonly transfer: Transfer;
  /** Sessions of all servers that answer, oldest first, at most `limit`. */
  sessions(limit: number): Promise<readonly SessionInfo[]>;
  status(): Promise<Status>;
  close(): Promise<void>;
}

export interface Users {
  /** Makes an account; resolves with its prepared address once it is stored. May be called many times at once. */
  add(address: string, password: string): Promise<string>;
  /** Changes the password. Its sessions go on; the next login needs the new one. */
  passwd(address: string, password: string): Promise<void>;
  /** Disables it: its sessions end and nobody logs in; or lets it be used again. */
  disable(address: string, disabled: boolean): Promise<void>;
  /** Makes it an administrator's, or not any more. */
  promote(address: string, admin: boolean): Promise<void>;
  /** Removes the account with everything that belongs to it, and ends its sessions. */
  remove(address: string): Promise<void>;
  /** Accounts in the order of their addresses, those behind `after`, at most `limit`. Shorter than `limit`: the last page. */
  list(after: string | undefined, limit: number): Promise<readonly UserInfo[]>;
}

/**
 * Rooms, by address as it is typed. Failures besides `address-malformed`: `room-domain` (no host of rooms that is served
 * here), `room-missing`, `room-exists`, `no-rooms` where no server has that role.
 */
export interface Rooms {
  /** In the order of their addresses, those behind `after`, at most `limit`. Shorter than `limit`: the last page. */
  list(after: string | undefined, limit: number): Promise<readonly RoomInfo[]>;
  show(address: string): Promise<RoomDetails>;
  /** Makes a room that stays and is open at once; resolves with its prepared address. */
  create(address: string, order: RoomOrder): Promise<string>;
  /** Ends it with all that was said in it; who is in is told why and where to go. */
  destroy(
    address: string,
    farewell: { readonly alternate?: string; readonly reason?: string },
  ): Promise<void>;
  /** Removes what was said before a point of time (milliseconds since the Unix epoch; now, if left out); tells how much. */
  purge(address: string, before: number | undefined): Promise<number>;
  /** Changes what somebody is in a room, at once. `jid`: a bare address; for members and outcasts also a domain. */
  grant(address: string, jid: string, affiliation: Affiliation): Promise<void>;
}

export interface RoomOrder extends Partial<
  Pick<RoomConfig, 'name' | 'membersOnly' | 'public' | 'moderated'>
> {
  /** Bare address; left out, only administrators of the community have power over it. */
  readonly owner?: string;
}

/** Accounts on their way from and to other servers (XEP-0227). */
export interface Transfer {
  /** See `importAccounts`. */
  import(records: AsyncIterable<Record>, mode: Mode): AsyncIterable<TransferEvent>;
  /** A domain, or one account. Rejects with `account-missing`, `account-domain`. */
  export(what: string, reader: Reader): AsyncIterable<ExportEvent>;
}

/** The servers of a pool. Everything rejects with `not-pool` where there is just one server. */
export interface Servers {
  /** Every partition of accounts, in order of their numbers. */
  partitions(): Promise<readonly PartitionInfo[]>;
  /**
   * Has a server hand its partitions to others; resolves when it is told to, not when it is done. Rejects with
   * `server-missing`, or `server-last` where nobody else could take them.
   */
  drain(name: string): Promise<void>;
  /** It may own partitions again. Rejects with `server-missing`. */
  undrain(name: string): Promise<void>;
  /** Evens out now who owns how many partitions. */
  rebalance(): Promise<void>;
}

export interface PartitionInfo {
  readonly partition: number;
  /** As the store calls it, such as `account/17`. */
  readonly name: string;
  /** Name and incarnation of its owner; '' where it has none. */
  readonly server: string;
  readonly incarnation: string;
  readonly epoch: number;
  /** Its owner is there. */
  readonly live: boolean;
}

export interface UserInfo {
  readonly address: string;
  readonly admin: boolean;
  readonly disabled: boolean;
  /** Milliseconds since the Unix epoch. */
  readonly created: number;
  /** Live sessions now; 0 where no server runs, or where its own does not answer. */
  readonly sessions: number;
}

export interface SessionInfo {
  /** Full JID. */
  readonly address: string;
  /** The client's address, without the port; empty while it is detached. */
  readonly from: string;
  readonly transport: 'tcp' | 'websocket' | 'bosh';
  readonly tls: boolean;
  readonly state: 'attached' | 'detached';
  /** Presence: `available`, `away`, `chat`, `dnd`, `xa`, or `unavailable`. */
  readonly presence: string;
  /** Milliseconds since the Unix epoch. */
  readonly since: number;
}

export interface Status {
  readonly community: string;
  readonly server: string;
  readonly cluster: string;
  readonly roles: readonly string[];
  readonly version: string;
  readonly domains: readonly string[];
  readonly state: 'starting' | 'ready' | 'draining' | 'offline';
  /** Milliseconds since the start; 0 where no server runs. */
  readonly uptime: number;
  /** Set while the store does not answer: then `accounts` and `pool` are not known. */
  readonly store?: 'unavailable' | undefined;
  /** Undefined on a mux, which cannot know. */
  readonly accounts?: number | undefined;
  /** Accounts without keys, by the mechanism that they lack; left out where none do. */
  readonly lacking?: { readonly [mechanism: string]: number } | undefined;
  /** Of all servers; on a mux those that it mirrors. */
  readonly sessions: number;
  /** Resident memory of this server in bytes; 0 where no server runs. */
  readonly memory: number;
  /** What a mux holds itself. */
  readonly mux?: { readonly connections: number; readonly routes: number } | undefined;
  /** Undefined where there is just one server. */
  readonly pool?: PoolInfo | undefined;
}

export interface PoolInfo {
  /** Those with accounts or rooms, by name, and the dead of the last time. */
  readonly servers: readonly ServerInfo[];
  /** Processes that hold connections and nothing else, by name. */
  readonly muxes: readonly MuxInfo[];
  /** Partitions of all kinds that some server has the role for, and those of them that have no live owner. */
  readonly partitions: number;
  readonly ownerless: number;
}

export interface ServerInfo {
  readonly name: string;
  readonly incarnation: string;
  readonly roles: readonly string[];
  readonly state: 'up' | 'draining' | 'dead';
  /** The server that answers hears it on the mesh; false also where nobody can listen. */
  readonly present: boolean;
  /** 0 to 100: how much more it can take. */
  readonly availability: number;
  readonly sessions: number;
  /** How many it owns. */
  readonly partitions: number;
  readonly version: string;
  /** Milliseconds since its start. */
  readonly uptime: number;
}

export interface MuxInfo {
  readonly name: string;
  readonly incarnation: string;
  readonly roles: readonly string[];
}

/** The most rows of one page of `list`. */
export const pageMax = fixed.listing.value;
