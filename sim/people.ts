import { createHash, createHmac, pbkdf2Sync } from 'node:crypto';
import { Client, password } from './client.ts';
import type { History } from './history.ts';
import type { World } from './world.ts';

const clients = 20;

/** Twenty people, each with three whom they write to and six who see them. */
export function addPeople(world: World, history: History): readonly Client[] {
  const people = Array.from(
    { length: clients },
    (_, i) => new Client(world, history, `user${i}`, i % 2 === 0),
  );
  history.people = people;
  for (const [i, { steady, habits }] of people.entries())
    if (steady) habits.pest = people.at((i - 2) % clients);
  world.holds = (mux, session) =>
    people.some((one) => one.ready && one.mux === mux && one.number === session);
  for (const [i, person] of people.entries()) {
    const id = i + 1;
    const partition = world.partitionOf(person.address);
    if (partition === undefined) throw new Error('no server has made the pool');
    const { salt, stored, server } = keys;
    const { database } = world;
    database.rows(
      `insert into account (partition, id, local, address, created, disabled, watermark, roster_ver) values (?1, ?2, ?3, ?4, 0, 0, 0, 0)`,
      partition,
      id,
      person.name,
      person.address,
    );
    database.rows(
      `insert into credential (partition, account, mechanism, salt, iterations, stored_key, server_key)
        values (?1, ?2, 'SCRAM-SHA-256', ?3, 1, ?4, ?5)`,
      partition,
      id,
      salt as never,
      stored as never,
      server as never,
    );
    for (const step of [1, 2, 3, clients - 1, clients - 2, clients - 3]) {
      const contact = people[(i + step) % clients]!.address;
      if (step <= 3) person.friends.push(contact);
      database.rows(
        `insert into roster (partition, account, contact, name, subscription, ask, pending, approved, groups, cn)
          values (?1, ?2, ?3, '', 'both', 0, null, 0, '', 1)`,
        partition,
        id,
        contact,
      );
    }
  }
  return people;
}

/** The stored keys of everybody's password: one round is enough for a simulation. */
const keys = (() => {
  const salt = new Uint8Array(16).fill(1);
  const salted = pbkdf2Sync(password, salt, 1, 32, 'sha256');
  const mac = (text: string) => createHmac('sha256', salted).update(text).digest();
  return { salt, stored: createHash('sha256').update(mac('Client Key')).digest(), server: mac('Server Key') };
})();
