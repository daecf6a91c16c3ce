/**
 * What the owner of a room and the servers of its occupants say to each other (DESIGN §8). Values only.
 *
 * A server with occupants has a mirror of the room, its *hall* (account/hall/): who is there, as they are to be shown, and
 * which of its own sessions are in. The owner tells it of each change once, whatever the number of its occupants.
 *
 * Two numbers order what is told, and both are stored with it: `pos` of a message, without gaps within a room, is its
 * archive id as well; `v` grows with each change of who is there. `run` names the object that speaks for the room: after
 * another one begins, because the room has a new owner or was read anew, a hall *reports* what it has, and is told what it
 * lacks; until then it hears nothing else.
 *
 * A *tail* is the text of a stanza behind its name, without `to`: a recipient's bytes differ in `to` only.
 */
export interface RoomHead {
  readonly partition: number;
  readonly epoch: number;
  /** Bare address of the room. */
  readonly room: string;
  readonly run: number;
}

/** How an occupant is shown to others, or that it is gone. */
export interface Shown {
  readonly nick: string;
  readonly v: number;
  readonly gone?: boolean;
  /** For everybody; and for who sees real addresses, where that is something else. */
  readonly open: string;
  readonly full?: string | undefined;
}

/** One session that is in the room. */
export interface Seat {
  /** Its full address. */
  readonly jid: string;
  readonly nick: string;
  /** Sees real addresses. */
  readonly sees: boolean;
  /** Where the room was when it came in. */
  readonly joined: number;
  /** Its own presence, as it is told at its entering (XEP-0045 §7.2.2, status 110). */
  readonly self: string;
}

/** A message that was said: its position and its tail. */
export type Said = readonly [pos: number, tail: string];

// ── to a hall (service `hall`) ──────────────────────────────────────────────────────────────────────────────────────

export type ToHall = Mirror | Seats | Enter | Leave | Show | Say | Past | Seek;

/**
 * The whole room, in parts; the first comes with `answers`: the number of the report that it answers, 0 for none. The hall
 * believes it with the last part. `seats`: all that the room knows at this server.
 */
export interface Mirror extends RoomHead {
  readonly t: 'mirror';
  readonly answers: number;
  readonly first: boolean;
  readonly last: boolean;
  readonly pos: number;
  readonly v: number;
  readonly subject: string;
  readonly seats: readonly Seat[];
  /** Who is there, and who went of late, in the order of `v`. */
  readonly shown: readonly Shown[];
}
/** Sessions that a hall has told of besides those of its report. */
export interface Seats extends RoomHead {
  readonly t: 'seats';
  readonly seats: readonly Seat[];
}
/** A session came in: it is shown everybody, itself, `history` and the subject, and then what comes behind `pos`. */
export interface Enter extends RoomHead {
  readonly t: 'enter';
  readonly seat: Seat;
  readonly history: readonly string[];
  readonly subject: string;
  readonly pos: number;
}
/** A session is out: `self` is the last that it hears. */
export interface Leave extends RoomHead {
  readonly t: 'leave';
  readonly jid: string;
  readonly self: string;
}
/** Something happened to an occupant. Its own sessions get `self` instead; `except`: who has been told already. */
export interface Show extends RoomHead {
  readonly t: 'show';
  readonly shown: Shown;
  readonly self: string;
  readonly except: string | undefined;
  /** Its sessions may see real addresses from here on. */
  readonly sees: boolean;
  /** It goes by this nickname from here on (XEP-0045 §7.6). */
  readonly renames?: string | undefined;
  /** Nobody but its own sessions is told. */
  readonly hidden?: boolean | undefined;
}
/** A message: to all, or to the sessions that are named. Without a place in the order (`pos` 0) nobody hears it later. */
export interface Say extends RoomHead {
  readonly t: 'say';
  readonly pos: number;
  readonly tail: string;
  readonly to?: readonly string[] | undefined;
}
/** What a session asked for: all that is kept up to a position. */
export interface Past extends RoomHead {
  readonly t: 'past';
  readonly jid: string;
  readonly said: readonly Said[];
  readonly upTo: number;
}
/** Are these sessions, of whom nobody has reported, still there? */
export interface Seek extends RoomHead {
  readonly t: 'seek';
  readonly jids: readonly string[];
}

// ── to a room (service `room`) ──────────────────────────────────────────────────────────────────────────────────────

export type ToRoom = Report | Absent | After;

interface Head {
  readonly partition: number;
  readonly epoch: number;
  readonly room: string;
}

/**
 * `epoch`: of its account's partition; where the room has heard of a higher one, this is said by who is its owner no more.
 * `lost`: what its client knows of the room is not known, so that it is told all of it.
 */
export interface Stayer {
  readonly jid: string;
  readonly epoch: number;
  readonly nick: string;
  readonly lost?: boolean | undefined;
}
/**
 * What a hall has, and who is in as far as it knows. The answer is a `mirror` with this number. With number 0 it tells only of
 * further sessions, whose owner has become another one; the answer is `seats`.
 */
export interface Report extends Head {
  readonly t: 'report';
  readonly number: number;
  readonly stays: readonly Stayer[];
}
/** These sessions, which the room sought, do not exist or are not in it. */
export interface Absent extends Head {
  readonly t: 'absent';
  readonly sessions: readonly Pick<Stayer, 'jid' | 'epoch'>[];
}
/** A session that was held back wants what was said behind `pos`. */
export interface After extends Head {
  readonly t: 'after';
  readonly jid: string;
  readonly pos: number;
}
