import { createHmac, createSecretKey } from 'node:crypto';
import { fixed } from '../base/fixed.ts';
import { token } from '../base/random.ts';
import { same } from '../base/same.ts';
import type { Auth, Authed, Wishes } from '../link/frames.ts';
import { sql, type Op } from '../store/store.ts';
import { Jid } from '../xmpp/jid.ts';
import { bindingOf, parseHashed, proofOf } from '../xmpp/sasl/hashed.ts';
import { refuse, type Exchange, type Step } from '../xmpp/sasl/sasl.ts';
import { deviceOf } from './device.ts';
import type { Env } from './env.ts';
import type { Partition } from './partition.ts';

/** A token as its client is given it. */
export type Fresh = NonNullable<Authed['token']>;

/** What SASL ended with, and the token that comes with it. */
export type Settled = Step & { readonly token?: Fresh | undefined };

const rows = {
  ofClient: sql`select a.id, a.disabled, t.slot, t.mechanism, t.nonce, t.issued, t.expires, t.counter
    from account a join token t on t.partition = a.partition and t.account = a.id
    where a.partition = $1 and a.address = $2 and t.client = $3`,
  /** Takes the place of one that was never used (§3.5). Count 0: there is no such account. */
  issue: sql`insert into token (partition, account, client, slot, mechanism, nonce, issued, expires, counter)
    select a.partition, a.id, $3, 1, $4, $5, $6, $7, 0 from account a
    where a.partition = $1 and a.address = $2 and a.disabled = 0
    on conflict (partition, account, client, slot) do update set mechanism = excluded.mechanism,
    nonce = excluded.nonce, issued = excluded.issued, expires = excluded.expires, counter = 0`,
  /** All but those of the clients that got one last. */
  prune: sql`delete from token where partition = $1
    and account = (select id from account where partition = $1 and address = $2)
    and client not in (select t.client from token t join account a on a.partition = t.partition and a.id = t.account
      where a.partition = $1 and a.address = $2 group by t.client order by max(t.issued) desc, t.client limit $3)`,
  /** The one before a new one that is used now, and only where it can be. */
  retire: sql`delete from token where partition = $1 and account = $2 and client = $3 and slot = 0
    and exists (select 1 from token n where n.partition = $1 and n.account = $2 and n.client = $3 and n.slot = 1
      and n.nonce = $4 and (n.counter < $5 or $5 = 0))`,
  /** Count 0: it was used with this count, or is gone. A use without a count (0) says nothing of others. */
  promote: sql`update token set slot = 0, counter = case when $5 > counter then $5 else counter end
    where partition = $1 and account = $2 and client = $3 and slot = 1 and nonce = $4 and (counter < $5 or $5 = 0)`,
  count: sql`update token set counter = $5
    where partition = $1 and account = $2 and client = $3 and nonce = $4 and counter < $5`,
  forget: sql`delete from token where partition = $1 and account = $2 and client = $3`,
};

interface Row {
  readonly id: number;
  readonly disabled: number;
  readonly slot: number;
  readonly mechanism: string;
  readonly nonce: string;
  readonly issued: number;
  readonly expires: number;
  readonly counter: number;
}

/**
 * Tokens for fast logins (XEP-0484). They are the owner's of the account: rows of its partition, written in its lane. A
 * token is computed from its row and a secret, so that no copy of the table lets anybody in.
 */
export class Tokens {
  readonly #env: Env;
  readonly #at: (partition: number) => Partition | undefined;

  constructor(env: Env, at: (partition: number) => Partition | undefined) {
    this.#env = env;
    this.#at = at;
  }

  /** A login with a token: one message, and all that follows of it is stored before its success is told. */
  open(frame: Auth, wishes: Wishes): Exchange {
    let done = false;
    return {
      step: (data) => {
        if (done) return refuse('malformed-request');
        done = true;
        return this.#check(frame, wishes, data);
      },
    };
  }

  /** A token for a client that has authenticated in another way; undefined where it cannot have one. */
  async issue(address: string, { agent, token: mechanism }: Wishes): Promise<Fresh | undefined> {
    const partition = this.#at(this.#env.partitionOf(address) ?? -1);
    if (partition === undefined || agent === undefined || mechanism === undefined) return undefined;
    const { fresh, ops } = this.#fresh(
      partition,
      address,
      deviceOf(this.#env.secret, address, agent),
      mechanism,
    );
    const [count] = await stored(partition, ops);
    return count === 0 ? undefined : fresh;
  }

  async #check(frame: Auth, wishes: Wishes, data: Uint8Array): Promise<Settled> {
    const { mechanism, info, bindings } = frame;
    const { clock, secret, store } = this.#env;
    const { agent, fast } = wishes;
    const said = parseHashed(data);
    if (said === undefined || agent === undefined || fast === undefined) return refuse('malformed-request');
    const jid = Jid.of(said.authcid, info.domain);
    const partition = this.#at(frame.partition);
    if (jid === undefined || partition === undefined || this.#env.partitionOf(jid.bare) !== partition.id)
      return refuse('not-authorized');
    const type = bindingOf(mechanism);
    const binding = type === undefined ? new Uint8Array() : bindings.find(([has]) => has === type)?.[1];
    if (binding === undefined) return refuse('invalid-mechanism');

    const device = deviceOf(secret, jid.bare, agent);
    const found = await store.query<Row>(rows.ofClient, [partition.id, jid.bare, device]);
    let row: Row | undefined;
    let shown = '';
    // §5.1: the newest first. Who has none takes as long.
    for (const slot of [1, 0]) {
      const one = found.find((has) => has.slot === slot);
      const made = this.#token(jid.bare, device, one?.mechanism ?? mechanism, one?.nonce ?? '');
      const fits = same(proofOf('Initiator', made, binding), said.proof);
      if (fits && one !== undefined && row === undefined) [row, shown] = [one, made];
    }
    const now = clock.now();
    // §3.4: a token is for the mechanism that it was asked for.
    if (row === undefined || row.mechanism !== mechanism || row.disabled !== 0)
      return refuse('not-authorized');
    if (row.expires <= now) return refuse('credentials-expired');
    const { count = 0 } = fast;
    if (count > 0 && count <= row.counter) return refuse('not-authorized');

    const key = [partition.id, row.id, device];
    const ops: Op[] = [];
    // Index of the op that says whether somebody else was faster with this use.
    let decides = -1;
    if (fast.invalidate) ops.push({ statement: rows.forget, params: key });
    else if (row.slot === 1) {
      ops.push({ statement: rows.retire, params: [...key, row.nonce, count] });
      decides = ops.push({ statement: rows.promote, params: [...key, row.nonce, count] }) - 1;
    } else if (count > 0)
      decides = ops.push({ statement: rows.count, params: [...key, row.nonce, count] }) - 1;
    // §3.6: who gives up its token gets another one only where it asks for it.
    const due = !fast.invalidate && row.issued + fixed.tokenFresh.value <= now;
    const next = wishes.token ?? (due ? mechanism : undefined);
    const renewed = next === undefined ? undefined : this.#fresh(partition, jid.bare, device, next);
    if (renewed !== undefined) ops.push(...renewed.ops);
    const counts = ops.length === 0 ? [] : await stored(partition, ops);
    if (decides >= 0 && counts[decides] !== 1)
      return refuse(counts[decides] === 0 ? 'not-authorized' : 'temporary-auth-failure');
    return {
      kind: 'success',
      username: jid.local,
      data: proofOf('Responder', shown, binding),
      token: renewed?.fresh,
    };
  }

  #fresh(
    partition: Partition,
    address: string,
    device: string,
    mechanism: string,
  ): { readonly fresh: Fresh; readonly ops: Op[] } {
    const { clock, limits, random } = this.#env;
    const nonce = token(random, 18);
    const now = clock.now();
    const expiry = now + limits.token * 86_400_000;
    const key = [partition.id, address];
    return {
      fresh: { token: this.#token(address, device, mechanism, nonce), expiry },
      ops: [
        { statement: rows.issue, params: [...key, device, mechanism, nonce, now, expiry] },
        { statement: rows.prune, params: [...key, fixed.tokenClients.value] },
      ],
    };
  }

  #token(address: string, device: string, mechanism: string, nonce: string): string {
    return createHmac('sha256', createSecretKey(this.#env.secret))
      .update(JSON.stringify(['token', address, device, mechanism, nonce]))
      .digest('base64url');
  }
}

/** Commits in the partition's lane; what came of each op. */
function stored(partition: Partition, ops: Op[]): Promise<readonly (number | undefined)[]> {
  return new Promise((resolve, reject) =>
    partition.lane.submit({
      ops,
      fences: partition.fences,
      done: resolve,
      failed: (reason, _op, error) => {
        if (reason === 'fenced') partition.lost();
        reject(error);
      },
    }),
  );
}
