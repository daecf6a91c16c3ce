import type { Clock, Timer } from '../base/clock.ts';
import { fixed } from '../base/fixed.ts';
import type { Mesh, Peer } from '../mesh/mesh.ts';
import type { Routes } from '../placement/routes.ts';
import type { Element } from '../xmpp/element.ts';
import type { Kind } from './kinds.ts';

/** A stored stanza on its way to another partition: what a row of the outbox holds. */
export interface Letter {
  /** The account or room that sends it, its partition and its address. */
  readonly partition: number;
  readonly account: number;
  readonly sender: string;
  /** The row's id: a change number of the sender. */
  readonly id: number;
  /** Address of the recipient: bare, or full where one resource is meant; and its account. */
  readonly to: string;
  readonly recipient: string;
  readonly source: number;
  readonly n: number;
  readonly k: number;
  readonly kind: Kind;
  /** Milliseconds since the epoch. */
  readonly created: number;
  readonly xml: string;
}

/**
 * How a letter ended at its recipient: `delivered` (stored there, now or before), `later` (could not be stored or read:
 * try again), or a stanza error's condition, which goes back to the sender.
 */
export type Settlement = string;
export type Done = (settlement: Settlement, answer?: Element) => void;

/** What the owner of accounts, or of rooms, does for the post. */
export interface Office {
  /** Is this partition served here in this epoch? Other frames are dropped (invariant 12). */
  serves(partition: number, epoch: number): boolean;
  /** The epoch in which this server owns a partition; undefined where it does not. */
  epochOf(partition: number): number | undefined;
  /**
   * Takes a letter in for its recipient; calls back once, after the recipient's commit. `answer`: what the sender is told that
   * nobody stores. It hears that when the letter can never come again, which might end in another way.
   */
  take(partition: number, letter: Letter, done: Done): void;
  /**
   * The letter has ended: the row leaves the outbox in a commit, with the bounce if it is an error; then call back, and hand
   * on the answer.
   */
  settle(letter: Letter, settlement: Settlement, done: (stored: boolean) => void, answer?: Element): void;
  /** A stanza that nobody stores has come for an account or a room here. */
  arrive(partition: number, recipient: string, stanza: Element): void;
  /** A stanza that nobody stores could not be handed on. */
  lost(stanza: Element): void;
}

/**
 * Between entities whose commits do not share a lane (DESIGN §3 and §5, spool and outbox). Letters wait in the sender's
 * outbox until settled; per sender and recipient one is under way at a time, so that their order holds whatever is lost.
 */
export interface Post {
  /** A letter whose outbox row is committed (or was read back at start). */
  queue(letter: Letter): void;
  /** A stanza that nobody stores: presence, an iq, a chat state. `by`: who sends it. */
  pass(by: Sender, recipient: string, stanza: Element): void;
  /** Forgets the letters of a partition that is not served here any more. */
  forget(partition: number): void;
  /** Letters that nobody has settled. */
  readonly waiting: number;
  /** How many letters of this account, or room, wait. */
  waitingOf(partition: number, account: number): number;
  /** Is one of them from this account to this recipient? */
  busy(partition: number, account: number, recipient: string): boolean;
  /** Those of them, the oldest first. */
  lettersTo(partition: number, account: number, recipient: string): readonly Letter[];
  close(): void;
}

/** The partition that something comes from, and its owner's epoch. */
export interface Sender {
  readonly id: number;
  readonly epoch: number;
}

export interface PostOptions {
  readonly mesh: Mesh;
  readonly routes: Routes;
  readonly clock: Clock;
  readonly office: Office;
  readonly partitionOf: (address: string) => number | undefined;
  /** Milliseconds after which a letter that nobody settled is sent again. */
  readonly retry?: number;
  /** Milliseconds after which it is given up: `remote-server-timeout` goes back. */
  readonly lifetime: number;
  /** Called for a frame that speaks for an older epoch, or to one. */
  readonly count?: (event: 'stale-frame') => void;
}

/** `by`: the partition that the frame speaks for, and its epoch; a stale owner is not heard (invariant 12). */
interface Spoken {
  readonly by: readonly [partition: number, epoch: number];
}

type Frame = Spoken &
  (
    | { readonly t: 'letter'; readonly partition: number; readonly epoch: number; readonly letter: Letter }
    | {
        readonly t: 'settle';
        readonly line: string;
        readonly id: number;
        readonly settlement: Settlement;
        readonly answer?: Element;
      }
    | {
        readonly t: 'pass';
        readonly partition: number;
        readonly epoch: number;
        readonly recipient: string;
        readonly stanza: Element;
      }
    /** The answer to a `pass` for a partition that is served elsewhere by now; `by` is that frame's. */
    | { readonly t: 'missed'; readonly stanza: Element }
  );

/** Letters of one sender to one recipient, oldest first; only the first is ever under way. */
interface Line {
  /** The recipient's partition. */
  readonly home: number | undefined;
  readonly letters: Letter[];
  state: 'waiting' | 'sent' | 'settling';
  to: Peer | undefined;
  sentAt: number;
}

export function openPost(options: PostOptions): Post {
  return new LinePost(options);
}

class LinePost implements Post {
  readonly #options: PostOptions;
  readonly #retry: number;
  readonly #lines = new Map<string, Line>();
  #waiting = 0;
  readonly #perAccount = new Map<string, number>();
  /** Partitions whose route changed in this tick. */
  #moved: Set<number> | undefined;
  #timer: Timer | undefined;
  #closed = false;

  constructor(options: PostOptions) {
    this.#options = options;
    this.#retry = options.retry ?? fixed.postRetry.value;
    options.mesh.serve('post', (from, frame) => this.#receive(from, frame as Frame));
    options.mesh.onPeer((peer, state, returned) => {
      if (state === 'down')
        this.#peerGone(
          peer,
          returned.filter((one) => one.service === 'post').map((one) => one.frame as Frame),
        );
    });
    options.routes.onChange(({ partition }) => this.#routeChanged(partition));
  }

  get waiting(): number {
    return this.#waiting;
  }

  waitingOf(partition: number, account: number): number {
    return this.#perAccount.get(`${partition} ${account}`) ?? 0;
  }

  busy(partition: number, account: number, recipient: string): boolean {
    return this.#lines.has(lineOf({ partition, account, recipient }));
  }

  lettersTo(partition: number, account: number, recipient: string): readonly Letter[] {
    return this.#lines.get(lineOf({ partition, account, recipient }))?.letters ?? [];
  }

  queue(letter: Letter): void {
    const key = lineOf(letter);
    let line = this.#lines.get(key);
    if (line === undefined) {
      const home = this.#options.partitionOf(letter.recipient);
      line = { home, letters: [], state: 'waiting', to: undefined, sentAt: 0 };
      this.#lines.set(key, line);
    }
    line.letters.push(letter);
    this.#count(letter, 1);
    if (line.letters.length === 1) this.#send(line);
    this.#watch();
  }

  pass(by: Sender, recipient: string, stanza: Element): void {
    const { mesh, routes, office } = this.#options;
    const route = routes.locate(recipient);
    if (route === undefined) {
      office.lost(stanza);
      return;
    }
    const { partition, epoch, server } = route;
    const frame: Frame = { t: 'pass', by: [by.id, by.epoch], partition, epoch, recipient, stanza };
    mesh.send(server, 'post', frame);
  }

  forget(partition: number): void {
    for (const [key, line] of this.#lines)
      if (line.letters[0]?.partition === partition) {
        for (const letter of line.letters) this.#count(letter, -1);
        this.#lines.delete(key);
      }
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.#lines.clear();
    this.#waiting = 0;
  }

  #count(letter: Letter, by: 1 | -1): void {
    this.#waiting += by;
    const key = `${letter.partition} ${letter.account}`;
    const count = (this.#perAccount.get(key) ?? 0) + by;
    if (count > 0) this.#perAccount.set(key, count);
    else this.#perAccount.delete(key);
  }

  #send(line: Line): void {
    const letter = line.letters[0];
    if (letter === undefined || this.#closed) return;
    const { mesh, routes, clock, lifetime, office } = this.#options;
    if (clock.now() - letter.created > lifetime) {
      this.#settled(line, letter, 'remote-server-timeout');
      return;
    }
    const route = line.home === undefined ? undefined : routes.partition(line.home);
    const own = office.epochOf(letter.partition);
    line.state = 'waiting';
    line.sentAt = clock.mono();
    if (route === undefined || own === undefined) return;
    line.state = 'sent';
    line.to = route.server;
    const { partition, epoch, server } = route;
    const frame: Frame = { t: 'letter', by: [letter.partition, own], partition, epoch, letter };
    mesh.send(server, 'post', frame);
  }

  /** One timer for all lines, only while there are any. */
  #watch(): void {
    if (this.#closed || this.#lines.size === 0) return;
    this.#timer ??= this.#options.clock.after(this.#retry / 5, () => {
      this.#timer = undefined;
      const late = this.#options.clock.mono() - this.#retry;
      for (const line of this.#lines.values())
        if (line.state !== 'settling' && line.sentAt <= late) this.#send(line);
      this.#watch();
    });
  }

  #receive(from: Peer, frame: Frame): void {
    const { office, mesh, routes, count } = this.#options;
    if (routes.epoch(frame.by[0]) > frame.by[1]) {
      count?.('stale-frame');
      return;
    }
    if (frame.t === 'pass') {
      if (office.serves(frame.partition, frame.epoch))
        office.arrive(frame.partition, frame.recipient, frame.stanza);
      else mesh.send(from, 'post', { t: 'missed', by: frame.by, stanza: frame.stanza } satisfies Frame);
      return;
    }
    if (frame.t === 'missed') {
      office.lost(frame.stanza);
      return;
    }
    if (frame.t === 'letter') {
      // Nothing is answered for a partition that is not ours: the sender asks again where it is served then.
      if (!office.serves(frame.partition, frame.epoch)) return;
      const { letter, partition, epoch } = frame;
      office.take(frame.partition, letter, (settlement, answer) =>
        mesh.send(from, 'post', {
          t: 'settle',
          by: [partition, epoch],
          line: lineOf(letter),
          id: letter.id,
          settlement,
          ...(answer === undefined ? {} : { answer }),
        } satisfies Frame),
      );
      return;
    }
    const line = this.#lines.get(frame.line);
    const letter = line?.letters[0];
    if (line === undefined || letter === undefined || letter.id !== frame.id || line.state === 'settling')
      return;
    this.#settled(line, letter, frame.settlement, frame.answer);
  }

  #settled(line: Line, letter: Letter, settlement: Settlement, answer?: Element): void {
    if (settlement === 'later') {
      line.state = 'waiting';
      return;
    }
    line.state = 'settling';
    const done = (stored: boolean) => {
      if (!stored) {
        line.state = 'waiting';
        return;
      }
      if (line.letters[0] !== letter) return;
      line.letters.shift();
      this.#count(letter, -1);
      if (line.letters.length === 0) this.#lines.delete(lineOf(letter));
      else this.#send(line);
    };
    this.#options.office.settle(letter, settlement, done, answer);
  }

  #peerGone(peer: Peer, returned: readonly Frame[]): void {
    for (const frame of returned) if (frame.t === 'pass') this.#options.office.lost(frame.stanza);
    for (const line of this.#lines.values())
      if (line.to === peer && line.state === 'sent') line.state = 'waiting';
  }

  /** One pass over all lines, however many partitions moved in this tick. */
  #routeChanged(partition: number): void {
    if (this.#moved === undefined) {
      const moved = (this.#moved = new Set<number>());
      this.#options.clock.soon(() => {
        this.#moved = undefined;
        for (const line of this.#lines.values())
          if (line.home !== undefined && moved.has(line.home) && line.state !== 'settling') this.#send(line);
      });
    }
    this.#moved.add(partition);
  }
}

function lineOf(letter: Pick<Letter, 'partition' | 'account' | 'recipient'>): string {
  return `${letter.partition} ${letter.account} ${letter.recipient}`;
}
