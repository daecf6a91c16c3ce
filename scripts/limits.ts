/** Writes docs/limits.md from the table of limits: `node scripts/limits.ts`. */
import { writeFileSync } from 'node:fs';
import { limitsPage } from '../src/base/limits.ts';

writeFileSync(new URL('../docs/limits.md', import.meta.url), limitsPage());
