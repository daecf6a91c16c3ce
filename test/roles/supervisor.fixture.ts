/** A supervisor in a process of its own, so that a test can kill it. argv: as for the worker. */
import { fileURLToPath } from 'node:url';
import { systemClock } from '../../src/base/clock.ts';
import { quiet } from '../../src/base/log.ts';
import { Supervisor } from '../../src/roles/supervisor.ts';

const module = fileURLToPath(new URL('worker.fixture.ts', import.meta.url));
const supervisor = new Supervisor({ module, args: process.argv.slice(2), clock: systemClock, log: quiet });
process.exitCode = await supervisor.done;
