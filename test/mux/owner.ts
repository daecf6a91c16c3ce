import { systemClock } from '../../src/base/clock.ts';
import { quiet } from '../../src/base/log.ts';
import { systemRandom } from '../../src/base/random.ts';
import type { Down, Up } from '../../src/link/frames.ts';
import { openMesh } from '../../src/mesh/channel.ts';
import { Hub } from '../../src/mesh/local.ts';
import type { Mesh } from '../../src/mesh/mesh.ts';
import { openMux } from '../../src/mux/mux.ts';
import type { Mux, MuxOptions } from '../../src/mux/mux.ts';
import type { Said } from './rig.ts';

/**
 * An owner of everything that lets everybody in and returns each message to its sender: enough to run a mux on real
 * sockets.
 */
export class EchoOwner {
  readonly mesh: Mesh;
  readonly mux: Mux;
  /** What nobody answers, and logins; undefined where nobody looks. */
  seen: Up[] | undefined = [];
  readonly #sent = new Map<number, number>();
  #sessions = 0;

  constructor(options: Partial<MuxOptions> = {}) {
    this.mesh = openMesh(new Hub(systemClock).wire('all/1'), { clock: systemClock, log: quiet });
    const route = { partition: 1, epoch: 1, server: this.mesh.self };
    this.mux = openMux({
      domains: ['example.org'],
      mesh: this.mesh,
      routes: { locate: () => route, partition: () => route, epoch: () => 1, onChange: () => {} },
      clock: systemClock,
      random: systemRandom,
      log: quiet,
      ...options,
    });
    this.mesh.serve('account', (_from, frame) => this.#receive(frame as Up));
  }

  say(frame: Said): void {
    this.mesh.send(this.mesh.self, 'mux', { partition: 1, epoch: 1, ...frame } as Down);
  }

  send(session: number, text: string): void {
    const m = (this.#sent.get(session) ?? 0) + 1;
    this.#sent.set(session, m);
    this.say({ t: 'out', session, m, text, feed: 'account', pos: m, answers: 0 });
  }

  #receive(frame: Up): void {
    // oxlint-disable-next-line typescript/switch-exhaustiveness-check
    switch (frame.t) {
      case 'auth':
        this.seen?.push(frame);
        this.say({
          t: 'authed',
          conn: frame.conn,
          account: 'alice@example.org',
          proof: 'p',
          data: undefined,
        });
        return;
      case 'bind':
        this.say({
          t: 'bound',
          conn: frame.conn,
          session: ++this.#sessions,
          account: 'alice@example.org',
          resource: frame.resource ?? `r${this.#sessions}`,
          generation: 1,
          ticket: 'ticket-of-thirty-two-characters-',
        });
        return;
      case 'stanza': {
        const { session, n, stanza } = frame;
        if (stanza.name === 'message')
          this.send(
            session,
            `<message from="alice@example.org"><body>${stanza.child('body')?.text()}</body></message>`,
          );
        this.say({ t: 'accepted', session, n });
        return;
      }
      case 'enable':
        this.say({
          t: 'enabled',
          session: frame.session,
          n: frame.n,
          m: this.#sent.get(frame.session) ?? 0,
          id: 'id',
          max: 300,
        });
        return;
      default:
        this.seen?.push(frame);
    }
  }
}
