import { createServer } from 'node:net';

/**
 * Free loopback ports that stay free while nobody listens there: below the range from which the system (Linux: 32768
 * and above) takes ports for outgoing connections.
 */
export async function freePorts(count: number): Promise<number[]> {
  const found = new Set<number>();
  for (let tries = 0; found.size < count && tries < 1000 + count * 20; tries++) {
    const port = 10_000 + Math.floor(Math.random() * 20_000);
    if (!found.has(port) && (await free(port))) found.add(port);
  }
  if (found.size < count) throw new Error(`there are no ${count} free ports between 10000 and 30000`);
  return [...found];
}

function free(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
