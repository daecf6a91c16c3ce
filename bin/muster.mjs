#!/usr/bin/env node
// The command `muster`.
import { launch } from './launch.mjs';

await launch('src/main.ts', process.argv.slice(2), { development: false });
