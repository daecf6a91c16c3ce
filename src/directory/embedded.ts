import type { Clock } from '../base/clock.ts';
import { Failure } from '../base/failure.ts';
import { fixed } from '../base/fixed.ts';
import { defaultLimits } from '../base/limits.ts';
import type { Random } from '../base/random.ts';
import type { Lane } from '../store/lane.ts';
import { sql, type Fence, type Op, type Store } from '../store/store.ts';
import { derive, saltBytes, usualIterations, type Hash, type Keys } from '../xmpp/sasl/keys.ts';
import type { Directory, Entry, Mechanism } from './directory.ts';
import { Gate } from './gate.ts';

export interface EmbeddedDirectoryOptions {
  readonly store: Store;
  /** Its commits make what is added durable; it may be shared. */
  readonly lane: Lane;
  readonly clock: Clock;
  readonly random: Random;
  /** Where the account of an address belongs; undefined for a domain that is not ours. */
  readonly partitionOf: (address: string) => number | undefined;
  /** All partitions of accounts here, with the epochs that its writes rely on. */
  readonly fences: readonly Fence[];
  readonly newId: () => number;
  /** Rounds of PBKDF2 for new passwords. */
  readonly iterations?: number;
  /** New passwords that may wait to be hashed (`limits.hashing`). */
  readonly hashing?: number;
}

/** The directory of a standalone server: tables `account` and `credential` of the store itself. */
export function openEmbeddedDirectory(options: EmbeddedDirectoryOptions): Directory {
  return new Embedded(options);
}

const rows = {
  find: sql`select id, address, disabled, created from account where partition = $1 and address = $2`,
  keys: sql`select a.id, a.address, a.disabled, a.created, c.salt, c.iterations, c.stored_key, c.server_key
    from account a join credential c on c.partition = a.partition and c.account = a.id
    where a.partition = $1 and a.address = $2 and c.mechanism = $3`,
  list: sql`select id, address, disabled, created from account
    where partition = $1 and address > $2 order by address limit $3`,
  add: sql`insert into account (partition, id, local, address, created, disabled, watermark, roster_ver)
    values ($1, $2, $3, $4, $5, 0, 0, 0)`,
  /** Count 0: there is no such account. */
  setKeys: sql`insert into credential (partition, account, mechanism, salt, iterations, stored_key, server_key)
    select partition, id, $3, $4, $5, $6, $7 from account where partition = $1 and id = $2
    on conflict (partition, account, mechanism) do update set salt = excluded.salt, iterations = excluded.iterations,
    stored_key = excluded.stored_key, server_key = excluded.server_key`,
  remove: sql`delete from account where partition = $1 and id = $2`,
  removeKeys: sql`delete from credential where partition = $1 and account = $2`,
};

interface Stored {
  readonly id: number;
  readonly address: string;
  readonly disabled: number;
  readonly created: number;
}

const mechanisms: readonly { readonly mechanism: Mechanism; readonly hash: Hash }[] = [
  { mechanism: 'SCRAM-SHA-1', hash: 'SHA-1' },
  { mechanism: 'SCRAM-SHA-256', hash: 'SHA-256' },
];

class Embedded implements Directory {
  readonly #options: EmbeddedDirectoryOptions;
  /**
   * Passwords are hashed on the threads of Node's pool, which has four. A login costs nothing of it: the keys are
   * stored, only a new password is hashed.
   */
  readonly #gate: Gate;

  constructor(options: EmbeddedDirectoryOptions) {
    this.#options = options;
    this.#gate = new Gate(fixed.hashingWidth.value, options.hashing ?? defaultLimits.hashing);
  }

  async find(address: string): Promise<Entry | undefined> {
    const partition = this.#options.partitionOf(address);
    if (partition === undefined) return undefined;
    const [found] = await this.#options.store.query<Stored>(rows.find, [partition, address]);
    return found === undefined ? undefined : entry(found);
  }

  async keys(
    address: string,
    mechanism: Mechanism,
  ): Promise<{ readonly entry: Entry; readonly keys: Keys } | undefined> {
    const partition = this.#options.partitionOf(address);
    if (partition === undefined) return undefined;
    const [found] = await this.#options.store.query<
      Stored & { salt: Uint8Array; iterations: number; stored_key: Uint8Array; server_key: Uint8Array }
    >(rows.keys, [partition, address, mechanism]);
    if (found === undefined) return undefined;
    const { salt, iterations, stored_key: storedKey, server_key: serverKey } = found;
    return { entry: entry(found), keys: { salt, iterations, storedKey, serverKey } };
  }

  async add(address: string, password: string): Promise<Entry> {
    const { clock, newId } = this.#options;
    const partition = this.#options.partitionOf(address);
    if (partition === undefined) throw new Failure('account-domain', 'that domain is not served here');
    const taken = new Failure('account-exists', 'there is such an account already');
    // First, because hashing is what costs.
    if ((await this.find(address)) !== undefined) throw taken;
    const keys = await this.#derive(password);
    const id = newId();
    const created = clock.now();
    const local = address.slice(0, address.indexOf('@'));
    try {
      await this.#commit(partition, [
        { statement: rows.add, params: [partition, id, local, address, created] },
        ...keys(partition, id),
      ]);
    } catch (error) {
      // The address is unique in the store: somebody else was faster.
      if (await this.#exists(address)) throw taken;
      throw error;
    }
    return { id, address, disabled: false, created };
  }

  async setPassword(address: string, password: string): Promise<void> {
    const partition = this.#options.partitionOf(address);
    const missing = new Failure('account-missing', 'there is no such account');
    if (partition === undefined) throw missing;
    const found = await this.find(address);
    if (found === undefined) throw missing;
    const keys = await this.#derive(password);
    const counts = await this.#commit(partition, keys(partition, found.id));
    if (counts[0] === 0) throw missing;
  }

  async remove(address: string): Promise<boolean> {
    const partition = this.#options.partitionOf(address);
    const found = await this.find(address);
    if (partition === undefined || found === undefined) return false;
    const counts = await this.#commit(partition, [
      { statement: rows.remove, params: [partition, found.id] },
      { statement: rows.removeKeys, params: [partition, found.id] },
    ]);
    return counts[0] !== 0;
  }

  async list(after: string, limit: number): Promise<Entry[]> {
    const { store, fences } = this.#options;
    const pages = await Promise.all(
      fences.map(({ partition }) => store.query<Stored>(rows.list, [partition, after, limit])),
    );
    const all = pages.flat().map(entry);
    if (pages.length > 1) all.sort((a, b) => Buffer.compare(Buffer.from(a.address), Buffer.from(b.address)));
    return all.slice(0, limit);
  }

  async #exists(address: string): Promise<boolean> {
    return this.find(address).then(
      (found) => found !== undefined,
      () => false,
    );
  }

  /** The keys of both mechanisms, as the ops that store them. Rejects with `password-unusable` or `overloaded`. */
  async #derive(password: string): Promise<(partition: number, account: number) => Op[]> {
    const { random, iterations = usualIterations } = this.#options;
    const derived = await this.#gate.run(async () => {
      const all: { readonly mechanism: Mechanism; readonly keys: Keys }[] = [];
      for (const { mechanism, hash } of mechanisms)
        // oxlint-disable-next-line no-await-in-loop -- one thread for each place in the gate
        all.push({ mechanism, keys: await derive(hash, password, random.bytes(saltBytes), iterations) });
      return all;
    });
    return (partition, account) =>
      derived.map(({ mechanism, keys }) => ({
        statement: rows.setKeys,
        params: [partition, account, mechanism, keys.salt, keys.iterations, keys.storedKey, keys.serverKey],
      }));
  }

  #commit(partition: number, ops: readonly Op[]): Promise<readonly (number | undefined)[]> {
    const fences = this.#options.fences.filter((fence) => fence.partition === partition);
    return new Promise((resolve, reject) =>
      this.#options.lane.submit({
        ops,
        fences,
        done: resolve,
        failed: (reason, _op, error) =>
          reject(
            reason === 'overloaded' ? new Failure('overloaded', 'too much is waiting to be stored') : error,
          ),
      }),
    );
  }
}

function entry({ id, address, disabled, created }: Stored): Entry {
  return { id, address, disabled: disabled !== 0, created };
}
