import type { Clock } from '../base/clock.ts';
import { Failure, failed } from '../base/failure.ts';
import { fixed } from '../base/fixed.ts';
import { defaultLimits } from '../base/limits.ts';
import type { Random } from '../base/random.ts';
import type { Lane } from '../store/lane.ts';
import { sql, type Fence, type Op, type Store } from '../store/store.ts';
import { derive, saltBytes, usualIterations, type Hash, type Keys } from '../xmpp/sasl/keys.ts';
import { pack, unpack, type Change, type Derived } from './change.ts';
import {
  beingImported,
  type Directory,
  type Entry,
  type Found,
  type Mechanism,
  type Proven,
} from './directory.ts';
import { KeyCache } from './keycache.ts';
import { Gate } from '../base/gate.ts';

export interface EmbeddedDirectoryOptions {
  readonly store: Store;
  /** Where what belongs to a partition is written, and what that relies on; undefined where another server owns it. */
  readonly laneOf: (
    partition: number,
  ) => { readonly lane: Lane; readonly fences: readonly Fence[] } | undefined;
  /**
   * Hands a change to the owner of its partition, whose `apply` answers; without it such a change fails with
   * `Failure('not-owner')`. May try more than once: changes are made so that the second time does nothing.
   */
  readonly forward?: ((change: Change) => Promise<number | undefined>) | undefined;
  readonly clock: Clock;
  readonly random: Random;
  /** Where the account of an address belongs; undefined for a domain that is not ours. */
  readonly partitionOf: (address: string) => number | undefined;
  /** A domain whose accounts come and go with their sessions, so that nobody makes one, or gives it a password. */
  readonly temporary?: string;
  /** The partition, where the store has just one: then accounts are found in the order of their addresses. */
  readonly only?: number | undefined;
  readonly newId: () => number;
  /** Mechanisms that some account is known to have no keys for, here or at another server; without it none. */
  readonly lacking?: (() => readonly string[]) | undefined;
  /** A change was stored here. */
  readonly changed?: ((change: Change) => void) | undefined;
  /** Rounds of PBKDF2 for new passwords. */
  readonly iterations?: number;
  /** New passwords that may wait to be hashed (`limits.hashing`). */
  readonly hashing?: number;
}

/** A directory in the store of a cluster: anybody reads, the owner of an account's partition writes. */
export interface EmbeddedDirectory extends Directory {
  /**
   * What another server's directory forwarded. Resolves with the rows of `account` or `credential` that it wrote,
   * undefined where that is not told (`Unit.done`). Rejects with `Failure('not-owner')` where the partition is not
   * owned here, or not any more.
   */
  apply(change: Change): Promise<number | undefined>;
}

/** The tables `account` and `credential` of the store itself. */
export function openEmbeddedDirectory(options: EmbeddedDirectoryOptions): EmbeddedDirectory {
  return new Embedded(options);
}

const rows = {
  find: sql`select id, address, disabled, created from account where partition = $1 and address = $2`,
  keys: sql`select a.id, a.address, a.disabled, a.created, c.mechanism, c.salt, c.iterations, c.stored_key, c.server_key
    from account a join credential c on c.partition = a.partition and c.account = a.id
    where a.partition = $1 and a.address = $2 and c.mechanism in ($3, $4, $5)`,
  has: sql`select a.id, c.mechanism from account a join credential c on c.partition = a.partition and c.account = a.id
    where a.partition = $1 and a.address = $2`,
  list: sql`select id, address, disabled, created from account
    where partition = $1 and address > $2 and local <> '' order by address limit $3`,
  /** One question for all of them: a page costs a pass over the accounts, not one question a partition. */
  listAll: sql`select id, address, disabled, created from account where address > $1 and local <> '' order by address limit $2`,
  add: sql`insert into account (partition, id, local, address, created, disabled, watermark, roster_ver, keyed)
    values ($1, $2, $3, $4, $5, $6, 0, 0, $7)`,
  close: sql`update account set disabled = $3 where partition = $1 and id = $2`,
  promote: sql`update account set admin = $3 where partition = $1 and id = $2`,
  /** Count 0: there is no such account. */
  setKeys: sql`insert into credential (partition, account, mechanism, salt, iterations, stored_key, server_key)
    select partition, id, $3, $4, $5, $6, $7 from account where partition = $1 and id = $2
    on conflict (partition, account, mechanism) do update set salt = excluded.salt, iterations = excluded.iterations,
    stored_key = excluded.stored_key, server_key = excluded.server_key`,
  addKeys: sql`insert into credential (partition, account, mechanism, salt, iterations, stored_key, server_key)
    select partition, id, $3, $4, $5, $6, $7 from account where partition = $1 and id = $2
    on conflict (partition, account, mechanism) do nothing`,
  /** Nothing, once the password is another one. */
  completeKeys: sql`insert into credential (partition, account, mechanism, salt, iterations, stored_key, server_key)
    select partition, id, $3, $4, $5, $6, $7 from account where partition = $1 and id = $2 and exists (
      select 1 from credential c
      where c.partition = $1 and c.account = $2 and c.mechanism = $8 and c.stored_key = $9)
    on conflict (partition, account, mechanism) do nothing`,
  /** Who had a token (account/fast.ts) logs in with the new password. */
  removeTokens: sql`delete from token where partition = $1 and account = $2`,
  remove: sql`delete from account where partition = $1 and id = $2`,
  removeKeys: sql`delete from credential where partition = $1 and account = $2`,
};

interface Stored {
  readonly id: number;
  readonly address: string;
  readonly disabled: number;
  readonly created: number;
}

interface StoredKeys extends Stored {
  readonly mechanism: Mechanism;
  readonly salt: Uint8Array;
  readonly iterations: number;
  readonly stored_key: Uint8Array;
  readonly server_key: Uint8Array;
}

export const mechanisms: readonly { readonly mechanism: Mechanism; readonly hash: Hash }[] = [
  { mechanism: 'SCRAM-SHA-1', hash: 'SHA-1' },
  { mechanism: 'SCRAM-SHA-256', hash: 'SHA-256' },
  { mechanism: 'SCRAM-SHA-512', hash: 'SHA-512' },
];

class Embedded implements EmbeddedDirectory {
  readonly #options: EmbeddedDirectoryOptions;
  /**
   * Passwords are hashed on the threads of Node's pool, which has four. A login costs nothing of it: the keys are
   * stored, only a new password is hashed.
   */
  readonly #gate: Gate;
  readonly #cache = new KeyCache();
  /** Accounts whose missing keys are being made; not more than run at the gate. */
  readonly #completing = new Set<string>();

  constructor(options: EmbeddedDirectoryOptions) {
    this.#options = options;
    this.#gate = new Gate(
      fixed.hashingWidth.value,
      options.hashing ?? defaultLimits.hashing,
      'too many passwords are being hashed, try again later',
    );
  }

  async find(address: string): Promise<Entry | undefined> {
    const partition = this.#options.partitionOf(address);
    if (partition === undefined) return undefined;
    const [found] = await this.#options.store.query<Stored>(rows.find, [partition, address]);
    return found === undefined ? undefined : entry(found);
  }

  async keys(address: string, ...wanted: readonly Mechanism[]): Promise<Found | undefined> {
    const partition = this.#options.partitionOf(address);
    const [first] = wanted;
    if (partition === undefined || first === undefined) return undefined;
    const [, second = first, third = second] = wanted;
    const owner = this.#options.laneOf(partition);
    const known = owner && this.#cache.get(owner, address, wanted);
    if (known !== undefined) return known;
    const { stamp } = this.#cache;
    const params = [partition, address, first, second, third];
    const stored = await this.#options.store.query<StoredKeys>(rows.keys, params);
    const found = wanted
      .map((mechanism) => stored.find((row) => row.mechanism === mechanism))
      .find((row) => row !== undefined);
    if (found === undefined) return undefined;
    const { mechanism, salt, iterations, stored_key: storedKey, server_key: serverKey } = found;
    const read = { entry: entry(found), mechanism, keys: { salt, iterations, storedKey, serverKey } };
    if (owner !== undefined) this.#cache.put(owner, read, stamp);
    return read;
  }

  async add(address: string, password: string): Promise<Entry> {
    const { clock, newId } = this.#options;
    const partition = this.#options.partitionOf(address);
    if (partition === undefined) throw new Failure('account-domain', 'that domain is not served here');
    this.#refuseTemporary(address);
    const taken = new Failure('account-exists', 'there is such an account already');
    // First, because hashing is what costs.
    if ((await this.find(address)) !== undefined) throw taken;
    const keys = await this.#derive(password);
    const id = newId();
    const created = clock.now();
    try {
      await this.#write({ t: 'add', partition, id, address, created, keys });
    } catch (error) {
      // The address is unique in the store: somebody else was faster, or this very change, sent twice, was.
      const stored = await this.find(address).catch(() => undefined);
      if (stored === undefined) throw error;
      if (stored.id !== id) throw taken;
    }
    return { id, address, disabled: false, closed: 0, created };
  }

  async adopt(
    address: string,
    created: number | undefined,
    password: string | undefined,
  ): Promise<Entry & { readonly made: boolean }> {
    const { clock, newId } = this.#options;
    const partition = this.#options.partitionOf(address);
    if (partition === undefined) throw new Failure('account-domain', 'that domain is not served here');
    this.#refuseTemporary(address);
    const found = await this.find(address);
    if (found !== undefined) return { ...found, made: false };
    const keys = password === undefined ? [] : await this.#derive(password);
    const id = newId();
    const closed = beingImported;
    const since = created ?? clock.now();
    try {
      await this.#write({ t: 'add', partition, id, address, created: since, keys, closed });
    } catch (error) {
      const stored = await this.find(address).catch(() => undefined);
      if (stored === undefined) throw error;
      return { ...stored, made: stored.id === id };
    }
    return { id, address, disabled: true, closed, created: since, made: true };
  }

  async importKeys(address: string, keys: readonly Derived[], replace: boolean): Promise<void> {
    const { partition, id } = await this.#known(address);
    await this.#write({ t: replace ? 'keys' : 'more', partition, id, keys });
  }

  async importPassword(address: string, password: string, replace: boolean): Promise<void> {
    const { partition, id } = await this.#known(address);
    await this.#write({ t: replace ? 'keys' : 'more', partition, id, keys: await this.#derive(password) });
  }

  async close(address: string, closed: number): Promise<void> {
    const { partition, id } = await this.#known(address);
    await this.#write({ t: 'close', partition, id, closed });
  }

  async promote(address: string, admin: boolean): Promise<void> {
    const { partition, id } = await this.#known(address);
    await this.#write({ t: 'admin', partition, id, admin });
  }

  #refuseTemporary(address: string): void {
    const { temporary } = this.#options;
    if (temporary !== undefined && address.endsWith(`@${temporary}`))
      throw new Failure('account-domain', 'accounts of that domain last as long as their session');
  }

  async setPassword(address: string, password: string): Promise<void> {
    this.#refuseTemporary(address);
    const { partition, id } = await this.#known(address);
    const keys = await this.#derive(password);
    if ((await this.#write({ t: 'keys', partition, id, keys })) === 0) throw missing();
  }

  async addKeys(address: string, mechanism: Mechanism, keys: Keys): Promise<void> {
    const { partition, id } = await this.#known(address);
    await this.#write({ t: 'more', partition, id, keys: [pack(mechanism, keys)] });
  }

  async complete(address: string, password: string, by: Proven): Promise<void> {
    const { lacking, store } = this.#options;
    const partition = this.#options.partitionOf(address);
    const idle = () => !this.#gate.busy && !this.#completing.has(address);
    if (partition === undefined || lacking === undefined || lacking().length === 0 || !idle()) return;
    const found = await store.query<{ id: number; mechanism: Mechanism }>(rows.has, [partition, address]);
    const id = found[0]?.id;
    const missing = mechanisms.filter((one) => !found.some(({ mechanism }) => mechanism === one.mechanism));
    if (id === undefined || missing.length === 0 || !idle()) return;
    this.#completing.add(address);
    try {
      const keys = await this.#derive(password, missing);
      const proven = pack(by.mechanism, by.keys);
      await this.#write({ t: 'more', partition, id, keys, proven });
    } finally {
      this.#completing.delete(address);
    }
  }

  async #known(address: string): Promise<{ readonly partition: number; readonly id: number }> {
    const partition = this.#options.partitionOf(address);
    const found = await this.find(address);
    if (partition === undefined || found === undefined) throw missing();
    return { partition, id: found.id };
  }

  async remove(address: string): Promise<boolean> {
    const partition = this.#options.partitionOf(address);
    const found = await this.find(address);
    if (partition === undefined || found === undefined) return false;
    return (await this.#write({ t: 'remove', partition, id: found.id })) !== 0;
  }

  async list(after: string, limit: number): Promise<Entry[]> {
    const { store, only } = this.#options;
    const found =
      only === undefined
        ? store.query<Stored>(rows.listAll, [after, limit])
        : store.query<Stored>(rows.list, [only, after, limit]);
    return (await found).map(entry);
  }

  apply(change: Change): Promise<number | undefined> {
    const own = this.#options.laneOf(change.partition);
    const moved = new Failure('not-owner', 'another server has this account now, try again');
    if (own === undefined) return Promise.reject(moved);
    this.#cache.change(change.id);
    const stored = new Promise<number | undefined>((resolve, reject) =>
      own.lane.submit({
        ops: opsOf(change),
        fences: own.fences,
        done: (counts) => resolve(counts[0]),
        failed: (reason, _op, error) => {
          if (reason === 'fenced') reject(moved);
          else if (reason === 'overloaded')
            reject(new Failure('overloaded', 'too much is waiting to be stored'));
          else reject(error);
        },
      }),
    );
    return stored
      .finally(() => this.#cache.change(change.id))
      .then((count) => {
        this.#options.changed?.(change);
        return count;
      });
  }

  /** Here where the partition is owned here, else at its owner. */
  async #write(change: Change): Promise<number | undefined> {
    const { laneOf, forward } = this.#options;
    if (forward === undefined) return this.apply(change);
    if (laneOf(change.partition) !== undefined)
      try {
        return await this.apply(change);
      } catch (error) {
        if (!failed(error, 'not-owner')) throw error; // lost in this moment: who has it now?
      }
    return forward(change);
  }

  /** The keys of all mechanisms, or of these. Rejects with `password-unusable` or `overloaded`. */
  async #derive(password: string, wanted = mechanisms): Promise<readonly Derived[]> {
    const { random, iterations = usualIterations } = this.#options;
    return this.#gate.run(async () => {
      const all: Derived[] = [];
      for (const { mechanism, hash } of wanted)
        // oxlint-disable-next-line no-await-in-loop -- one thread for each place in the gate
        all.push(pack(mechanism, await derive(hash, password, random.bytes(saltBytes), iterations)));
      return all;
    });
  }
}

function missing(): Failure {
  return new Failure('account-missing', 'there is no such account');
}

function opsOf(change: Change): Op[] {
  const { partition, id } = change;
  if (change.t === 'remove')
    return [
      { statement: rows.remove, params: [partition, id] },
      { statement: rows.removeKeys, params: [partition, id] },
      { statement: rows.removeTokens, params: [partition, id] },
    ];
  if (change.t === 'close') return [{ statement: rows.close, params: [partition, id, change.closed] }];
  if (change.t === 'admin')
    return [{ statement: rows.promote, params: [partition, id, change.admin ? 1 : 0] }];
  const keys = change.keys.map((one): Op => {
    const { salt, iterations, storedKey, serverKey } = unpack(one);
    const params = [partition, id, one.mechanism, salt, iterations, storedKey, serverKey];
    const proven = change.t === 'more' ? change.proven : undefined;
    if (proven !== undefined) {
      const key = Uint8Array.from(Buffer.from(proven.storedKey, 'base64'));
      return { statement: rows.completeKeys, params: [...params, proven.mechanism, key] };
    }
    return { statement: change.t === 'more' ? rows.addKeys : rows.setKeys, params };
  });
  if (change.t !== 'add')
    return change.t === 'more' ? keys : [...keys, { statement: rows.removeTokens, params: [partition, id] }];
  const { address, created, closed = 0 } = change;
  const local = address.slice(0, address.indexOf('@'));
  const keyed = mechanisms.every(({ mechanism }) => change.keys.some((one) => one.mechanism === mechanism));
  const params = [partition, id, local, address, created, closed, keyed ? 1 : 0];
  return [{ statement: rows.add, params }, ...keys];
}

function entry({ id, address, disabled, created }: Stored): Entry {
  return { id, address, disabled: disabled !== 0, closed: disabled, created };
}
