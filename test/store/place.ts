import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A fresh directory for one test; whoever asks removes it. */
export const directory = (): string => mkdtempSync(join(tmpdir(), 'muster-store-'));
