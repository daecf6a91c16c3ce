import { fixed } from '../base/fixed.ts';
import type { Bare } from '../link/frames.ts';
import type { Mirror, Past, Report, RoomHead, Say, Seat, Show, Shown, ToHall } from '../link/rooms.ts';
import type { Peer } from '../mesh/mesh.ts';
import { dismissal, faceOf, shownAs, tailOf, type Face } from './face.ts';
import type { Occupant, Room } from './room.ts';
import { subjectTail } from './subject.ts';

/** A server with occupants. */
interface Host {
  /** It has a mirror of the room, and is told of changes. */
  met: boolean;
  readonly jids: Set<string>;
}

type Untitled<Frame> = Bare<Frame, keyof RoomHead>;

/** Somebody who went of late: what others are told of it. */
interface Departure extends Shown {
  readonly jid: string;
  readonly hidden: boolean;
}

/**
 * The servers of a room's occupants, and what they are told (link/rooms.ts): each of everything once.
 *
 * A server is *met* when it was sent the whole room: because it reported, or because somebody of its own comes in. Those that
 * are not, after the room was read, are sought until they report, or say that whom we think there is not.
 */
export class Company {
  readonly #room: Room;
  readonly #hosts = new Map<Peer, Host>();
  /** Occupants of whom no server has said that they are there. */
  readonly #unheard = new Set<string>();
  /** By nickname, in the order of `v`. */
  readonly #departures = new Map<string, Departure>();
  /** How many there were, here or as rows in the store, since the older ones were forgotten; the middle of them. */
  #gone = 0;
  #middle = 0;
  /** Everything up to this position is stored, and whoever has met the room has been told of it. */
  told: number;
  readonly #faces = new Map<string, { readonly v: number; readonly shown: Shown }>();
  #seeking = false;

  constructor(room: Room) {
    this.#room = room;
    this.told = room.pos;
  }

  // ── who is where ────────────────────────────────────────────────────────────────────────────────────────────────

  came({ jid, nick, home }: Occupant): void {
    this.#departures.delete(nick);
    this.#faces.delete(nick);
    if (this.#hostOf(jid.full) !== undefined || home === undefined) return;
    const route = this.#room.partition.env.routes.partition(home);
    if (route === undefined) this.expect(jid.full);
    else this.#place(jid.full, route.server);
  }

  departed(jid: string, nick: string, v: number, open: string, shown: boolean): void {
    this.#hostOf(jid)?.jids.delete(jid);
    this.#unheard.delete(jid);
    if (this.#room.nicks.has(nick)) this.#age(v);
    else this.#remember({ jid, nick, v, gone: true, open, hidden: !shown });
  }

  /** It goes by another nickname: the old one is nobody's. */
  renamed({ nick, v, shown }: Occupant, open: string): void {
    this.#remember({ jid: '', nick, v, gone: true, open, hidden: !shown });
  }

  /** The session comes in again: how it went is nobody's from here on; undefined where nobody has to be told of that. */
  returned(jid: string, nick: string): Departure | undefined {
    for (const departure of this.#departures.values())
      if (departure.jid === jid && departure.nick !== nick) {
        this.#departures.set(departure.nick, { ...departure, jid: '' });
        return departure;
      }
    return undefined;
  }

  #remember(departure: Departure): void {
    const { nick, v } = departure;
    this.#faces.delete(nick);
    this.#departures.delete(nick);
    this.#departures.set(nick, departure);
    this.#age(v);
  }

  /** Many sessions may go by one nickname, and one session by many: of what both leave the newer half is kept. */
  #age(v: number): void {
    const half = fixed.departures.value / 2;
    this.#gone += 1;
    if (this.#gone <= half) this.#middle = v;
    if (this.#gone <= fixed.departures.value) return;
    for (const [nick, departure] of this.#departures)
      if (departure.v <= this.#middle) this.#departures.delete(nick);
    this.#room.partition.purge(this.#room, this.#middle);
    this.#gone = half;
    this.#middle = v;
  }

  /** How somebody who is in is told that it goes: call what it gives when that is so. */
  farewell(jid: string): (self: string) => void {
    for (const [peer, host] of this.#hosts)
      if (host.jids.has(jid))
        // Whom nobody has reported yet is told when somebody does.
        return (self) => host.met && this.#send(peer, { t: 'leave', jid, self });
    return () => {};
  }

  /** Nobody has said yet that it is there. */
  expect(jid: string): void {
    this.#unheard.add(jid);
    this.watch();
  }

  /** A server has gone. */
  lost(peer: Peer): void {
    const host = this.#hosts.get(peer);
    if (host === undefined) return;
    this.#hosts.delete(peer);
    for (const jid of host.jids) this.expect(jid);
  }

  /** What speaks for it was its owner once, and does not know better (invariant 12). */
  isStale({ home, heard }: Occupant, epoch: number): boolean {
    const { routes } = this.#room.partition.env;
    return epoch < Math.max(heard, home === undefined ? 0 : routes.epoch(home));
  }

  #hostOf(jid: string): Host | undefined {
    for (const host of this.#hosts.values()) if (host.jids.has(jid)) return host;
    return undefined;
  }

  #place(jid: string, peer: Peer): void {
    this.#hostOf(jid)?.jids.delete(jid);
    let host = this.#hosts.get(peer);
    if (host === undefined) this.#hosts.set(peer, (host = { met: false, jids: new Set() }));
    host.jids.add(jid);
  }

  /** Seeks those who have not been heard of, until they are. */
  watch(): void {
    const { partition } = this.#room;
    if (this.#seeking) return;
    this.#seeking = true;
    partition.env.clock.after(fixed.seekAgain.value, () => {
      this.#seeking = false;
      if (this.#room.dead || this.#room.removed || partition.ended) return;
      this.#seek();
      if (this.#unheard.size > 0) this.watch();
    });
  }

  #seek(): void {
    const { routes } = this.#room.partition.env;
    const wanted = new Map<Peer, string[]>();
    for (const jid of this.#unheard) {
      const home = this.#room.occupants.get(jid)?.home;
      const peer = home === undefined ? undefined : routes.partition(home)?.server;
      if (peer === undefined) continue;
      const list = wanted.get(peer);
      if (list === undefined) wanted.set(peer, [jid]);
      else list.push(jid);
    }
    for (const [peer, jids] of wanted) this.#send(peer, { t: 'seek', jids });
  }

  /**
   * A hall says what it has: what it is to be told of the room as it is now, with what is still in the lane. Call what it
   * gives behind that, for then it is so, and what happens later is told later.
   */
  report(from: Peer, { number, stays }: Report): () => void {
    const known = new Set<string>();
    const strangers: Report['stays'][number][] = [];
    for (const stay of stays) {
      const occupant = this.#room.occupants.get(stay.jid);
      if (occupant === undefined) {
        strangers.push(stay);
        continue;
      }
      if (this.isStale(occupant, stay.epoch)) continue;
      occupant.heard = stay.epoch;
      this.#place(stay.jid, from);
      this.#unheard.delete(stay.jid);
      if (stay.lost !== true) known.add(stay.jid);
    }
    const host = this.#hosts.get(from);
    const met = host?.met === true;
    if (host !== undefined) host.met = true;
    const whole = number > 0 || (host !== undefined && !met);
    const frames = whole ? this.#mirror(host?.jids ?? [], number, known) : [];
    if (number === 0) {
      const occupants = [...known].flatMap((jid) => this.#room.occupants.get(jid) ?? []);
      frames.push({ t: 'seats', seats: occupants.map((occupant) => this.#seat(occupant, '')) });
    }
    for (const { jid, nick } of strangers) frames.push({ t: 'leave', jid, self: this.#lastWord(jid, nick) });
    return () => frames.forEach((frame) => this.#send(from, frame));
  }

  /** What somebody is told who believes to be in and is not. */
  #lastWord(jid: string, nick: string): string {
    for (const departure of this.#departures.values())
      if (departure.jid === jid)
        return departure.open.replace(/<\/x><\/presence>$/, '<status code="110"/></x></presence>');
    return tailOf(dismissal(this.#room.address, nick));
  }

  // ── what is told ────────────────────────────────────────────────────────────────────────────────────────────────

  /** To every server that has met the room. */
  #tell(frame: Untitled<Show> | Untitled<Say>): void {
    for (const [peer, { met, jids }] of this.#hosts) {
      if (jids.size === 0) this.#hosts.delete(peer);
      else if (met) this.#send(peer, frame);
    }
  }

  #send(peer: Peer, frame: Untitled<ToHall>): void {
    const { address: room, run, partition } = this.#room;
    const { env, id, epoch } = partition;
    // Invariant 12.
    if (partition.ended) return;
    env.mesh.send(peer, 'hall', { ...frame, partition: id, epoch, room, run });
  }

  say(pos: number, tail: string, to?: readonly string[]): void {
    if (pos > 0) this.told = pos;
    this.#tell({ t: 'say', pos, tail, ...(to === undefined ? {} : { to }) });
  }

  /** `face` is how it is shown from now on; of who is not to be shown only its own sessions hear. */
  show(
    occupant: Occupant,
    face: Face,
    how: { readonly gone?: boolean; readonly except?: string; readonly renames?: string } = {},
  ): void {
    const { nick, v } = occupant;
    const shown = shownAs(nick, v, face, how.gone === true);
    const frame: Untitled<Show> = {
      t: 'show',
      shown,
      self: face.self,
      except: how.except,
      sees: seesAddresses(this.#room, occupant),
      renames: how.renames,
    };
    if (occupant.shown) {
      // It may have gone since, or have another name: the face would be nobody's.
      if (how.gone !== true && this.#room.nicks.has(nick)) this.#faces.set(nick, { v, shown });
      this.#tell(frame);
      return;
    }
    const own = new Set<Host | undefined>();
    for (const { jid } of this.#room.nicks.get(nick) ?? [occupant]) {
      const host = this.#hostOf(jid.full);
      if (host !== undefined && !own.has(host)) this.#toOne(jid.full, { ...frame, hidden: true });
      own.add(host);
    }
  }

  enter(occupant: Occupant, face: Face, history: readonly string[]): void {
    const { jid, joined } = occupant;
    const seat = this.#seat(occupant, face.self);
    this.#toOne(jid.full, {
      t: 'enter',
      seat,
      history,
      subject: subjectTail(this.#room),
      pos: joined,
    });
  }

  past(from: Peer, jid: string, said: Past['said'], upTo: number): void {
    this.#send(from, { t: 'past', jid, said, upTo });
  }

  /** Where the server of who comes in has not met the room, it is sent that first. The same as for `report`. */
  meet(jid: string): () => void {
    for (const [peer, host] of this.#hosts) {
      if (!host.jids.has(jid) || host.met) continue;
      host.met = true;
      const frames = this.#mirror(host.jids, 0, new Set([jid]));
      return () => frames.forEach((frame) => this.#send(peer, frame));
    }
    return () => {};
  }

  /** To the server of one occupant. One that has not met the room hears of it when it reports. */
  #toOne(jid: string, frame: Untitled<ToHall>): void {
    for (const [peer, host] of this.#hosts) if (host.met && host.jids.has(jid)) this.#send(peer, frame);
  }

  /** `reported`: sessions whose own presence need not be told. */
  #mirror(jids: Iterable<string>, answers: number, reported: ReadonlySet<string>): Untitled<ToHall>[] {
    const frames: Untitled<ToHall>[] = [];
    const { pos, v, occupants } = this.#room;
    let seats: Seat[] = [];
    let shown: Shown[] = [];
    let size = 0;
    let first = true;
    const part = (last: boolean) => {
      const frame: Untitled<Mirror> = {
        t: 'mirror',
        answers,
        first,
        last,
        pos,
        v,
        subject: last || first ? subjectTail(this.#room) : '',
        seats,
        shown,
      };
      frames.push(frame);
      [seats, shown, size, first] = [[], [], 0, false];
    };
    const grow = (bytes: number) => {
      size += bytes;
      if (size > fixed.mirrorPart.value) part(false);
    };
    for (const one of this.#everybody()) {
      shown.push(one);
      grow(one.open.length + (one.full?.length ?? 0));
    }
    for (const jid of jids) {
      const occupant = occupants.get(jid);
      if (occupant === undefined || (answers === 0 && reported.has(jid))) continue;
      const self = reported.has(jid) ? '' : faceOf(this.#room, occupant).self;
      seats.push(this.#seat(occupant, self));
      grow(self.length + jid.length);
    }
    part(true);
    return frames;
  }

  /** Whoever is shown, and who went of late, in the order of `v`. */
  #everybody(): Shown[] {
    const all: Shown[] = [];
    for (const [nick, occupants] of this.#room.nicks) {
      const occupant = newest(occupants);
      if (!occupant.shown) continue;
      let face = this.#faces.get(nick);
      if (face === undefined || face.v !== occupant.v) {
        face = {
          v: occupant.v,
          shown: shownAs(nick, occupant.v, faceOf(this.#room, occupant), false),
        };
        this.#faces.set(nick, face);
      }
      all.push(face.shown);
    }
    for (const { jid: _jid, hidden, ...shown } of this.#departures.values()) if (!hidden) all.push(shown);
    return all.toSorted((a, b) => a.v - b.v);
  }

  #seat(occupant: Occupant, self: string): Seat {
    const { jid, nick, joined } = occupant;
    return { jid: jid.full, nick, joined, sees: seesAddresses(this.#room, occupant), self };
  }

  /** What is shown of everybody has changed (config.ts, whois). */
  forgetFaces(): void {
    this.#faces.clear();
  }

  /**
   * Every server is to be told the whole room anew, as it is shown now; its sessions hear what they have not heard. The same
   * as for `report`.
   */
  retell(): () => void {
    const all = [...this.#hosts].flatMap(([peer, { met, jids }]) =>
      met ? this.#mirror(jids, 0, new Set()).map((frame) => ({ peer, frame })) : [],
    );
    return () => all.forEach(({ peer, frame }) => this.#send(peer, frame));
  }
}

/** The one that a nickname is shown by, where several sessions go by it. */
export function newest(occupants: readonly Occupant[]): Occupant {
  return occupants.reduce((best, one) => (one.v > best.v ? one : best));
}

function seesAddresses({ config }: Room, { role }: Occupant): boolean {
  return config.whois === 'anyone' || role === 'moderator';
}
