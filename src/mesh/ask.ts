import type { Clock, Timer } from '../base/clock.ts';
import { Failure } from '../base/failure.ts';
import { fixed } from '../base/fixed.ts';
import type { Log } from '../base/log.ts';
import type { Mesh, Peer } from './mesh.ts';

/**
 * Questions between owners, over the mesh's service `admin`. A question is asked once: where no answer comes,
 * it may have been answered or not, so that what is asked twice must do no harm the second time.
 */
export interface Ask {
  /**
   * `params` and what comes back are plain values, as JSON has them. `deadline` in ms. Rejects with the `Failure` that the
   * handler there threw (code and text; anything else becomes `internal-server-error`), or with `server-unreachable` (gone,
   * or going down meanwhile), `server-timeout`, `overloaded` (`fixed.asks` are open), `closed` (this process ends).
   */
  ask(peer: Peer, method: string, params: unknown, deadline: number): Promise<unknown>;
  /** One handler a method. May throw or reject; what is no `Failure` is logged here. */
  answer(method: string, handler: (params: unknown, from: Peer) => unknown): void;
  /** Everything that is open fails with `closed`. */
  close(): void;
}

/** What goes over the mesh. `undefined` crosses as null. */
type Frame =
  | { readonly t: 'ask'; readonly id: number; readonly method: string; readonly params: unknown }
  | { readonly t: 'answer'; readonly id: number; readonly result: unknown }
  | { readonly t: 'failed'; readonly id: number; readonly code: string; readonly message: string };

interface Open {
  readonly peer: Peer;
  readonly timer: Timer;
  resolve(result: unknown): void;
  reject(failure: Failure): void;
}

export function openAsk(mesh: Mesh, clock: Clock, log: Log): Ask {
  const open = new Map<number, Open>();
  const handlers = new Map<string, (params: unknown, from: Peer) => unknown>();
  let last = 0;
  let closed = false;

  const settle = (id: number, from: Peer, end: (one: Open) => void) => {
    const one = open.get(id);
    if (one === undefined || one.peer !== from) return; // too late, or never asked
    open.delete(id);
    one.timer.cancel();
    end(one);
  };
  const failAll = (peer: Peer | undefined, failure: Failure) => {
    for (const [id, one] of open)
      if (peer === undefined || one.peer === peer) settle(id, one.peer, () => one.reject(failure));
  };
  const respond = async (from: Peer, id: number, method: string, params: unknown) => {
    let frame: Frame;
    try {
      const handler = handlers.get(method);
      if (handler === undefined) throw new Failure('unknown-method', `it does not know ${method}`);
      frame = { t: 'answer', id, result: (await handler(params, from)) ?? null };
    } catch (error) {
      if (!(error instanceof Failure)) log.error({ err: error, from, method }, 'a question failed');
      const { code, message } = error instanceof Failure ? error : unexpected;
      frame = { t: 'failed', id, code, message };
    }
    mesh.send(from, 'admin', frame);
  };

  mesh.serve('admin', (from, frame) => {
    const said = frame as Frame;
    if (said.t === 'ask') void respond(from, said.id, said.method, said.params);
    else if (said.t === 'answer') settle(said.id, from, (one) => one.resolve(said.result ?? undefined));
    else if (said.t === 'failed')
      settle(said.id, from, (one) => one.reject(new Failure(String(said.code), String(said.message))));
  });
  mesh.onPeer((peer, state) => {
    if (state === 'down') failAll(peer, unreachable(peer));
  });

  return {
    ask: (peer, method, params, deadline) => {
      if (closed) return Promise.reject(ending());
      if (open.size >= fixed.asks.value)
        return Promise.reject(new Failure('overloaded', 'too many questions to other servers are open'));
      const id = ++last;
      return new Promise((resolve, reject) => {
        const late = () => settle(id, peer, () => reject(timeout(peer)));
        open.set(id, { peer, timer: clock.after(deadline, late), resolve, reject });
        // To a peer that is not there the mesh says `down`.
        mesh.send(peer, 'admin', { t: 'ask', id, method, params: params ?? null } satisfies Frame);
      });
    },
    answer: (method, handler) => void handlers.set(method, handler),
    close: () => {
      closed = true;
      failAll(undefined, ending());
    },
  };
}

const unexpected = new Failure('internal-server-error', 'internal server error');

function ending(): Failure {
  return new Failure('closed', 'this server is ending');
}

function unreachable(peer: Peer): Failure {
  return new Failure('server-unreachable', `${nameOf(peer)} cannot be reached`);
}

function timeout(peer: Peer): Failure {
  return new Failure('server-timeout', `${nameOf(peer)} did not answer in time; it may have been done`);
}

/** The server's name in `name/incarnation`. */
export function nameOf(peer: Peer): string {
  return peer.slice(0, Math.max(0, peer.lastIndexOf('/'))) || peer;
}
