import type { Door } from '../entity/joint.ts';
import { Jid } from '../xmpp/jid.ts';
import type { Partition } from './partition.ts';
import { receive } from './receive.ts';
import type { Room } from './room.ts';

/** For a sender in this process whose commit holds the room's part as well (entity/joint.ts). */
export function openDoor(partition: Partition): Door {
  let room: Room | undefined;
  return {
    get serving() {
      // One that is being handed over ends what is in its lane.
      return !partition.ended && room?.dead !== true;
    },
    take(unit, stanza, to, origin) {
      const from = Jid.parse(stanza.attrs['from']!)!;
      const received = receive(unit, partition, stanza, from, to, origin);
      unit.step(() => (room = partition.rooms.peek(to.bare)));
      return received;
    },
    drop: () => room?.reset(),
  };
}
