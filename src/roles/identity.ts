import type { Random } from '../base/random.ts';
import { openLane } from '../store/lane.ts';
import { sql, type Store } from '../store/store.ts';
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';

const rows = {
  read: sql`select value from secret where partition = $1 and name = $2`,
  add: sql`insert into secret (partition, name, value) values ($1, $2, $3) on conflict do nothing`,
};

/** Servers of a pool share one secret, and whoever is first draws it: it lies beside the first partition, unfenced. */
const everybodys = 1;

/** What owners know and nobody else: drawn at the first start, kept in the store beside what it protects. */
export async function ownersSecret(
  store: Store,
  { clock, random, log }: { clock: Clock; random: Random; log: Log },
): Promise<Uint8Array> {
  const read = () => store.query<{ value: Uint8Array }>(rows.read, [everybodys, 'owners']);
  const [known] = await read();
  if (known !== undefined) return known.value;
  const lane = await openLane(store, { clock, log });
  await new Promise<void>((done, failed) =>
    lane.submit({
      ops: [{ statement: rows.add, params: [everybodys, 'owners', random.bytes(32)] }],
      fences: [],
      done: () => done(),
      failed: (_reason, _op, error) => failed(error),
    }),
  );
  await lane.close();
  const [drawn] = await read();
  return drawn!.value;
}
