import type { Bare, Head } from '../../link/frames.ts';
import type {
  Absent,
  Enter,
  Leave,
  Mirror,
  Past,
  Say,
  Seat,
  Show,
  Shown,
  ToHall,
  ToRoom,
} from '../../link/rooms.ts';
import type { Peer } from '../../mesh/mesh.ts';
import type { Env } from '../env.ts';
import { hasSpace } from '../space.ts';
import type { Session } from '../session.ts';
import { catchUp } from './catchup.ts';
import { Crowd } from './crowd.ts';
import { addressed, Fan } from './fan.ts';
import { feedOver, messageFeed, presenceFeed, Stay, tailFor } from './stay.ts';

/** What a room is told. */
export type Asked = Bare<Exclude<ToRoom, Absent>, keyof Head | 'room'>;

/** How far a client came. */
interface Place {
  readonly pos: number;
  readonly v: number;
}

/** What a hall needs of the server that it is at. */
export interface Floor {
  readonly env: Env;
  /** The session of a full address, where it is here and lives. */
  session(jid: string): Session | undefined;
  /** A session that is in may have come here a moment ago, and what its client knows with it. */
  adopt(jid: string, room: string): void;
  /** Sends to the room's owner. */
  ask(hall: Hall, frame: Asked): void;
  /** The room says that a session is in, or out. */
  in(session: Session, room: string, nick: string): void;
  out(room: string): void;
}

/**
 * The mirror of a room at a server of its occupants (link/rooms.ts): whom it shows, and which sessions here are in.
 *
 * `reporting`: it has told the owner what it has and waits for the mirror; what else comes is for somebody who knew less.
 * Then changes come one by one, in order, because a channel keeps its order.
 */
export class Hall {
  readonly room: string;
  /** The room's partition. */
  readonly home: number | undefined;
  readonly feeds: { readonly message: string; readonly presence: string };
  readonly stays = new Map<string, Stay>();
  /** Who speaks for the room. */
  owner: Peer | undefined;
  run = 0;
  pos = 0;
  readonly crowd: Crowd;
  readonly #floor: Floor;
  /** The stays by their nicknames. */
  readonly #nicks = new Map<string, Set<Stay>>();
  /** Number of the report that is not answered; 0: none. */
  #reporting = 0;
  #reports = 0;
  /** Parts of a mirror that has not ended. */
  #parts: Mirror[] = [];

  constructor(room: string, floor: Floor) {
    this.room = room;
    this.crowd = new Crowd(room);
    this.feeds = { message: messageFeed(room), presence: presenceFeed(room) };
    this.#floor = floor;
    this.home = floor.env.partitionOf(room);
  }

  // ── the owner ───────────────────────────────────────────────────────────────────────────────────────────────────

  /** Tells the owner, who is new or knows less than there is, what is here. */
  report(): void {
    this.#reporting = ++this.#reports;
    this.#parts = [];
    const stays = [...this.stays.values()].map(({ session, nick, pos }) => ({
      jid: session.full,
      epoch: session.partition.epoch,
      nick,
      ...(pos < 0 ? { lost: true } : {}),
    }));
    this.#floor.ask(this, { t: 'report', number: this.#reporting, stays });
  }

  /** Tells of sessions that have come here: many may, one by one, when a partition changes hands. */
  introduce(): void {
    if (this.#telling) return;
    this.#telling = true;
    this.#floor.env.clock.soon(() => {
      this.#telling = false;
      // The answer to a report comes first.
      if (this.#reporting > 0) return;
      const fresh = [...this.stays.values()].filter((stay) => !stay.known);
      if (fresh.length === 0) return;
      if (this.owner === undefined || fresh.some(({ pos }) => pos < 0)) return this.report();
      const stays = fresh.map(({ session, nick }) => ({
        jid: session.full,
        epoch: session.partition.epoch,
        nick,
      }));
      this.#floor.ask(this, { t: 'report', number: 0, stays });
    });
  }
  #telling = false;

  /** The room asks for these sessions, which are here. */
  sought(from: Peer, run: number, jids: readonly string[]): void {
    if (this.#reporting > 0) return;
    if (from !== this.owner || run !== this.run) return this.report();
    for (const jid of jids) {
      const stay = this.stays.get(jid);
      if (stay !== undefined) stay.known = false;
    }
    this.introduce();
  }

  /** It was asked and has not answered. */
  get reporting(): boolean {
    return this.#reporting > 0;
  }

  hear(from: Peer, frame: ToHall): void {
    if (frame.t === 'mirror') return this.#mirror(from, frame);
    if (this.#reporting > 0) return;
    if (from !== this.owner || frame.run !== this.run) {
      // It speaks for the room, and we have not met: what it says is of no use before we know where it stands.
      if (this.stays.size > 0 || frame.t === 'enter') this.report();
      return;
    }
    switch (frame.t) {
      case 'seats':
        for (const seat of frame.seats) this.#confirm(seat);
        return;
      case 'enter':
        return this.#enter(frame);
      case 'leave':
        return this.#leave(frame);
      case 'show':
        return this.#show(frame);
      case 'say':
        return this.#say(frame);
      case 'past':
        return this.#past(frame);
      default:
    }
  }

  #mirror(from: Peer, frame: Mirror): void {
    if (frame.answers !== this.#reporting) return;
    if (frame.first) this.#parts = [frame];
    else if (this.#parts[0]?.run === frame.run) this.#parts.push(frame);
    else return;
    if (!frame.last) return;
    const parts = this.#parts;
    this.#parts = [];
    this.#reporting = 0;
    this.owner = from;
    this.run = frame.run;
    this.pos = frame.pos;
    this.crowd.replace(
      parts.flatMap(({ shown }) => shown),
      frame.v,
    );
    const known = new Set<string>();
    for (const { seats } of parts)
      for (const seat of seats) {
        known.add(seat.jid);
        if (!this.stays.has(seat.jid)) this.#floor.adopt(seat.jid, this.room);
        const stay = this.stays.get(seat.jid);
        if (stay === undefined) {
          // Its `enter` came while we waited; or it was in under another owner, and its client may know anything.
          this.#begin(seat, { self: seat.self, history: [], subject: frame.subject }, seat.joined, 0);
          continue;
        }
        stay.asked = false;
        stay.past = [];
        if (seat.self !== '' && stay.pos < seat.joined) {
          this.#tellAll(stay, seat, frame.subject);
          continue;
        }
        stay.known = true;
        this.#seat(stay, seat);
      }
    for (const [jid, stay] of this.stays) {
      stay.live = false;
      if (known.has(jid)) this.pump(stay);
      // It came here since we reported, or is in no more: the room says which.
      else stay.known = false;
    }
    this.introduce();
  }

  // ── sessions ────────────────────────────────────────────────────────────────────────────────────────────────────

  /** A session that was in already, under another owner: up to where its client was sent everything, and acknowledged it. */
  adopt(session: Session, nick: string, { pos, v }: Place, acked: Place): void {
    const stay = new Stay(session, { nick, sees: false }, pos, v, v);
    stay.ackedPos = stay.savedPos = acked.pos;
    stay.ackedV = Math.max(0, acked.v);
    this.#add(stay);
  }

  /** It goes on from where it is; the room is asked where that is not known. */
  again(stay: Stay): void {
    if (stay.known) this.pump(stay);
    else this.introduce();
  }

  #add(stay: Stay): void {
    const { session } = stay;
    const before = this.stays.get(session.full);
    if (before !== undefined) this.#uncall(before);
    this.stays.set(session.full, stay);
    this.#call(stay, stay.nick);
    (session.stays ??= new Map()).set(this.room, stay);
  }

  /** The session is over, here or altogether. */
  drop(session: Session): void {
    const stay = this.stays.get(session.full);
    if (stay?.session === session) {
      this.stays.delete(session.full);
      this.#uncall(stay);
    }
    session.stays?.delete(this.room);
    if (session.stays?.size === 0) session.stays = undefined;
  }

  /** It goes by this nickname. */
  #call(stay: Stay, nick: string): void {
    this.#uncall(stay);
    stay.nick = nick;
    const same = this.#nicks.get(nick);
    if (same === undefined) this.#nicks.set(nick, new Set([stay]));
    else same.add(stay);
  }

  #uncall(stay: Stay): void {
    const same = this.#nicks.get(stay.nick);
    same?.delete(stay);
    if (same?.size === 0) this.#nicks.delete(stay.nick);
  }

  /** The room knows a session that was introduced. */
  #confirm(seat: Seat): void {
    const stay = this.stays.get(seat.jid);
    if (stay === undefined || stay.known) return;
    stay.known = true;
    this.#seat(stay, seat);
    this.pump(stay);
  }

  #seat(stay: Stay, { nick, sees, joined }: Seat): void {
    this.#call(stay, nick);
    stay.sees = sees;
    if (stay.pos >= joined) return;
    // What is known of it is about an earlier visit: nobody has told its client of this one.
    stay.pos = -1;
    stay.known = false;
    this.introduce();
  }

  /** Its client may know anything, or nothing: it is told as if it came in, and who has gone as well. */
  #tellAll({ session }: Stay, seat: Seat, subject: string): void {
    const stay = new Stay(session, seat, seat.joined, 0, 0);
    stay.known = true;
    stay.entering = { self: seat.self, history: [], subject };
    stay.ackedPos = stay.savedPos = -1;
    this.#add(stay);
  }

  #enter({ seat, history, subject, pos }: Enter): void {
    // Who enters again has lost what it knew (XEP-0045 §7.2): it is told everything, and no departures.
    this.#begin(seat, { self: seat.self, history, subject }, pos, this.crowd.v);
  }

  #begin(
    seat: Enter['seat'],
    entering: { readonly self: string; readonly history: readonly string[]; readonly subject: string },
    pos: number,
    from: number,
  ): void {
    const session = this.#floor.session(seat.jid);
    if (session === undefined) return;
    const stay = new Stay(session, seat, pos, 0, from);
    stay.known = true;
    stay.entering = entering;
    stay.ackedPos = stay.savedPos = -1;
    this.#add(stay);
    this.#floor.in(session, this.room, seat.nick);
    this.pump(stay);
  }

  #leave({ jid, self }: Leave): void {
    const stay = this.stays.get(jid);
    if (stay === undefined) return;
    const { session } = stay;
    this.drop(session);
    (session.outs ??= new Set()).add(this.room);
    session.send(addressed('presence', session, self), 0, this.feeds.presence, feedOver);
    this.#floor.out(this.room);
  }

  // ── what happens ────────────────────────────────────────────────────────────────────────────────────────────────

  #show({ shown, self, except, sees, renames, hidden }: Show): void {
    const { nick, v } = shown;
    this.crowd.v = Math.max(this.crowd.v, v);
    const own = this.#nicks.get(nick);
    const learning = [...(own ?? [])].filter((stay) => sees && !stay.sees);
    for (const stay of own ?? []) stay.sees = sees;
    if (hidden !== true) this.#showOthers(shown, except);
    for (const stay of own ?? []) {
      const { session } = stay;
      if (!stay.live || session.full === except) continue;
      stay.v = stay.told = v;
      session.send(addressed('presence', session, self), 0, this.feeds.presence, v);
    }
    for (const stay of learning) this.#reveal(stay);
    if (renames !== undefined) for (const stay of [...(own ?? [])]) this.#call(stay, renames);
  }

  #showOthers(shown: Shown, except: string | undefined): void {
    const { nick, v } = shown;
    const { env } = this.#floor;
    this.crowd.put(shown);
    const open = new Fan(env, 'presence', shown.open, this.feeds.presence, v);
    const full =
      shown.full === undefined ? open : new Fan(env, 'presence', shown.full, this.feeds.presence, v);
    const idle: Stay[] = [];
    for (const stay of this.stays.values()) {
      if (!stay.live || stay.nick === nick || stay.session.full === except || this.#hold(stay)) continue;
      stay.v = v;
      if (stay.session.lull === undefined) (stay.sees ? full : open).add(stay.session);
      else idle.push(stay);
    }
    open.send();
    if (full !== open) full.send();
    for (const stay of idle) this.#showLater(stay, shown);
  }

  /** It may see real addresses now (XEP-0045 §8): it is shown everybody once more, and who has gone since it was told last. */
  #reveal(stay: Stay): void {
    stay.from = Math.max(stay.from, stay.v);
    stay.v = 0;
    stay.live = false;
    this.pump(stay);
  }

  /** Its client is not looking (XEP-0352); but what says more than who is there is not held back. */
  #showLater(stay: Stay, shown: Shown): void {
    const { session } = stay;
    const text = addressed('presence', session, tailFor(shown, stay));
    if (shown.open.includes('<status')) session.send(text, 0, this.feeds.presence, shown.v);
    else session.sendLater(`${this.room}/${shown.nick}`, text);
  }

  #say({ pos, tail, to }: Say): void {
    const { env } = this.#floor;
    const fan = new Fan(env, 'message', tail, pos === 0 ? undefined : this.feeds.message, pos);
    if (pos > 0) this.pos = pos;
    const behind: Stay[] = [];
    if (to === undefined)
      for (const stay of this.stays.values()) {
        if (!stay.live || (pos > 0 && pos <= stay.pos) || this.#hold(stay)) continue;
        // Something is missing: it asks for that first (DESIGN §8).
        if (pos > stay.pos + 1) {
          stay.live = false;
          behind.push(stay);
          continue;
        }
        if (pos > 0) stay.pos = pos;
        fan.add(stay.session);
      }
    else
      for (const jid of to) {
        const stay = this.stays.get(jid);
        if (stay !== undefined && stay.entering === undefined) fan.add(stay.session);
      }
    fan.send();
    for (const stay of behind) this.pump(stay);
  }

  #past({ jid, said, upTo }: Past): void {
    const stay = this.stays.get(jid);
    if (stay === undefined || !stay.asked) return;
    stay.asked = false;
    stay.past = said.filter(([pos]) => pos > stay.pos);
    // Nothing is kept that was between: there is nothing to wait for.
    if (stay.past.length === 0) stay.pos = Math.max(stay.pos, upTo);
    this.pump(stay);
  }

  /** The client owes too much: it gets what comes when it has acknowledged. */
  #hold(stay: Stay): boolean {
    if (hasSpace(stay.session)) return false;
    stay.live = false;
    return true;
  }

  // ── catching up ─────────────────────────────────────────────────────────────────────────────────────────────────

  /** Goes on with a session that is not live, as far as its client lets it. */
  pump(stay: Stay): void {
    const { session } = stay;
    if (stay.live || !stay.known || this.#reporting > 0 || session.ended || session.dormant) return;
    if (catchUp(this, stay)) stay.live = true;
    else session.want();
  }

  /** It wants what was said behind its position. */
  askAfter(stay: Stay): void {
    stay.asked = true;
    this.#floor.ask(this, { t: 'after', jid: stay.session.full, pos: stay.pos });
  }

  /** What was asked of an owner that went, or could not read it, is asked once more. */
  askAgain(): void {
    for (const stay of this.stays.values()) {
      if (stay.live) continue;
      stay.asked = false;
      this.pump(stay);
    }
  }
}
