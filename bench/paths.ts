import { Load } from './load.ts';
import { conference, type Running } from './peers/peer.ts';

export const PASSWORD = 'pencil';
export const CONTACTS = 20;
const BLOCK = CONTACTS + 1;
/** Who logs in and goes again; who stays, is in the room, changes presence, resumes; who writes, two and two. */
export const COMERS = 10 * BLOCK;
export const STAYERS = 10 * BLOCK;
export const WRITERS = 400;
export const PEOPLE = COMERS + STAYERS + WRITERS;
export const OCCUPANTS = 20;
/** Logins or resumptions in one order, and at the same time. */
const CHUNK = 200;
const AT = 8;

/** A server and those who use it. */
export interface Cast {
  readonly running: Running;
  readonly writers: Load;
  readonly stayers: Load;
}

/** A hot path: what the clients do in one go, and what of it counts as one operation. */
export interface Path {
  readonly key: string;
  readonly title: string;
  readonly go: (cast: Cast, seconds: number) => Promise<number>;
}

export const paths: readonly Path[] = [
  {
    key: 'login',
    title: 'login',
    go: ({ stayers, running: { plain: target } }, seconds) =>
      repeated(seconds, async () => {
        const order = { target, password: PASSWORD, users: COMERS, count: CHUNK, at: AT } as const;
        return (await stayers.ask({ do: 'login', ...order })).done;
      }),
  },
  {
    key: 'message',
    title: '1:1 message',
    go: async ({ writers }, seconds) =>
      (await writers.ask({ do: 'saturate', window: 2, seconds, patience: 30 })).delivered,
  },
  {
    key: 'room',
    title: `delivery in a room of ${OCCUPANTS}`,
    go: async ({ stayers, running: { plain } }, seconds) => {
      const order = { room: roomOf(plain.domain), flight: 2 * OCCUPANTS, seconds, patience: 30 } as const;
      return (await stayers.ask({ do: 'flood', ...order })).deliveries;
    },
  },
  {
    key: 'presence',
    title: `presence at one of ${CONTACTS} contacts`,
    go: ({ stayers }, seconds) =>
      repeated(seconds, async () => {
        const order = { changers: STAYERS, people: PEOPLE, contacts: CONTACTS, patience: 10 } as const;
        return (await stayers.ask({ do: 'stir', ...order })).delivered;
      }),
  },
  {
    key: 'resume',
    title: 'resumption',
    go: ({ stayers, running: { plain: target } }, seconds) =>
      repeated(seconds, () =>
        stayers.ask({ do: 'resume', target, password: PASSWORD, count: CHUNK, at: AT }),
      ),
  },
];

/** Logs them in, and makes the room. */
export async function cast(running: Running): Promise<Cast> {
  const [writers, stayers] = [new Load(), new Load()];
  const login = { do: 'open', target: running.plain, password: PASSWORD, at: AT } as const;
  await stayers.ask({ ...login, from: COMERS, count: STAYERS, chat: false });
  await writers.ask({ ...login, from: COMERS + STAYERS, count: WRITERS, chat: true });
  const room = roomOf(running.plain.domain);
  await stayers.ask({ do: 'create', room, fields: { 'muc#roomconfig_presencebroadcast': ['moderator'] } });
  await stayers.ask({ do: 'join', room, from: 1, count: OCCUPANTS - 1, at: AT, patience: 30 });
  return { running, writers, stayers };
}

export async function dismiss({ writers, stayers }: Cast): Promise<void> {
  await writers.close();
  await stayers.close();
}

/** Does it again until the time is over; returns how many operations there were. */
async function repeated(seconds: number, once: () => Promise<number>): Promise<number> {
  const end = performance.now() + seconds * 1000;
  let count = 0;
  do count += await once();
  while (performance.now() < end);
  return count;
}

function roomOf(domain: string): string {
  return `profile@${conference(domain)}`;
}
