import type { Rooms as Administered } from '../admin/administration.ts';
import { Failure, failed } from '../base/failure.ts';
import type { Ask } from '../mesh/ask.ts';
import type { PartitionOf } from '../placement/placement.ts';
import { createRoom, endRoom, grantRoom, purgeRoom, type Order, type Purged } from '../rooms/administer.ts';
import type { Venue } from '../rooms/destroy.ts';
import { listRooms, readRoom } from '../rooms/listing.ts';
import type { Rooms } from '../rooms/rooms.ts';
import type { Affiliation } from '../rooms/standing.ts';
import type { Store } from '../store/store.ts';
import { Jid } from '../xmpp/jid.ts';
import type { Peers } from './peers.ts';

/** What this process can do to its rooms, because it owns their partitions. Everything rejects with `not-owner` for others. */
export interface RoomsHere {
  create(order: Order): Promise<void>;
  destroy(address: string, venue: Venue): Promise<void>;
  /** A part of it; whoever asks goes on while there is more. */
  purge(address: string, before: number): Promise<Purged>;
  grant(address: string, jid: string, affiliation: Affiliation): Promise<void>;
}

/** `rooms`: undefined where this server has not the role. */
export function openRoomsHere(rooms: Rooms | undefined): RoomsHere {
  const at = (address: string) => {
    const place = rooms?.env.partitionOf(address);
    return place === undefined ? undefined : rooms?.at(place);
  };
  return {
    create: (order) => createRoom(at(order.address), order),
    destroy: (address, venue) => endRoom(at(address), address, venue),
    purge: (address, before) => purgeRoom(at(address), address, before),
    grant: (address, jid, affiliation) => grantRoom(at(address), address, jid, affiliation),
  };
}

/** What other servers ask of this one. */
export function answerRooms(ask: Ask, here: RoomsHere): void {
  ask.answer('room-create', (order) => here.create(order as Order));
  ask.answer('room-destroy', (params) => here.destroy(...(params as Parameters<RoomsHere['destroy']>)));
  ask.answer('room-purge', (params) => here.purge(...(params as Parameters<RoomsHere['purge']>)));
  ask.answer('room-grant', (params) => here.grant(...(params as Parameters<RoomsHere['grant']>)));
}

/** At whichever server of a pool has the room now. */
export function roomsAt(peers: Pick<Peers, 'owner'>, partitionOf: PartitionOf): RoomsHere {
  const ask = <T>(address: string, method: string, params: unknown): Promise<T> =>
    peers.owner(partitionOf(address)!, method, params) as Promise<T>;
  return {
    create: (order) => ask(order.address, 'room-create', order),
    destroy: (address, venue) =>
      ask<void>(address, 'room-destroy', [address, venue]).catch((error: unknown) => {
        // It was there a moment ago: an owner that was lost did it, and the next one has nothing left to do.
        if (!failed(error, 'room-missing')) throw error;
      }),
    purge: (address, before) => ask(address, 'room-purge', [address, before]),
    grant: (address, jid, affiliation) => ask(address, 'room-grant', [address, jid, affiliation]),
  };
}

export interface RoomsOver {
  readonly store: Store;
  /** Those where rooms are. */
  readonly hosts: ReadonlySet<string>;
  readonly partitionOf: PartitionOf;
  /** Who owns the rooms: this process, or whoever it is in a pool. */
  readonly owners: RoomsHere;
  /** Milliseconds since the Unix epoch. */
  readonly now: () => number;
  readonly newId: () => number;
}

/** What an administrator may ask of rooms. */
export function openRooms({ store, hosts, partitionOf, owners, now, newId }: RoomsOver): Administered {
  const room = preparing(hosts);
  const owned = (text: string) => {
    const address = room(text);
    if (partitionOf(address) === undefined)
      throw new Failure('no-rooms', 'no server here has the role rooms, so that there are none');
    return address;
  };
  const known = async (text: string) => {
    const address = owned(text);
    if ((await readRoom(store, address)) === undefined) throw missing(address);
    return address;
  };
  return {
    ...readRooms(store, hosts),
    create: async (text, { owner = '', ...config }) => {
      const address = owned(text);
      const order = { id: newId(), address, owner: owner === '' ? '' : person(owner), config };
      await owners.create(order);
      return address;
    },
    destroy: async (text, { alternate, reason }) => {
      const venue: Venue = {
        ...(alternate === undefined ? {} : { jid: elsewhere(alternate) }),
        ...(reason === undefined ? {} : { reason }),
      };
      await owners.destroy(await known(text), venue);
    },
    purge: async (text, before = now()) => {
      const address = await known(text);
      for (let sum = 0; ;) {
        // oxlint-disable-next-line no-await-in-loop -- a part after the other
        const { removed, more } = await owners.purge(address, before);
        sum += removed;
        if (!more) return sum;
      }
    },
    grant: async (text, jid, affiliation) =>
      owners.grant(await known(text), holder(jid, affiliation), affiliation),
  };
}

/** What the store tells, whoever owns the rooms. */
export function readRooms(store: Store, hosts: ReadonlySet<string>): Pick<Administered, 'list' | 'show'> {
  const room = preparing(hosts);
  return {
    list: (after, limit) => listRooms(store, after ?? '', limit),
    show: async (text) => {
      const address = room(text);
      const found = await readRoom(store, address);
      if (found === undefined) throw missing(address);
      return found;
    },
  };
}

function missing(address: string): Failure {
  return new Failure('room-missing', `${address} does not exist`);
}

/** RFC 7622. */
function preparing(hosts: ReadonlySet<string>): (text: string) => string {
  const [first] = hosts;
  return (text) => {
    const jid = Jid.parse(text);
    if (jid === undefined || jid.local === '' || jid.resource !== '')
      throw new Failure('address-malformed', `that is not the address of a room such as team@${first}`);
    if (!hosts.has(jid.domain))
      throw new Failure(
        'room-domain',
        `${jid.domain} has no rooms that are served here; they are at ${[...hosts].join(', ')}`,
      );
    return jid.bare;
  };
}

/** Somebody, wherever the account is. */
function person(text: string): string {
  const jid = Jid.parse(text);
  if (jid === undefined || jid.local === '' || jid.resource !== '')
    throw new Failure('address-malformed', 'that is not an address such as alice@example.org');
  return jid.bare;
}

/** XEP-0045 §9.1: a whole domain may be shut out, or have its people as members; power is a person's. */
function holder(text: string, affiliation: Affiliation): string {
  const jid = Jid.parse(text);
  if (affiliation === 'owner' || affiliation === 'admin' || jid === undefined || jid.resource !== '')
    return person(text);
  return jid.bare;
}

function elsewhere(text: string): string {
  const jid = Jid.parse(text);
  if (jid === undefined || jid.resource !== '')
    throw new Failure('address-malformed', 'the alternate room is not an address');
  return jid.bare;
}

/** Where there is nobody to ask: `why` says so. */
export function noRooms(why: () => Failure): Administered {
  const refused = () => Promise.reject(why());
  return { list: refused, show: refused, create: refused, destroy: refused, purge: refused, grant: refused };
}
