import type { Said, Seat, Shown } from '../../link/rooms.ts';
import type { Session } from '../session.ts';

/** Where a session stands in a room. */
export interface Entering {
  /** Its own presence, what was said before, the subject: after everybody else's presence (XEP-0045 §7.1). */
  readonly self: string;
  readonly history: readonly string[];
  readonly subject: string;
}

/**
 * A session that is in a room. While it is *live* everything goes to it as it comes. It is not at its beginning, and when
 * its client owes acknowledgements for more than the soft limit: then `Hall.pump` goes on where it stopped, as the client
 * acknowledges.
 */
export class Stay {
  readonly session: Session;
  nick: string;
  sees: boolean;
  live = false;
  /** The room has said that it is in, and speaks to it here. */
  known = false;
  /** Its client has said that it goes. */
  leaving = false;
  /** What it still has to be told of its entering. */
  entering: Entering | undefined;
  /** It has been sent everything up to these (link/rooms.ts). */
  pos: number;
  v: number;
  /** Of its own presence it has heard up to this. */
  told = 0;
  /** Its client has acknowledged everything up to these; below 0: not even that it is in. */
  ackedPos: number;
  ackedV: number;
  /** What of it the session's row says. */
  savedPos: number;
  /** Departures below it are nothing to it: it was not in. */
  from: number;
  /** Asked for what is behind `pos`, and not answered. */
  asked = false;
  /** Answered, and not sent yet. */
  past: Said[] = [];

  constructor(session: Session, seat: Pick<Seat, 'nick' | 'sees'>, pos: number, v: number, from: number) {
    this.session = session;
    this.nick = seat.nick;
    this.sees = seat.sees;
    this.pos = this.ackedPos = this.savedPos = pos;
    this.v = this.ackedV = v;
    this.from = from;
  }

  /** What was sent on a link that is lost comes again: what its client has not acknowledged. */
  back(): void {
    this.pos = this.ackedPos;
    this.v = this.ackedV;
    this.live = this.asked = false;
    this.past = [];
    if (this.pos < 0) this.known = false;
  }

  /** Its client acknowledged what moved this feed. */
  acked(feed: string, position: number): void {
    if (feed.startsWith('m')) this.ackedPos = position;
    else this.ackedV = position;
  }
}

/** How somebody is shown to it. */
export function tailFor({ open, full }: Shown, { sees }: Stay): string {
  return sees ? (full ?? open) : open;
}

/** The room that a feed belongs to; undefined where it is none of a room. */
export function roomOf(feed: string): string | undefined {
  return feed.charCodeAt(1) === colon ? feed.slice(2) : undefined;
}
const colon = 0x3a;

/** Names of the feeds of a room (link/frames.ts, Out): its messages and its presence. */
export const messageFeed = (room: string): string => `m:${room}`;
export const presenceFeed = (room: string): string => `p:${room}`;
/** A position that ends both. */
export const feedOver = -1;
/** The client's place in a room is not known: it begins where the room says that it came in. */
export const unknown = -1;

/** Every room's feeds of a session, as pairs (link/frames.ts, Attach): as far as it was sent, or as its client acknowledged. */
export function placesOf(
  { stays, places, ackedPlaces }: Pick<Session, 'stays' | 'places' | 'ackedPlaces'>,
  what: 'sent' | 'acked',
): [string, number][] {
  const list: [string, number][] = [];
  for (const [feed, sent] of places ?? []) {
    const at = what === 'sent' ? sent : (ackedPlaces?.get(feed) ?? sent);
    if (at >= 0) list.push([feed, at]);
  }
  for (const [room, stay] of stays ?? []) {
    const [pos, v] = what === 'sent' ? [stay.pos, stay.v] : [stay.ackedPos, stay.ackedV];
    // Its client has not been told, or has not acknowledged, that it is in.
    if (pos < 0 || stay.entering !== undefined) continue;
    list.push([messageFeed(room), pos], [presenceFeed(room), v]);
  }
  return list;
}
