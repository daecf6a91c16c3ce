import { Failure, failed } from '../base/failure.ts';
import type { Auth, AuthNext, ConnInfo, Down } from '../link/frames.ts';
import type { Peer } from '../mesh/mesh.ts';
import { refuse, type SaslCondition, type Step } from '../xmpp/sasl/sasl.ts';
import type { Env } from './env.ts';
import { Tokens } from './fast.ts';
import { openExchange } from './mechanisms.ts';
import type { Partition } from './partition.ts';
import { openSasl2, type Dialogue, type Outcome } from './sasl2.ts';
import { Throttle } from './throttle.ts';
import { repeated } from './repeated.ts';
import { proofFor } from './ticket.ts';

interface Conn {
  readonly partition: number;
  readonly epoch: number;
  readonly info: ConnInfo;
  readonly exchange: Dialogue;
  /** A message of the client is being looked at. */
  busy: boolean;
  /** Whose password is to be proved, once that is known; it is counted as a failure until it is. */
  account: string | undefined;
  counted: boolean;
}

/**
 * SASL at the owner (DESIGN §5): the mux relays, the owner checks, and gives it the proof with which the connection binds
 * or resumes. The muxes' own limit on connections without a session bounds what is kept here.
 */
export class Logins {
  readonly #env: Env;
  readonly #conns = new Map<string, Conn>();
  readonly #throttle: Throttle;
  readonly #tokens: Tokens;

  /** `at`: the partition of this number, where it is served here. */
  constructor(env: Env, at: (partition: number) => Partition | undefined) {
    this.#env = env;
    this.#throttle = new Throttle(env.clock, env.limits);
    this.#tokens = new Tokens(env, at);
  }

  auth(from: Peer, frame: Auth): void {
    const { partition, epoch, info } = frame;
    const opened = openSasl2(this.#env, this.#tokens, frame, () =>
      openExchange(this.#env, frame, (account) => this.#admit(conn, account)),
    );
    if (opened === undefined) {
      this.#refuse(from, frame, 'invalid-mechanism', undefined);
      return;
    }
    const conn: Conn = {
      partition,
      epoch,
      info,
      exchange: frame.past === undefined ? opened : repeated(opened, frame.past),
      busy: false,
      account: undefined,
      counted: false,
    };
    this.#conns.set(keyOf(from, frame.conn), conn);
    this.#step(from, frame.conn, conn, frame.data ?? new Uint8Array());
  }

  next(from: Peer, frame: AuthNext): void {
    const conn = this.#conns.get(keyOf(from, frame.conn));
    if (conn === undefined || conn.busy) {
      this.#refuse(from, frame, 'malformed-request', undefined);
      return;
    }
    this.#step(from, frame.conn, conn, frame.data);
  }

  gone(from: Peer, conn: number): void {
    this.#conns.delete(keyOf(from, conn));
  }

  /** A partition is not served here any more: its logins begin again where it is. */
  forget(partition: number): void {
    for (const [key, conn] of this.#conns) if (conn.partition === partition) this.#conns.delete(key);
  }

  /** A mux is gone, and with it its connections. */
  peerGone(peer: Peer): void {
    for (const key of this.#conns.keys()) if (key.startsWith(`${peer}#`)) this.#conns.delete(key);
  }

  #step(from: Peer, number: number, conn: Conn, data: Uint8Array): void {
    const answer = (step: Outcome) => this.#answer(from, number, conn, step);
    const failed = (error: unknown) => answer(this.#failure(error));
    let step: Outcome | Promise<Outcome>;
    try {
      // Whose password it is was said before: it is looked at now.
      if (conn.account !== undefined) this.#admit(conn, conn.account);
      step = conn.exchange.step(data);
    } catch (error) {
      failed(error);
      return;
    }
    if (!(step instanceof Promise)) {
      answer(step);
      return;
    }
    conn.busy = true;
    step.then(answer, failed);
  }

  /** Counts an attempt at a password, or throws where there were too many. */
  #admit(conn: Conn, account: string): void {
    const wait = this.#throttle.take(account, conn.info.address);
    if (wait > 0) {
      this.#env.count('login-held');
      throw new Failure('login-held', `too many failed logins, try again in ${wait} s`);
    }
    conn.account = account;
    conn.counted = true;
  }

  #failure(error: unknown): Step {
    const held = failed(error, 'login-held');
    if (!held) this.#env.log.warn({ err: error }, 'credentials could not be read');
    // RFC 6120 §6.5.11
    return refuse('temporary-auth-failure', held ? error.message : undefined);
  }

  /** Only a wrong proof is a failure; what could not be judged is none. */
  #settle(conn: Conn, step: Outcome): void {
    if (!conn.counted || conn.account === undefined) return;
    conn.counted = false;
    if (step.kind === 'failure' && step.condition === 'not-authorized') return;
    this.#throttle.settle(conn.account, conn.info.address, step.kind === 'success' ? 'entered' : 'nothing');
  }

  #answer(from: Peer, number: number, conn: Conn, step: Outcome): void {
    conn.busy = false;
    this.#settle(conn, step);
    const { mesh, count } = this.#env;
    const { partition, epoch } = conn;
    const head = { partition, epoch, conn: number };
    // The connection went, or began anew, while we looked.
    if (this.#conns.get(keyOf(from, number)) !== conn) return;
    switch (step.kind) {
      case 'challenge':
        mesh.send(from, 'mux', { ...head, t: 'challenge', data: step.data } satisfies Down);
        return;
      case 'continue': {
        const { data, mechanism, salt, iterations } = step;
        mesh.send(from, 'mux', { ...head, t: 'continue', data, mechanism, salt, iterations } satisfies Down);
        return;
      }
      case 'success': {
        const account = `${step.username}@${conn.info.domain}`;
        const proof = proofFor(this.#env, from, number, account);
        this.#conns.delete(keyOf(from, number));
        mesh.send(from, 'mux', {
          ...head,
          t: 'authed',
          account,
          proof,
          data: step.data,
          token: step.token,
        } satisfies Down);
        return;
      }
      case 'failure':
        count('login-failed');
        this.#conns.delete(keyOf(from, number));
        this.#refuse(from, head, step.condition, step.text);
    }
  }

  #refuse(
    from: Peer,
    { partition, epoch, conn }: { partition: number; epoch: number; conn: number },
    condition: SaslCondition,
    text: string | undefined,
  ): void {
    this.#env.mesh.send(from, 'mux', {
      t: 'refused',
      partition,
      epoch,
      conn,
      condition,
      text,
    } satisfies Down);
  }
}

function keyOf(peer: Peer, conn: number): string {
  return `${peer}#${conn}`;
}
