import { fixed } from '../base/fixed.ts';

/**
 * What an administrator can ask of a community: the same contract over the running server (`client.ts` speaks to
 * `api.ts`) and over a store that nobody serves (`roles/offline.ts`).
 *
 * Addresses are bare JIDs as a person types them; the implementation prepares them (RFC 7622) and answers with the
 * prepared form. Failures: `address-malformed`, `account-domain` (not served here), `account-exists`,
 * `account-missing`, `password-weak` (empty, or refused by SASLprep), `store-unavailable`, `overloaded`. Their texts
 * never repeat a password, nor an address that did not parse: it may be a password in the wrong column.
 */
export interface Administration {
  readonly users: Users;
  /** Sessions of this server, oldest first, at most `limit`. */
  sessions(limit: number): Promise<readonly SessionInfo[]>;
  status(): Promise<Status>;
  close(): Promise<void>;
}

export interface Users {
  /** Makes an account; resolves with its prepared address once it is stored. May be called many times at once. */
  add(address: string, password: string): Promise<string>;
  /** Changes the password. Its sessions go on; the next login needs the new one. */
  passwd(address: string, password: string): Promise<void>;
  /** Removes the account with everything that belongs to it, and ends its sessions. */
  remove(address: string): Promise<void>;
  /** Accounts in the order of their addresses, those behind `after`, at most `limit`. Shorter than `limit`: the last page. */
  list(after: string | undefined, limit: number): Promise<readonly UserInfo[]>;
}

export interface UserInfo {
  readonly address: string;
  readonly admin: boolean;
  /** Milliseconds since the Unix epoch. */
  readonly created: number;
  /** Live sessions now; 0 where no server runs. */
  readonly sessions: number;
}

export interface SessionInfo {
  /** Full JID. */
  readonly address: string;
  /** The client's address, without the port; empty while it is detached. */
  readonly from: string;
  readonly transport: 'tcp' | 'websocket';
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
  readonly version: string;
  readonly domains: readonly string[];
  readonly state: 'starting' | 'ready' | 'draining' | 'offline';
  /** Milliseconds since the start; 0 where no server runs. */
  readonly uptime: number;
  readonly accounts: number;
  readonly sessions: number;
  /** Resident memory of the server in bytes; 0 where no server runs. */
  readonly memory: number;
}

/** The most rows of one page of `list`. */
export const pageMax = fixed.listing.value;
