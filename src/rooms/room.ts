import { createHmac } from 'node:crypto';
import { Bucket } from '../base/bucket.ts';
import { fixed } from '../base/fixed.ts';
import type { Party, Joint, Origin } from '../entity/joint.ts';
import { domainOf } from '../placement/placement.ts';
import { Jid } from '../xmpp/jid.ts';
import type { Element } from '../xmpp/element.ts';
import { parseStored } from '../xmpp/parser.ts';
import { textOf } from '../xmpp/serialise.ts';
import { readConfig, writeConfig, type Config, type Hat } from './config.ts';
import { Company } from './company.ts';
import {
  memberRows,
  messageRows,
  occupantRows,
  roomRows,
  type MemberRow,
  type MessageRow,
  type OccupantRow,
  type RoomRow,
} from './rows.ts';
import { Paces } from './pace.ts';
import type { Partition } from './partition.ts';
import { type Affiliation, type Role } from './standing.ts';

/** Somebody whom the room knows, whether there or not. */
export interface Member {
  readonly affiliation: Affiliation;
  /** Registered (XEP-0045 §7.10); '' for none. */
  readonly nick: string;
  readonly reason: string;
  /** XEP-0317; undefined for none. */
  readonly hats?: readonly Hat[] | undefined;
}

/** One session that is in. Several of one account may go by one nickname (XEP-0045 §7.2). */
export interface Occupant {
  readonly jid: Jid;
  nick: string;
  role: Role;
  /** Others are told of it (config.ts, broadcast). */
  shown: boolean;
  v: number;
  /** The stanza that brought it in. */
  source: number;
  n: number;
  /** The room's position then. */
  joined: number;
  /** Milliseconds since the epoch. */
  readonly since: number;
  /** The partition of its account. */
  readonly home: number | undefined;
  /** The highest epoch of that partition in which anybody spoke for it here; 0: nobody has. */
  heard: number;
  /** What its client says of itself. */
  presence: Element;
}

/** What is said of the room as a whole (XEP-0045 §8.1). */
export interface Subject {
  readonly nick: string;
  /** Its `<subject/>` elements, as a message without `to`. */
  readonly xml: string;
  /** Milliseconds since the epoch. */
  readonly sent: number;
}

/** All that is read of a room. */
export interface Read {
  readonly row: RoomRow;
  readonly members: readonly MemberRow[];
  readonly occupants: readonly OccupantRow[];
  /** The newest first. */
  readonly recent: readonly MessageRow[];
}

/**
 * A room at its owner: everything of it but its archive is in memory. A change is made here and in the ops of a unit in one
 * step; where the unit cannot be stored, this object is dead and another is read. Verbs and features have files of their
 * own; here is only what keeps memory and rows the same.
 */
export class Room implements Party {
  readonly partition: Partition;
  readonly id: number;
  readonly address: string;
  readonly creator: string;
  /** Names this object to the halls (link/rooms.ts). */
  readonly run: number;
  config: Config;
  /** Nobody but its creator gets in before it is configured (XEP-0045 §10.1). */
  locked: boolean;
  subject: Subject | undefined;
  readonly members = new Map<string, Member>();
  /** Bare addresses by registered nickname. */
  readonly registered = new Map<string, string>();
  /** By full address. */
  readonly occupants = new Map<string, Occupant>();
  readonly nicks = new Map<string, Occupant[]>();
  /** Position of the newest message. */
  pos: number;
  /** Number of the newest change of who is there. */
  v: number;
  /** The newest messages, the newest last. */
  readonly recent: MessageRow[];
  /** The newest stanza of a source that was said here, as far as it has been asked for. */
  readonly heard = new Map<number, number>();
  /** The servers of its occupants. */
  readonly company: Company;
  readonly bucket: Bucket;
  /** How fast each account speaks, and comes in or changes. */
  readonly words: Paces;
  readonly moves: Paces;
  /** What was to be stored was not: another object speaks for the room. */
  dead = false;
  /** It is no more, or will not be in a moment. */
  removed = false;
  #open = 0;

  constructor(partition: Partition, { row, members, occupants, recent }: Read) {
    const { clock, limits } = partition.env;
    this.partition = partition;
    this.id = row.id;
    this.address = row.address;
    this.creator = row.creator;
    this.locked = row.locked === 1;
    this.config = readConfig(row.config);
    this.subject = row.subject === null ? undefined : (JSON.parse(row.subject) as Subject);
    this.recent = recent.toReversed();
    // Positions begin at the creation and go on from there: a room that is made again never uses one twice.
    this.pos = Math.max(row.created * 1000, recent[0]?.pos ?? 0);
    this.run = partition.env.newId();
    this.v = Math.max(clock.now() * 1000, row.created * 1000, (occupants.at(-1)?.v ?? 0) + 1);
    this.company = new Company(this);
    this.words = new Paces(this);
    this.moves = new Paces(this);
    const rate = limits.roomRate;
    this.bucket = new Bucket({ burst: rate * 2, perSecond: rate }, clock.mono());
    for (const { jid, affiliation, nick, reason, hats } of members) {
      this.members.set(jid, {
        affiliation: affiliation as Affiliation,
        nick,
        reason,
        ...(hats === null ? {} : { hats: JSON.parse(hats) as Hat[] }),
      });
      if (nick !== '') this.registered.set(nick, jid);
    }
    for (const one of occupants) {
      const jid = Jid.parse(one.jid)!;
      if (one.gone === 1) this.company.departed(jid.full, one.nick, one.v, one.xml, one.shown === 1);
      else {
        const { nick, v, source, n, joined, since } = one;
        const [role, shown, presence] = [one.role as Role, one.shown === 1, parseStored(one.xml)];
        const home = partition.env.partitionOf(jid.bare);
        this.#seat({
          jid,
          nick,
          role,
          shown,
          v,
          source,
          n,
          joined,
          since,
          home,
          heard: 0,
          presence,
        });
        this.company.expect(jid.full);
      }
    }
  }

  // ── the life of an entity ───────────────────────────────────────────────────────────────────────────────────────

  get quiet(): boolean {
    return this.#open === 0;
  }

  /** May be forgotten: whoever is in has to be spoken to. */
  get idle(): boolean {
    return !this.removed && this.#open === 0 && this.occupants.size === 0;
  }

  begin(): void {
    this.#open += 1;
  }

  end(): void {
    this.#open -= 1;
    if (this.#open === 0) this.partition.rested(this);
  }

  /** What was changed in memory is not stored: this object is over, and is read anew. */
  reset(): void {
    if (this.dead || this.removed) return;
    this.dead = true;
    this.partition.renew(this);
  }

  /** Behind what the room has in the lane. */
  inOrder(effect: () => void): void {
    if (this.quiet) effect();
    else this.partition.behind(this, effect);
  }

  // ── who is known ────────────────────────────────────────────────────────────────────────────────────────────────

  /** By bare address, else by domain (XEP-0045 §9.2). */
  affiliation({ bare, domain }: Jid): Affiliation {
    const own = this.members.get(bare)?.affiliation ?? 'none';
    return own === 'none' ? (this.members.get(domain)?.affiliation ?? 'none') : own;
  }

  setMember(unit: Joint, jid: string, member: Member): void {
    const { affiliation, nick, reason, hats } = member;
    const key = [this.partition.id, this.id, jid] as const;
    const before = this.members.get(jid)?.nick ?? '';
    if (before !== '' && this.registered.get(before) === jid) this.registered.delete(before);
    if (nick !== '') this.registered.set(nick, jid);
    if (affiliation === 'none' && nick === '' && hats === undefined) {
      if (this.members.delete(jid)) unit.write(memberRows.remove, [...key]);
      return;
    }
    this.members.set(jid, member);
    const worn = hats === undefined ? null : JSON.stringify(hats);
    unit.write(memberRows.put, [...key, affiliation, nick, reason, worn]);
  }

  /** Who has a nickname, being in or having registered it; the bare address. */
  holder(nick: string): string | undefined {
    const [there] = this.nicks.get(nick) ?? [];
    if (there !== undefined) return there.jid.bare;
    return this.registered.get(nick);
  }

  /** XEP-0421: the same for an account whenever it is in this room, and in no other. */
  occupantId({ bare }: Pick<Jid, 'bare'>): string {
    let id = this.#ids.get(bare);
    if (id === undefined) {
      const hmac = createHmac('sha256', this.partition.env.secret);
      id = hmac.update(`occupant ${this.id} ${bare}`).digest('base64url');
      // Every message asks.
      if (this.#ids.size > this.occupants.size * 2 + 100) this.#ids.clear();
      this.#ids.set(bare, id);
    }
    return id;
  }
  readonly #ids = new Map<string, string>();

  // ── who is there ────────────────────────────────────────────────────────────────────────────────────────────────

  nextV(): number {
    this.v = Math.max(this.v + 1, this.partition.env.clock.now() * 1000);
    return this.v;
  }

  /** Comes in, or changes: stored as it is now. */
  seat(unit: Joint, occupant: Occupant): void {
    // Its row said how it went by another nickname: that stays for those who may not have been told.
    const before = this.company.returned(occupant.jid.full, occupant.nick);
    if (before !== undefined)
      this.#writeGone(unit, { ...occupant, ...before, shown: !before.hidden }, before.open);
    this.#seat(occupant);
    this.#write(unit, occupant, false, textOf(occupant.presence));
  }

  #seat(occupant: Occupant): void {
    const { full } = occupant.jid;
    if (this.occupants.get(full) !== occupant) {
      this.#unseat(full);
      this.occupants.set(full, occupant);
      const same = this.nicks.get(occupant.nick);
      if (same === undefined) this.nicks.set(occupant.nick, [occupant]);
      else same.push(occupant);
    }
    this.company.came(occupant);
  }

  /** Under another nickname from here on. */
  rename(unit: Joint, occupant: Occupant, nick: string): void {
    this.#unseat(occupant.jid.full);
    occupant.nick = nick;
    this.#seat(occupant);
    this.#write(unit, occupant, false, textOf(occupant.presence));
  }

  /** Nobody goes by its old nickname any more: kept as if that had been a session of its own. */
  vacate(unit: Joint, before: Occupant, told: string): void {
    if (!this.nicks.has(before.nick)) this.#writeGone(unit, before, told);
  }

  #writeGone(unit: Joint, before: Omit<Occupant, 'jid'>, told: string): void {
    const jid = Jid.parse(`${this.address}/${before.nick}`)!;
    this.#write(unit, { ...before, jid }, true, told);
  }

  /** Goes; `self`: what it is told, kept for a while. */
  unseat(unit: Joint, occupant: Occupant, self: string): void {
    this.#unseat(occupant.jid.full);
    this.#write(unit, occupant, true, self);
    this.company.departed(occupant.jid.full, occupant.nick, occupant.v, self, occupant.shown);
  }

  #unseat(full: string): void {
    const occupant = this.occupants.get(full);
    if (occupant === undefined) return;
    this.occupants.delete(full);
    const same = this.nicks.get(occupant.nick)!.filter((one) => one !== occupant);
    if (same.length === 0) this.nicks.delete(occupant.nick);
    else this.nicks.set(occupant.nick, same);
  }

  #write(unit: Joint, occupant: Occupant, gone: boolean, xml: string): void {
    const { jid, nick, role, shown, v, source, n, joined, since } = occupant;
    const flags = [shown ? 1 : 0, gone ? 1 : 0];
    unit.write(occupantRows.put, [
      this.partition.id,
      this.id,
      jid.full,
      nick,
      role,
      ...flags,
      v,
      source,
      n,
      joined,
      since,
      xml,
    ]);
  }

  // ── what is said ────────────────────────────────────────────────────────────────────────────────────────────────

  /** A message takes the next position; call it in the step in which the unit goes to the lane. */
  append(unit: Joint, message: Omit<MessageRow, 'pos'>, { source, n, k }: Origin): MessageRow {
    this.pos += 1;
    const row = { ...message, pos: this.pos };
    const { jid, nick, kind, sent, xml } = row;
    unit.write(messageRows.add, [
      this.partition.id,
      this.id,
      row.pos,
      source,
      n,
      k,
      jid,
      nick,
      kind,
      sent,
      xml,
    ]);
    this.recent.push(row);
    if (this.recent.length > fixed.roomRecent.value) this.recent.shift();
    this.hear(source, n);
    return row;
  }

  /** What was said gets another text (retract.ts); it has to be stored already. */
  rewrite(unit: Joint, pos: number, xml: string): void {
    const at = this.recent.findIndex((row) => row.pos === pos);
    if (at !== -1) this.recent[at] = { ...this.recent[at]!, xml };
    unit.write(messageRows.rewrite, [this.partition.id, this.id, pos, xml]);
  }

  /** The texts of what was said some time ago are gone from the store (retention.ts). */
  fade(which: (row: MessageRow) => boolean): void {
    for (const [at, row] of this.recent.entries()) if (which(row)) this.recent[at] = { ...row, xml: '' };
  }

  /** Stanza n of this source has been taken in. */
  hear(source: number, n: number): void {
    this.heard.delete(source);
    this.heard.set(source, n);
    if (this.heard.size > fixed.roomSources.value + this.occupants.size)
      for (const oldest of this.heard.keys()) {
        this.heard.delete(oldest);
        break;
      }
  }

  // ── what it is ──────────────────────────────────────────────────────────────────────────────────────────────────

  configure(unit: Joint, config: Config, locked = false): void {
    this.config = config;
    this.locked = locked;
    const { name, description } = config;
    unit.write(roomRows.config, [
      this.partition.id,
      this.id,
      writeConfig(config),
      locked ? 1 : 0,
      // How others find it (listed.ts): not before it is configured.
      locked ? '' : domainOf(this.address),
      config.public && !locked ? 1 : 0,
      name.toLowerCase(),
      description.toLowerCase(),
    ]);
  }

  setSubject(unit: Joint, subject: Subject | undefined): void {
    this.subject = subject;
    const text = subject === undefined ? null : JSON.stringify(subject);
    unit.write(roomRows.subject, [this.partition.id, this.id, text]);
  }

  /** Everything of it goes. */
  remove(unit: Joint): void {
    const key = [this.partition.id, this.id];
    unit.write(roomRows.remove, key);
    for (const { removeAll } of [memberRows, occupantRows]) unit.write(removeAll, key);
    // What was said in it goes bit by bit (retention.ts).
    this.removed = true;
    this.partition.retire(this);
  }
}
