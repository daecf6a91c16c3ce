import type { Env } from '../src/account/env.ts';
import { ticketFor } from '../src/account/ticket.ts';
import type { Attach } from '../src/link/frames.ts';
import type { Mirror, Show, Shown } from '../src/link/rooms.ts';
import type { Mesh } from '../src/mesh/mesh.ts';
import { forRoom } from '../src/post/kinds.ts';
import type { Letter } from '../src/post/post.ts';
import type { Lane } from '../src/store/lane.ts';
import { sql, type Op, type Store } from '../src/store/store.ts';
import type { Volume } from '../src/store/volume.ts';
import type { Table } from '../src/placement/table.ts';
import type { Process } from './net.ts';
import { secret } from './secret.ts';
import type { Database } from './database.ts';

/** A fault planted at a seam, to see that the checkers find it: the product's own code is not touched. */
export interface Break {
  /** The invariant that it breaks. */
  readonly invariant: number;
  readonly prepare?: (database: Database) => void;
  readonly store?: (volume: Volume) => Volume;
  readonly lane?: (lane: Lane) => Lane;
  readonly mesh?: (mesh: Mesh) => Mesh;
  /** What a mux hears and says; and what placement asks of the store and the mesh. */
  readonly muxMesh?: (mesh: Mesh, table: () => Table | undefined) => Mesh;
  readonly poolStore?: (store: Store, self: Process) => Store;
  readonly poolMesh?: (mesh: Mesh) => Mesh;
}

interface Numbered {
  readonly t: string;
  readonly partition: number;
  readonly epoch: number;
  readonly session: number;
  readonly n: number;
}

export const breaks: Readonly<Record<string, Break>> = {
  /** The owner says `accepted` when a stanza arrives. */
  'ack-before-commit': {
    invariant: 2,
    mesh: (mesh) =>
      passing(mesh, {
        serve: (service, handler) =>
          mesh.serve(service, (from, frame) => {
            const { t, partition, epoch, session, n } = frame as Numbered;
            if (service === 'account' && t === 'stanza')
              mesh.send(from, 'mux', { t: 'accepted', partition, epoch, session, n });
            handler(from, frame);
          }),
      }),
  },
  /** The effects of a unit leave while its commit is under way. */
  'deliver-before-commit': {
    invariant: 3,
    lane: (lane) => ({
      ...bare(lane),
      submit: (unit) => {
        let told = false;
        lane.submit({ ops: unit.ops, fences: unit.fences, done: () => {}, failed: () => {} });
        queueMicrotask(() => {
          if (!told) unit.done(unit.ops.map(() => 1));
          told = true;
        });
      },
    }),
  },
  /** Nobody remembers the origin of what came by post. */
  'no-dedup': {
    invariant: 4,
    prepare: (database) => void database.rows('drop index message_origin'),
  },
  /** The outbox is not written. */
  'forget-outbox': {
    invariant: 6,
    store: (volume) => without(volume, 'insert into outbox'),
  },
  /** Whom an account blocks is not written. */
  'forget-blocks': {
    invariant: 2,
    store: (volume) => without(volume, 'update account set blocked'),
  },
  /** What is published is not written. */
  'forget-items': {
    invariant: 2,
    store: (volume) => without(volume, 'insert into pubsub_item'),
  },
  /** A room takes a letter that comes again for another one. */
  'room-no-dedup': {
    invariant: 4,
    mesh: (mesh) => {
      const times = new Map<string, number>();
      return passing(mesh, {
        serve: (service, handler) =>
          mesh.serve(service, (from, frame) => {
            const { t, letter } = frame as { readonly t: string; readonly letter: Letter };
            if (service !== 'post' || t !== 'letter' || letter.kind !== forRoom) return handler(from, frame);
            const key = `${letter.account} ${letter.id}`;
            const before = times.get(key) ?? 0;
            times.set(key, before + 1);
            handler(from, { ...frame, letter: { ...letter, n: letter.n + before * 1_000_000 } });
          }),
      });
    },
  },
  /** Servers of occupants do not report to a new owner of a room: they know the old one. */
  'hall-keeps-owner': {
    invariant: 5,
    mesh: (mesh) =>
      passing(mesh, {
        serve: (service, handler) =>
          mesh.serve(service, (from, frame) => {
            const { t, epoch } = frame as Numbered;
            if (service !== 'room' || t !== 'report' || epoch === 1) handler(from, frame);
          }),
      }),
  },
  /** What a new owner of a room says of who is there does not tell of anybody who went. */
  'untold-departures': {
    invariant: 9,
    mesh: (mesh) => {
      const known = new Map<string, Map<string, Shown>>();
      return passing(mesh, {
        serve: (service, handler) =>
          mesh.serve(service, (from, frame) => {
            const said = frame as Mirror | Show;
            if (service !== 'hall' || (said.t !== 'mirror' && said.t !== 'show')) return handler(from, frame);
            const there = known.get(said.room) ?? new Map<string, Shown>();
            known.set(said.room, there);
            if (said.t === 'mirror') {
              const still = said.shown.filter(({ gone }) => gone !== true);
              for (const one of still) there.set(one.nick, one);
              return handler(
                from,
                said.first ? { ...said, shown: [...there.values()] } : { ...said, shown: [] },
              );
            }
            if (said.shown.gone === true) there.delete(said.shown.nick);
            else there.set(said.shown.nick, said.shown);
            handler(from, frame);
          }),
      });
    },
  },
  /** A new owner begins to count the inbound stanzas of a session again. */
  'restart-n': {
    invariant: 4,
    store: (volume) => {
      const query = volume.query.bind(volume);
      return Object.assign(volume, {
        query: async (...asked: Parameters<Volume['query']>) => {
          const rows = await query(...asked);
          return asked[0].text.includes('join inbound') ? rows.map((row) => ({ ...row, n: 0 })) : rows;
        },
      });
    },
  },
  /** Whether a fence holds is looked at when a batch arrives, and not again, under a lock, when it is written. */
  'fence-without-lock': {
    invariant: 1,
    prepare: (database) => void (database.lockless = true),
  },
  /** A mux acts on what an owner says whose epoch is over. */
  'ignore-epochs': {
    invariant: 12,
    muxMesh: (mesh, table) =>
      passing(mesh, {
        serve: (service, handler) =>
          mesh.serve(service, (from, frame) => {
            const { partition, epoch } = frame as Numbered;
            const route = service === 'mux' ? table()?.partition(partition) : undefined;
            if (route === undefined || epoch >= route.epoch) handler(from, frame);
            else handler(route.server, { ...frame, epoch: route.epoch });
          }),
      }),
  },
  /** The mux that attaches last has the session, also where it was resumed elsewhere since. */
  'stale-generation': {
    invariant: 8,
    mesh: (mesh) => {
      const highest = new Map<number, number>();
      return passing(mesh, {
        serve: (service, handler) =>
          mesh.serve(service, (from, frame) => {
            const attach = frame as Attach;
            if (service !== 'account' || attach.t !== 'attach') return handler(from, frame);
            const { session, account } = attach;
            const before = highest.get(session) ?? 0;
            const generation = attach.generation < before ? before + 1 : attach.generation;
            highest.set(session, generation);
            const ticket = ticketFor({ secret } as Env, from, session, account, generation);
            handler(from, generation === attach.generation ? frame : { ...frame, generation, ticket });
          }),
      });
    },
  },
  /** A server that nobody hears goes on renewing its lease. */
  'renew-when-cut-off': {
    invariant: 8,
    poolMesh: (mesh) =>
      passing(mesh, {
        probe: async (peer) => {
          const found = await mesh.probe(peer);
          return found === 'silent' ? 'there' : found;
        },
      }),
  },
  /** Whoever finds the database answering again takes all the others for dead, because none of them has renewed. */
  'steal-after-database-outage': {
    invariant: 7,
    poolStore: (store, self) => {
      let away = false;
      return passingStore(store, async (...asked) => {
        const rows = await store.query(...asked).catch((error: unknown) => {
          away = true;
          throw error;
        });
        if (away) {
          away = false;
          const { lane, seq } = await store.openLane();
          await store.commit({ lane, seq, fences: [], ops: [{ statement: bury, params: [self.peer] }] });
        }
        return rows as never;
      });
    },
  },
};

export const sound: Break = { invariant: 0 };

/** The same mesh, but for what is changed. */
export function passing(mesh: Mesh, changed: Partial<Pick<Mesh, 'serve' | 'probe'>>): Mesh {
  return {
    self: mesh.self,
    peers: () => mesh.peers(),
    members: () => mesh.members(),
    get connected() {
      return mesh.connected;
    },
    probe: changed.probe ?? ((peer) => mesh.probe(peer)),
    dismiss: (peer) => mesh.dismiss(peer),
    send: (...sent) => mesh.send(...sent),
    serve: changed.serve ?? ((...served) => mesh.serve(...served)),
    onPeer: (handler) => mesh.onPeer(handler),
    close: () => mesh.close(),
  };
}

function passingStore(store: Store, query: Store['query']): Store {
  return {
    query,
    commit: (batch) => store.commit(batch),
    resolve: (...asked) => store.resolve(...asked),
    openLane: () => store.openLane(),
    reserveIds: (count) => store.reserveIds(count),
    close: () => store.close(),
    [Symbol.asyncDispose]: () => store.close(),
  };
}

const bury = sql`update server set state = 'dead' where peer <> $1 and state <> 'dead'`;

function bare(lane: Lane): Lane {
  return {
    submit: (unit) => lane.submit(unit),
    get depth() {
      return lane.depth;
    },
    flush: () => lane.flush(),
    onBatch: (fill) => lane.onBatch(fill),
    close: () => lane.close(),
  };
}

function around(volume: Volume, change: (ops: readonly Op[]) => Op[]): Volume {
  const commit = volume.commit.bind(volume);
  return Object.assign(volume, {
    commit: (batch: Parameters<Volume['commit']>[0]) => commit({ ...batch, ops: change(batch.ops) }),
  });
}

/** What begins so is not written. */
function without(volume: Volume, statement: string): Volume {
  return around(volume, (ops) =>
    ops.map((op) => (op.statement.text.startsWith(statement) ? nothing(op) : op)),
  );
}

/** An op of the same place that writes nothing. */
function nothing(op: Op): Op {
  return { statement: deleteNothing, params: [op.params[0]!] };
}
const deleteNothing = Object.freeze({ text: 'delete from outbox where partition = $1 and 1 = 0' });
