import { Failure } from '../base/failure.ts';
import { first } from './migrations/0001.ts';
import { second } from './migrations/0002.ts';
import { third } from './migrations/0003.ts';
import { fourth } from './migrations/0004.ts';
import { fifth } from './migrations/0005.ts';
import { sixth } from './migrations/0006.ts';
import { seventh } from './migrations/0007.ts';
import { eighth } from './migrations/0008.ts';
import { ninth } from './migrations/0009.ts';
import { tenth } from './migrations/0010.ts';
import { eleventh } from './migrations/0011.ts';

/** One step of the schema. Steps are only ever added; a step that was released never changes. */
export interface Migration {
  readonly number: number;
  readonly name: string;
  /** The oldest schema number whose program may still open a store that has this step. */
  readonly oldest: number;
  readonly sql: readonly string[];
}

export const migrations: readonly Migration[] = [
  first,
  second,
  third,
  fourth,
  fifth,
  sixth,
  seventh,
  eighth,
  ninth,
  tenth,
  eleventh,
];

/** What migrating needs of an engine. */
export interface Migrated {
  exec(script: string): void;
  rows<Row extends object>(text: string, ...params: (string | number)[]): Row[];
  transaction<T>(work: () => T): T;
}

/** Which steps a store has had. */
export const schemaTable = `create table if not exists schema (
  number integer primary key, name text not null, oldest integer not null, at integer not null)`;

/** The steps that a store lacks. Throws `Failure('store-newer')` where a newer program made it unreadable for this one. */
export function missing(
  has: { readonly number: number; readonly oldest: number },
  steps: readonly Migration[] = migrations,
): readonly Migration[] {
  const newest = steps.at(-1)?.number ?? 0;
  if (has.oldest > newest) {
    throw new Failure(
      'store-newer',
      `the data was written by a newer version: its schema is ${has.number}, this program knows up to ${newest}`,
    );
  }
  return steps.filter((step) => step.number > has.number);
}

/** Brings a store to the newest step, each step in a transaction of its own; returns how many ran. Throws as `missing`. */
export function migrate(core: Migrated, now: number, steps: readonly Migration[] = migrations): number {
  core.exec(schemaTable);
  const [has] = core.rows<{ number: number; oldest: number }>(
    'select coalesce(max(number), 0) as number, coalesce(max(oldest), 0) as oldest from schema',
  );
  const todo = missing(has!, steps);
  for (const step of todo) {
    core.transaction(() => {
      for (const text of step.sql) core.exec(text);
      core.rows(
        'insert into schema (number, name, oldest, at) values (?1, ?2, ?3, ?4)',
        step.number,
        step.name,
        step.oldest,
        now,
      );
    });
  }
  return todo.length;
}
