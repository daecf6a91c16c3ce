import { connect } from 'node:net';
import { pause } from '../proc.ts';

/** Waits until something listens at this loopback port; `check` throws when that will not happen any more. */
export async function reachable(port: number, check: () => void): Promise<void> {
  for (let tries = 0; tries < 600; tries++) {
    check();
    if (await listens(port)) return;
    await pause(100);
  }
  throw new Error(`nothing listens at 127.0.0.1:${port}`);
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
