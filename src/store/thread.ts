import { parentPort, workerData } from 'node:worker_threads';
import { serve, type Call } from './serve.ts';
import { Core, type Opening } from './sqlite.ts';

// The entry of a worker thread: opens its core and serves the calls of each message, until it is told to close.

const port = parentPort!;
const core = new Core(workerData as Opening);
port.on('message', (calls: readonly Call[] | 'close') => {
  if (calls === 'close') {
    core.close();
    port.close();
  } else port.postMessage(calls.map((call) => serve(core, call)));
});
port.postMessage('open');
