/** Writes config.example.yaml from the schema: `node scripts/example.ts`. */
import { writeFileSync } from 'node:fs';
import { exampleConfig } from '../src/base/example.ts';

writeFileSync(new URL('../config.example.yaml', import.meta.url), exampleConfig());
