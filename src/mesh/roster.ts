import type { Clock } from '../base/clock.ts';
import { fixed } from '../base/fixed.ts';
import type { Log } from '../base/log.ts';
import type { Member, Peer, Versions } from './mesh.ts';
import { inbox, type End, type Side } from './subjects.ts';

/** What a beacon says beside its subject: JSON. */
interface Beacon {
  readonly versions: Versions;
  readonly roles: readonly string[];
  readonly health?: string | undefined;
  readonly files?: string | undefined;
}

export type Heard = 'beacon-refused' | 'version-refused';

export interface RosterOptions {
  readonly self: End;
  readonly clock: Clock;
  readonly log: Log;
  readonly versions: Versions;
  /** Milliseconds. */
  readonly silence: number;
  readonly count: (event: Heard) => void;
}

/** One that is there, and its subjects. */
export interface Entry {
  readonly member: Member;
  readonly side: Side;
  /** For packets to it, and from it. */
  readonly to: string;
  readonly from: string;
}

interface Kept extends Entry {
  body: string;
  /** Monotonic time. */
  heard: number;
}

/**
 * Who is there, from the beacons of all. Present from the first beacon; gone with `bye`, or after 5 s of silence in which
 * this process could hear others (invariant 7): whoever calls `fresh` gives everybody as long again.
 */
export class Roster {
  readonly #options: RosterOptions;
  readonly #entries = new Map<Peer, Kept>();
  readonly #bySubject = new Map<string, Kept>();
  /** Sides of those who left, for who looks for them. */
  readonly #former = new Map<Peer, Side>();
  /** Whom the log has named already. */
  readonly #named = new Set<Peer>();
  #members: readonly Member[] = [];

  constructor(options: RosterOptions) {
    this.#options = options;
  }

  get members(): readonly Member[] {
    return this.#members;
  }

  find(peer: Peer): Entry | undefined {
    return this.#entries.get(peer);
  }

  /** Whose packets come on this subject: nobody's, unless it is there and of the side that the subject says. */
  sender(subject: string): Peer | undefined {
    return this.#bySubject.get(subject)?.member.peer;
  }

  /** Of one that is there or was. */
  side(peer: Peer): Side | undefined {
    return this.#entries.get(peer)?.side ?? this.#former.get(peer);
  }

  /** It repeats what is known of it. */
  again({ side, peer }: End, body: string): boolean {
    const known = this.#entries.get(peer);
    if (known?.side !== side || known.body !== body) return false;
    known.heard = this.#options.clock.mono();
    return true;
  }

  /** A beacon or a farewell. True where somebody came, went or told something new; `new`: it has not heard of us either. */
  hear(end: End, body: string): 'new' | 'changed' | undefined {
    const { self } = this.#options;
    if (end.peer === self.peer || this.again(end, body)) return undefined;
    const before = this.#entries.get(end.peer);
    // The server vouches for the side: who says it is a mux cannot take an owner's name, nor say farewell for it.
    if (before !== undefined && before.side !== end.side && end.side === 'm')
      return this.#refuse(end, 'side');
    if (body === farewell) return before === undefined ? undefined : this.#leave(before);
    const beacon = read(body);
    if (beacon === undefined) return this.#refuse(end, 'shape');
    const { oldest, newest } = beacon.versions;
    const { versions } = this.#options;
    if (newest < versions.oldest || oldest > versions.newest) {
      this.#options.count('version-refused');
      this.#name(end.peer, { versions: beacon.versions, ours: versions }, 'speaks a version that we do not');
      return before === undefined ? undefined : this.#leave(before);
    }
    if (before === undefined && this.#entries.size >= fixed.meshMembers.value)
      return this.#refuse(end, 'number');
    if (before !== undefined) this.#bySubject.delete(before.from);
    this.#enter(end, beacon, body);
    return before === undefined ? 'new' : 'changed';
  }

  /** Forgets those who were silent for too long. True where there were any. */
  sweep(): boolean {
    const limit = this.#options.clock.mono() - this.#options.silence;
    const silent = [...this.#entries.values()].filter(({ heard }) => heard <= limit);
    for (const entry of silent) this.#leave(entry);
    return silent.length > 0;
  }

  /** Nobody could be heard for a while: their silence begins now. */
  fresh(): void {
    const now = this.#options.clock.mono();
    for (const entry of this.#entries.values()) entry.heard = now;
  }

  #enter({ side, peer }: End, beacon: Beacon, body: string): void {
    const { self, clock } = this.#options;
    const roles = side === 'm' ? ['mux'] : beacon.roles;
    const { health, files } = beacon;
    const member = { peer, roles, health, ...(files !== undefined && { files }) };
    const to = inbox({ side, peer }, self);
    const from = inbox(self, { side, peer });
    const entry = { member, side, to, from, body, heard: clock.mono() };
    this.#entries.set(peer, entry);
    this.#bySubject.set(from, entry);
    this.#former.delete(peer);
    this.#list();
  }

  #leave({ member: { peer }, from, side }: Kept): 'changed' {
    this.#entries.delete(peer);
    this.#bySubject.delete(from);
    this.#former.set(peer, side);
    for (const oldest of this.#former.keys()) {
      if (this.#former.size <= fixed.meshDismissed.value) break;
      this.#former.delete(oldest);
    }
    this.#list();
    return 'changed';
  }

  #list(): void {
    this.#members = [...this.#entries.values()].map(({ member }) => member);
  }

  #refuse(end: End, why: string): undefined {
    this.#options.count('beacon-refused');
    this.#name(end.peer, { why }, 'is not heard');
  }

  /** Once for each, and for so many: their names are their own choice. */
  #name(peer: Peer, fields: object, text: string): void {
    if (this.#named.has(peer) || this.#named.size >= fixed.meshMembers.value) return;
    this.#named.add(peer);
    this.#options.log.warn({ ...fields, peer: peer.slice(0, 200) }, `a process on the mesh ${text}`);
  }
}

/** The last word of a process that ends in order. */
export const farewell = '"bye"';

/** What a process repeats of itself. */
export function beaconOf({ roles, health, files }: Member, { oldest, newest }: Versions): string {
  return JSON.stringify({ versions: { oldest, newest }, roles, health, files } satisfies Beacon);
}

function read(body: string): Beacon | undefined {
  if (body.length > 4096) return undefined;
  try {
    const { versions, roles, health, files } = JSON.parse(body) as Beacon;
    const good =
      Number.isSafeInteger(versions.oldest) &&
      Number.isSafeInteger(versions.newest) &&
      Array.isArray(roles) &&
      roles.every((role) => typeof role === 'string') &&
      (health === undefined || typeof health === 'string') &&
      (files === undefined || typeof files === 'string');
    return good ? { versions, roles, health, files } : undefined;
  } catch {
    return undefined;
  }
}
