import type { Config } from '../../src/rooms/config.ts';
import type { Room } from '../../src/rooms/room.ts';
import { Work } from '../../src/rooms/work.ts';
import type { Affiliation } from '../../src/rooms/standing.ts';
import { cave, type Rig } from './rig.ts';

/** A change of a room without the form that asks for it. */
export async function change(
  rig: Rig,
  act: (room: Room, work: Work) => void,
  address: string = cave,
): Promise<void> {
  const room = await rig.room(address);
  const work = new Work(rig.partition);
  work.involve(room);
  work.step(() => act(room, work));
  work.commit();
  await rig.still();
}

export function configure(rig: Rig, changes: Partial<Config>, address: string = cave): Promise<void> {
  return change(rig, (room, work) => room.configure(work, { ...room.config, ...changes }), address);
}

export function affiliate(
  rig: Rig,
  jid: string,
  affiliation: Affiliation,
  { nick = '', room: address = cave }: { nick?: string; room?: string } = {},
): Promise<void> {
  return change(rig, (room, work) => room.setMember(work, jid, { affiliation, nick, reason: '' }), address);
}
