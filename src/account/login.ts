import { token } from '../base/random.ts';
import type { Auth, AuthNext, ConnInfo } from '../link/frames.ts';
import type { Mechanism } from '../directory/directory.ts';
import type { Peer } from '../mesh/mesh.ts';
import { openPlain } from '../xmpp/sasl/plain.ts';
import type { Exchange, SaslCondition } from '../xmpp/sasl/sasl.ts';
import { openScram } from '../xmpp/sasl/scram.ts';
import type { Env } from './env.ts';
import { Tokens } from './fast.ts';
import type { Partition } from './partition.ts';
import { openSasl2, type Dialogue, type Outcome } from './sasl2.ts';
import { proofFor } from './ticket.ts';

interface Conn {
  readonly partition: number;
  readonly epoch: number;
  readonly info: ConnInfo;
  readonly exchange: Dialogue;
  /** A message of the client is being looked at. */
  busy: boolean;
}

/**
 * SASL at the owner (DESIGN §5): the mux relays, the owner checks, and gives it the proof with which the connection binds
 * or resumes. The muxes' own limit on connections without a session bounds what is kept here.
 */
export class Logins {
  readonly #env: Env;
  readonly #conns = new Map<string, Conn>();
  readonly #tokens: Tokens;

  /** `at`: the partition of this number, where it is served here. */
  constructor(env: Env, at: (partition: number) => Partition | undefined) {
    this.#env = env;
    this.#tokens = new Tokens(env, at);
  }

  auth(from: Peer, frame: Auth): void {
    const { partition, epoch, info } = frame;
    const exchange = openSasl2(this.#env, this.#tokens, frame, () => this.#open(frame));
    if (exchange === undefined) {
      this.#refuse(from, frame, 'invalid-mechanism', undefined);
      return;
    }
    const conn: Conn = { partition, epoch, info, exchange, busy: false };
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

  #open({ mechanism, info }: Auth): Exchange | undefined {
    const { env, credentials } = { env: this.#env, credentials: this.#credentials(info.domain) };
    const { domain } = info;
    const { secret } = env;
    switch (mechanism) {
      case 'SCRAM-SHA-1':
        return openScram({ hash: 'SHA-1', domain, credentials, nonce: token(env.random, 18), secret });
      case 'SCRAM-SHA-256':
        return openScram({ hash: 'SHA-256', domain, credentials, nonce: token(env.random, 18), secret });
      case 'PLAIN':
        return info.secure ? openPlain({ hash: 'SHA-256', domain, credentials, secret }) : undefined;
      default:
        return undefined;
    }
  }

  #credentials(domain: string) {
    return async (username: string, hash: string) => {
      const found = await this.#env.directory.keys(`${username}@${domain}`, `SCRAM-${hash}` as Mechanism);
      return found === undefined || found.entry.disabled ? undefined : found.keys;
    };
  }

  #step(from: Peer, number: number, conn: Conn, data: Uint8Array): void {
    const answer = (step: Outcome) => this.#answer(from, number, conn, step);
    let step: Outcome | Promise<Outcome>;
    try {
      step = conn.exchange.step(data);
    } catch (error) {
      step = Promise.reject(error instanceof Error ? error : new Error(String(error)));
    }
    if (!(step instanceof Promise)) {
      answer(step);
      return;
    }
    conn.busy = true;
    step.then(answer, (error: unknown) => {
      this.#env.log.warn({ err: error }, 'credentials could not be read');
      answer({ kind: 'failure', condition: 'temporary-auth-failure' });
    });
  }

  #answer(from: Peer, number: number, conn: Conn, step: Outcome): void {
    conn.busy = false;
    const { mesh, count } = this.#env;
    const { partition, epoch } = conn;
    const head = { partition, epoch, conn: number };
    // The connection went, or began anew, while we looked.
    if (this.#conns.get(keyOf(from, number)) !== conn) return;
    switch (step.kind) {
      case 'challenge':
        mesh.send(from, 'mux', { ...head, t: 'challenge', data: step.data });
        return;
      case 'continue': {
        const { data, mechanism, salt, iterations } = step;
        mesh.send(from, 'mux', { ...head, t: 'continue', data, mechanism, salt, iterations });
        return;
      }
      case 'success': {
        const account = `${step.username}@${conn.info.domain}`;
        const proof = proofFor(this.#env, from, number, account);
        this.#conns.delete(keyOf(from, number));
        mesh.send(from, 'mux', { ...head, t: 'authed', account, proof, data: step.data, token: step.token });
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
    this.#env.mesh.send(from, 'mux', { t: 'refused', partition, epoch, conn, condition, text });
  }
}

function keyOf(peer: Peer, conn: number): string {
  return `${peer}#${conn}`;
}
