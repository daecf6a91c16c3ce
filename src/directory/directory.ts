import type { Keys } from '../xmpp/sasl/keys.ts';
import type { Derived } from './change.ts';

/** An account as the directory knows it. */
export interface Entry {
  /** Immutable, unique across kinds and stores, never reused (DESIGN §5). */
  readonly id: number;
  /** Normalised bare address. */
  readonly address: string;
  readonly disabled: boolean;
  /** Why it is disabled, a sum of `byAdministrator` and `beingImported`; 0: it is not. */
  readonly closed: number;
  /** Milliseconds since the epoch. */
  readonly created: number;
}

/** An administrator disabled it; it is being imported, and nobody may see it before that has ended. */
export const byAdministrator = 1;
export const beingImported = 2;

export type Mechanism = 'SCRAM-SHA-1' | 'SCRAM-SHA-256' | 'SCRAM-SHA-512';

/** An account with its keys for one mechanism. */
export interface Found {
  readonly entry: Entry;
  readonly mechanism: Mechanism;
  readonly keys: Keys;
}

/** The keys that a password was compared with. */
export type Proven = Pick<Found, 'mechanism' | 'keys'>;

/** Who there is, and how they prove it. Addresses come in normalised; `Failure`s carry a text that is safe to show. */
export interface Directory {
  find(address: string): Promise<Entry | undefined>;
  /** The stored keys (never a password) of an account for one of these mechanisms, the first of them in preference. */
  keys(address: string, ...mechanisms: readonly Mechanism[]): Promise<Found | undefined>;
  /** Rejects with `Failure('account-exists')`, or `account-domain` for a domain that is not ours. Durable on return. */
  add(address: string, password: string): Promise<Entry>;
  /**
   * The account of this address, or a new one that is being imported: with the keys of `password`, or none. What is there
   * stays as it is.
   */
  adopt(
    address: string,
    created: number | undefined,
    password: string | undefined,
  ): Promise<Entry & { readonly made: boolean }>;
  /** Adds keys; those of a mechanism that has some stay, unless `replace` is set. Rejects with `account-missing`. */
  importKeys(address: string, keys: readonly Derived[], replace: boolean): Promise<void>;
  /** The same for those of a password. */
  importPassword(address: string, password: string, replace: boolean): Promise<void>;
  /** Sets `closed`; its sessions are its owner's to end. Rejects with `account-missing`. */
  close(address: string, closed: number): Promise<void>;
  /** Makes it an administrator's, or not. Rejects with `account-missing`. */
  promote(address: string, admin: boolean): Promise<void>;
  /** Rejects with `Failure('account-missing')`. */
  setPassword(address: string, password: string): Promise<void>;
  /** Adds the keys of one more mechanism; those that are there stay. Rejects as `setPassword` does. */
  addKeys(address: string, mechanism: Mechanism, keys: Keys): Promise<void>;
  /**
   * Adds the keys that an account lacks, from the password that it has just proved to have by `by`. For the background:
   * does nothing where nobody lacks any, where it is at that already, or where passwords wait to be hashed.
   */
  complete(address: string, password: string, by: Proven): Promise<void>;
  /** Removes the entry and its keys; the account's own data is its owner's to delete. False where there was none. */
  remove(address: string): Promise<boolean>;
  /** Accounts with an address above `after`, in order of address. */
  list(after: string, limit: number): Promise<Entry[]>;
}
