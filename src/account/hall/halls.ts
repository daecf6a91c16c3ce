import type { Timer } from '../../base/clock.ts';
import { fixed } from '../../base/fixed.ts';
import type { Seek, ToHall, ToRoom } from '../../link/rooms.ts';
import type { Peer } from '../../mesh/mesh.ts';
import type { Route } from '../../placement/routes.ts';
import { Jid } from '../../xmpp/jid.ts';
import type { Env } from '../env.ts';
import type { Partition } from '../partition.ts';
import { keep } from '../record.ts';
import type { Session } from '../session.ts';
import { forgetRoom, rememberRoom } from './directed.ts';
import { Hall, type Asked, type Floor } from './hall.ts';
import { feedOver, messageFeed, presenceFeed, unknown, type Stay } from './stay.ts';

/**
 * The halls of this server (hall.ts): one for each room in which a session of ours is. What a session's client knows of a
 * room lives in the mux's record (`Out`, feeds); `adopt` takes it up again under a new owner.
 */
export class Halls {
  readonly #env: Env;
  readonly #partitionAt: (id: number) => Partition | undefined;
  readonly #halls = new Map<string, Hall>();
  readonly #floor: Floor;
  /** Halls that have something to tell a room without an owner. */
  readonly #unheard = new Set<Hall>();
  #timer: Timer | undefined;
  #saving: Timer | undefined;

  constructor(env: Env, partitionAt: (id: number) => Partition | undefined) {
    this.#env = env;
    this.#partitionAt = partitionAt;
    this.#floor = {
      env,
      session: (jid) => this.#session(jid),
      adopt: (jid, room) => {
        const session = this.#session(jid);
        if (session !== undefined) this.adopt(session, true, room);
      },
      ask: (hall, frame) => this.#ask(hall, frame),
      in: (session, room, nick) => rememberRoom(session, room, nick),
      out: (room) => this.#tidy(room),
    };
    env.mesh.serve('hall', (from, frame) => this.#receive(from, frame as ToHall));
    env.mesh.onPeer((peer, state) => {
      if (state === 'up') this.#report((hall) => this.#route(hall)?.server === peer);
    });
    env.routes.onChange(({ partition }) => this.#report((hall) => hall.home === partition));
  }

  /**
   * A session lives here now whose client is in rooms already: it hears what it missed. `certain`: a room whose place in the
   * client is not known is asked, too. `sought`: one that believes it to be in, and that one alone.
   */
  adopt(session: Session, certain = false, sought?: string): void {
    const { places, ackedPlaces } = session;
    if (sought === undefined) session.places = session.ackedPlaces = undefined;
    let waits = false;
    for (const address of session.directed ?? []) {
      const occupant = this.#occupant(address);
      if (occupant === undefined || (sought !== undefined && occupant.bare !== sought)) continue;
      const pos = places?.get(messageFeed(occupant.bare));
      // Another mux may have had an older record of it, which came first.
      const stay = pos === undefined ? session.stays?.get(occupant.bare) : undefined;
      if (stay !== undefined) {
        this.#halls.get(occupant.bare)?.again(stay);
        continue;
      }
      // It has been told that it is out, and its mux has that.
      if (pos === undefined && occupant.bare !== sought && isLeaving(session, occupant.bare)) continue;
      // What brings it in is on its way, or comes again from its mux in a moment.
      if (pos === undefined && (!certain || isUnderWay(session, occupant.bare))) {
        waits = true;
        continue;
      }
      const hall = this.#hall(occupant.bare);
      const { message, presence } = hall.feeds;
      const sent = { pos: pos ?? unknown, v: places?.get(presence) ?? 0 };
      const acked = { pos: ackedPlaces?.get(message) ?? sent.pos, v: ackedPlaces?.get(presence) ?? sent.v };
      forgetPlace(places, hall.room);
      forgetPlace(ackedPlaces, hall.room);
      hall.adopt(session, occupant.resource, sent, acked);
      hall.introduce();
    }
    if (!waits) return;
    this.#env.clock.after(fixed.reportAgain.value, () => {
      if (!session.ended && !session.dormant && !session.partition.ended) this.adopt(session, true);
    });
  }

  /**
   * The same a moment later, for one that its client resumes at a new owner: what it says again comes first, that it comes
   * in again among it.
   */
  adoptLater(session: Session): void {
    this.#env.clock.after(fixed.reportAgain.value, () => {
      if (!session.ended && !session.dormant && !session.partition.ended) this.adopt(session);
    });
  }

  /**
   * Its client comes in, and so counts as out: what was thought of an earlier visit, and asked of the room, is over. Else the
   * answer would put it out of the new one.
   */
  returns(session: Session, room: string): void {
    forgetPlace(session.places, room);
    forgetPlace(session.ackedPlaces, room);
    const stay = session.stays?.get(room);
    if (stay === undefined || stay.known) return;
    this.#halls.get(room)?.drop(session);
    this.#tidy(room);
  }

  /** Its client knows that it is out: only then its record may forget that it was in (it may have to be told again). */
  left(session: Session, room: string): void {
    if (session.outs?.delete(room) === true && session.stays?.has(room) !== true) forgetRoom(session, room);
  }

  /** The session is over. */
  ended(session: Session): void {
    for (const room of session.stays?.keys() ?? []) {
      this.#halls.get(room)?.drop(session);
      this.#tidy(room);
    }
  }

  /** Nothing of this partition is ours any more. */
  forget(partition: Partition): void {
    for (const hall of this.#halls.values()) {
      for (const { session } of hall.stays.values()) if (session.partition === partition) hall.drop(session);
      this.#tidy(hall.room);
    }
  }

  /** The client acknowledged something: what was held back goes on. */
  pump(stays: ReadonlyMap<string, Stay>): void {
    for (const [room, stay] of stays) if (!stay.live) this.#halls.get(room)?.pump(stay);
    this.#saving ??= this.#env.clock.after(fixed.roomPlaces.value, () => {
      this.#saving = undefined;
      this.#save();
    });
  }

  close(): void {
    this.#timer?.cancel();
    this.#saving?.cancel();
    this.#halls.clear();
  }

  get size(): number {
    return this.#halls.size;
  }

  /** How far clients came, for their sessions' rows: read only where mux and owner died together. */
  #save(): void {
    const sessions = new Set<Session>();
    for (const { stays } of this.#halls.values())
      for (const stay of stays.values())
        if (stay.ackedPos !== stay.savedPos) {
          stay.savedPos = stay.ackedPos;
          sessions.add(stay.session);
        }
    for (const session of sessions) {
      keep(session);
      session.partition.touch(session);
    }
  }

  #hall(room: string): Hall {
    let hall = this.#halls.get(room);
    if (hall === undefined) this.#halls.set(room, (hall = new Hall(room, this.#floor)));
    return hall;
  }

  #tidy(room: string): void {
    const hall = this.#halls.get(room);
    if (hall === undefined || hall.stays.size > 0 || hall.reporting) return;
    this.#halls.delete(room);
    this.#unheard.delete(hall);
  }

  #session(jid: string): Session | undefined {
    const address = Jid.parse(jid);
    const account = address === undefined ? undefined : this.#account(address);
    const session = account?.session(address!.resource);
    return session === undefined || session.ended || session.dormant ? undefined : session;
  }

  #account(address: Jid): ReturnType<Partition['accounts']['peek']> {
    const home = this.#env.partitionOf(address.bare);
    return home === undefined ? undefined : this.#partitionAt(home)?.accounts.peek(address.bare);
  }

  /** The address of an occupant; undefined where it is no room's. */
  #occupant(address: string): Jid | undefined {
    const jid = Jid.parse(address);
    return jid !== undefined && jid.resource !== '' && this.#env.roomHosts?.has(jid.domain) === true
      ? jid
      : undefined;
  }

  #receive(from: Peer, frame: ToHall): void {
    const { routes, count } = this.#env;
    // Invariant 12.
    if (routes.epoch(frame.partition) > frame.epoch) {
      count('stale-frame');
      return;
    }
    if (frame.t === 'seek') {
      this.#seek(from, frame);
      return;
    }
    const begins = frame.t === 'mirror' || frame.t === 'enter';
    const hall = begins ? this.#hall(frame.room) : this.#halls.get(frame.room);
    hall?.hear(from, frame);
    // Behind one that nobody asked for somebody comes in.
    if (frame.t !== 'mirror' || frame.answers > 0) this.#tidy(frame.room);
  }

  /** The room has these sessions as its occupants, and nobody has spoken for them since it began. */
  #seek(from: Peer, { partition, epoch, room, run, jids }: Seek): void {
    const absent: { jid: string; epoch: number }[] = [];
    const found: string[] = [];
    for (const jid of jids) {
      const address = Jid.parse(jid);
      const home = address === undefined ? undefined : this.#env.partitionOf(address.bare);
      const served = home === undefined ? undefined : this.#partitionAt(home);
      // Another server's to answer; or ours in a moment.
      if (address === undefined || served?.serving !== true) continue;
      const account = served.accounts.peek(address.bare);
      const missing = { jid, epoch: served.epoch };
      if (account === undefined) {
        if (!served.dormant.has(address.bare) && !served.accounts.reads(address.bare)) absent.push(missing);
        continue;
      }
      const session = account.session(address.resource);
      if (session?.dormant === true) continue;
      if (session !== undefined && session.stays?.has(room) !== true) this.adopt(session, true, room);
      if (session?.stays?.has(room) === true) found.push(jid);
      // Its `directed` says so before its own unit is committed.
      else if (session === undefined || !isUnderWay(session, room)) absent.push(missing);
    }
    if (found.length > 0) this.#hall(room).sought(from, run, found);
    if (absent.length > 0)
      this.#env.mesh.send(from, 'room', {
        t: 'absent',
        partition,
        epoch,
        room,
        sessions: absent,
      } satisfies ToRoom);
  }

  // ── to the rooms ────────────────────────────────────────────────────────────────────────────────────────────────

  /** What is told is told again by whoever owns the room next: a report lost with its owner needs no memory. */
  #ask(hall: Hall, frame: Asked): void {
    const route = this.#route(hall);
    this.#watch(hall);
    if (route === undefined) return;
    const { partition, epoch, server } = route;
    this.#env.mesh.send(server, 'room', { ...frame, partition, epoch, room: hall.room } satisfies ToRoom);
  }

  #route({ home }: Hall): Route | undefined {
    return home === undefined ? undefined : this.#env.routes.partition(home);
  }

  #report(of: (hall: Hall) => boolean): void {
    for (const hall of this.#halls.values()) if (hall.stays.size > 0 && of(hall)) hall.report();
  }

  /** Asked again until the owner answers. */
  #watch(hall: Hall): void {
    this.#unheard.add(hall);
    this.#timer ??= this.#env.clock.after(fixed.reportAgain.value, () => {
      this.#timer = undefined;
      const unheard = [...this.#unheard];
      this.#unheard.clear();
      for (const one of unheard) {
        if (this.#halls.get(one.room) !== one) continue;
        // Also where nobody is in any more: somebody may come before the answer.
        if (one.reporting) one.report();
        else {
          one.introduce();
          one.askAgain();
        }
      }
    });
  }
}

function forgetPlace(places: Map<string, number> | undefined, room: string): void {
  places?.delete(messageFeed(room));
  places?.delete(presenceFeed(room));
}

/** What brings it in, or takes it out, may not be stored yet. */
function isUnderWay({ account }: Session, room: string): boolean {
  return !account.quiet || account.detoured(room);
}

function isLeaving({ unacked, outs }: Session, room: string): boolean {
  if (outs?.has(room) === true) return true;
  const feed = presenceFeed(room);
  for (const sent of unacked) if (sent.pos === feedOver && sent.feed === feed) return true;
  return false;
}
