import type { Store } from '../store/store.ts';

/** For whom it is written: whoever reads XEP-0227, or ejabberd, whose keys (seen in 23.01) are in base64 twice. */
export type Reader = 'anybody' | 'ejabberd';

/** The account that is being written into a file: its rows as they are committed, whoever owns it. */
export interface Source {
  readonly store: Store;
  readonly partition: number;
  readonly account: number;
  readonly address: string;
  readonly reader: Reader;
}
