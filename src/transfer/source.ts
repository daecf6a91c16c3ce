import type { Store } from '../store/store.ts';

/** The account that is being written into a file: its rows as they are committed, whoever owns it. */
export interface Source {
  readonly store: Store;
  readonly partition: number;
  readonly account: number;
  readonly address: string;
  readonly domain: string;
}
