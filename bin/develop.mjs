// `node bin/develop.mjs FILE ARGUMENTS…`: tests, simulation and bench, with the packages that only they need.
import { launch } from './launch.mjs';

const [file, ...args] = process.argv.slice(2);
await launch(file, args, { development: true });
