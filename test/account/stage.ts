import { key } from '../../src/entity/requests.ts';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock, type Clock } from '../../src/base/clock.ts';
import { defaultLimits } from '../../src/base/limits.ts';
import { quiet } from '../../src/base/log.ts';
import { systemRandom } from '../../src/base/random.ts';
import type { Account } from '../../src/account/account.ts';
import { archiveEverything, type Preferences } from '../../src/account/accountrows.ts';
import { hostsOf } from '../../src/account/hosts.ts';
import type { Feature } from '../../src/account/iq.ts';
import { Nodes } from '../../src/account/pubsub/nodes.ts';
import { messageRows, rowParams } from '../../src/account/rows.ts';
import type { Session } from '../../src/account/session.ts';
import type { Work } from '../../src/account/work.ts';
import { openSqlite } from '../../src/store/embedded.ts';
import { openLane, type Lane } from '../../src/store/lane.ts';
import type { Fence, Op, Statement, Value } from '../../src/store/store.ts';
import type { Volume } from '../../src/store/volume.ts';
import type { Element } from '../../src/xmpp/element.ts';
import { Jid } from '../../src/xmpp/jid.ts';
import { StanzaError } from '../../src/xmpp/error.ts';
import { parseFragment } from '../../src/xmpp/parser.ts';
import { attribute, serialise } from '../../src/xmpp/serialise.ts';

export const juliet = 'juliet@capulet.example';
/** The id that the first message gets: 2026-11-20T12:00:00Z in microseconds. */
export const firstId = Date.parse('2026-11-20T12:00:00Z') * 1000;

export interface Line {
  readonly id: number;
  readonly with: string;
  readonly sent?: boolean;
  readonly body?: string;
  readonly hidden?: boolean;
}

/** A real store with one account in it, and a session that writes down what it is sent. */
export class Stage {
  readonly volume: Volume;
  readonly lane: Lane;
  readonly fence: Fence;
  readonly account: Account;
  readonly session: Session & { readonly unacked: { size: number; bytes: number } };
  /** Texts that went to the session. */
  sent: string[] = [];
  wants = 0;
  readonly ops: Op[] = [];
  readonly #directory: string;

  constructor(volume: Volume, lane: Lane, fence: Fence, directory: string, clock: Clock) {
    this.volume = volume;
    this.lane = lane;
    this.fence = fence;
    this.#directory = directory;
    const limits = defaultLimits;
    const env = {
      clock,
      store: volume,
      limits,
      registration: 'open',
      version: '1.2.3',
      domains: new Set(['capulet.example']),
      hosts: hostsOf(['capulet.example']),
    };
    const partition = { id: fence.partition, env, fences: [fence], lane };
    this.account = {
      id: 7,
      address: juliet,
      head: 0,
      quiet: true,
      preferences: archiveEverything as Preferences,
      nodes: new Nodes('pep'),
      partition,
    } as unknown as Account;
    const unacked = { size: 0, bytes: 0 };
    this.session = {
      account: this.account,
      partition,
      full: `${juliet}/balcony`,
      ended: false,
      carbons: false,
      unacked,
      cursor: { spoolUntil: 0 },
      info: { secure: true, domain: 'capulet.example', address: '127.0.0.1' },
      send: (text: string) => {
        this.sent.push(text);
      },
      want: () => {
        this.wants += 1;
      },
      changed: () => undefined,
    } as unknown as Stage['session'];
  }

  /** Stores messages of the account, in one batch. */
  async store(lines: readonly Line[]): Promise<void> {
    const ops = lines.map((line) => ({
      statement: messageRows.add,
      params: this.#params(line),
    }));
    for (let from = 0; from < ops.length; from += 1000) {
      const slice = ops.slice(from, from + 1000);
      // oxlint-disable-next-line no-await-in-loop -- in order
      await new Promise<void>((resolve, reject) =>
        this.lane.submit({
          ops: slice,
          fences: [this.fence],
          done: () => resolve(),
          failed: (_reason, _op, error) => reject(error),
        }),
      );
    }
    this.account.head = Math.max(this.account.head, ...lines.slice(-1).map(({ id }) => id));
  }

  #params({ id, with: other, sent = false, body = `message ${id}`, hidden = false }: Line): Value[] {
    const [from, to] = sent ? [`${juliet}/balcony`, other] : [other, juliet];
    const xml = `<message from="${attribute(from)}" to="${attribute(to)}" type="chat"><body>${body}</body></message>`;
    const row = {
      id,
      direction: sent ? 1 : 0,
      kind: 0,
      peer: other.split('/')[0]!,
      target: '',
      session: 1,
      shown: hidden ? 0 : 1,
      sent: Math.floor(id / 1000),
      xml,
    } as const;
    const origin = { source: 1, n: id, k: 0 };
    return rowParams(this.fence.partition, this.account.id, row, origin, {
      pending: false,
      posted: false,
    });
  }

  /** Asks a feature as the account's own session does: the payload of the result, or the StanzaError. */
  async ask(
    feature: Feature,
    type: 'get' | 'set',
    payload: string,
    where: 'account' | 'server' = 'account',
    to: string = juliet,
  ): Promise<Element | undefined> {
    const element = parseFragment(payload);
    const handler = feature[where]?.[key(type, element)];
    if (handler === undefined) throw new StanzaError('service-unavailable');
    const iq = parseFragment(`<iq xmlns="jabber:client" type="${type}" id="a">${payload}</iq>`);
    const ops: Op[] = [];
    const work = {
      ops,
      write: (statement: Statement, params: readonly Value[]) => ops.push({ statement, params }) - 1,
      step: (run: () => void) => run(),
      after: () => undefined,
    } as unknown as Work;
    const { account, session } = this;
    const answer = await handler({ account, session, work, iq, type, payload: element, to });
    this.ops.push(...ops);
    return answer;
  }

  /** Asks it as somebody else does. */
  async visit(
    feature: Feature,
    type: 'get' | 'set',
    payload: string,
    from: string,
  ): Promise<Element | undefined> {
    const element = parseFragment(payload);
    const blind = feature.blind?.[key(type, element)];
    if (blind !== undefined) return blind();
    const host = feature.visitors?.[key(type, element)];
    if (host === undefined) throw new StanzaError('service-unavailable');
    const iq = parseFragment(`<iq xmlns="jabber:client" type="${type}" id="a">${payload}</iq>`);
    const work = { ops: [], write: () => 0 } as unknown as Work;
    const { account } = this;
    return host({ account, from: Jid.parse(from)!, work, iq, type, payload: element, to: juliet });
  }

  async close(): Promise<void> {
    await this.lane.close();
    await this.volume.close();
    rmSync(this.#directory, { recursive: true });
  }
}

export async function openStage(clock: Clock = systemClock): Promise<Stage> {
  const directory = mkdtempSync(join(tmpdir(), 'muster-account-'));
  const volume = await openSqlite(directory, {
    clock: systemClock,
    log: quiet,
    random: systemRandom,
    host: 'test',
  });
  const lane = await openLane(volume, { clock: systemClock, log: quiet });
  return new Stage(volume, lane, await volume.claim('account/0'), directory, clock);
}

/** The text of an answer; '' for an empty result. */
export function textOf(answer: Element | undefined): string {
  return answer === undefined ? '' : serialise(answer);
}

/** Passes where the promise is refused with this condition. */
export async function refused(answer: Promise<unknown>, condition: string): Promise<void> {
  try {
    await answer;
  } catch (error) {
    if (error instanceof StanzaError && error.condition === condition) return;
    throw error;
  }
  throw new Error(`not refused with ${condition}`);
}
