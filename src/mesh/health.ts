import { createConnection, createServer, type AddressInfo, type Socket } from 'node:net';
import type { Clock } from '../base/clock.ts';
import { fixed } from '../base/fixed.ts';
import type { Log } from '../base/log.ts';
import { Failure } from '../base/failure.ts';
import { authority } from '../base/listening.ts';
import type { Peer } from './mesh.ts';

/**
 * The second proof of death (DESIGN §6): a port that says which incarnation runs here, and that refuses when none does.
 * It says one line and hangs up, whatever it is told, so that there is nothing to attack.
 */

/** What a health port says: the incarnation that runs there, that nobody listens, or nothing in time. */
export type Health = { readonly peer: Peer } | 'refused' | 'silent';

export interface HealthPort {
  readonly port: number;
  close(): Promise<void>;
}

export interface HealthOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly peer: Peer;
  readonly log: Log;
}

/** Throws Failure('port-in-use') or Failure('listen') with one line for the administrator. */
export function openHealth({ host, port, peer, log }: HealthOptions): Promise<HealthPort> {
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
    socket.on('error', () => socket.destroy());
    // What the other end says is read only to see its end; one that never hangs up is cut.
    socket.setTimeout(fixed.meshLook.value, () => socket.destroy());
    socket.resume();
    socket.end(`${peer}\n`);
  });
  server.maxConnections = fixed.healthConnections.value;
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(refusal(host, port, error)));
    server.listen({ host, port }, () => {
      server.removeAllListeners('error');
      server.on('error', (error) => log.warn({ err: error }, 'the health port failed'));
      resolve({
        port: (server.address() as AddressInfo).port,
        close: () =>
          new Promise((closed) => {
            server.close(() => closed());
            for (const socket of open) socket.destroy();
          }),
      });
    });
  });
}

function refusal(host: string, port: number, error: NodeJS.ErrnoException): Failure {
  const at = authority(host, port);
  return error.code === 'EADDRINUSE'
    ? new Failure('port-in-use', `listen.health: ${at} is in use by another program`, error)
    : new Failure('listen', `listen.health: ${at}: ${error.message}`, error);
}

/**
 * Asks who runs at `host:port`. `refused` only where that machine itself says that nobody listens; a machine that cannot
 * be reached, or does not answer within half a second, is `silent`. Never rejects.
 */
export function askHealth(at: string, clock: Clock): Promise<Health> {
  const [, host, port] =
    /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(at)?.filter((part) => part !== undefined) ?? [];
  if (host === undefined || !(Number(port) > 0 && Number(port) < 65_536)) return Promise.resolve('silent');
  return new Promise((resolve) => {
    const socket = createConnection({ host, port: Number(port) });
    let said = '';
    const answer = (health: Health) => {
      timer.cancel();
      socket.destroy();
      resolve(health);
    };
    const timer = clock.after(fixed.meshLook.value, () => answer('silent'));
    socket.setEncoding('utf8');
    socket.on('data', (text: string) => {
      said += text;
      if (said.length > longest) answer('silent');
    });
    socket.on('end', () => {
      const peer = /^([^\n]+)\n$/.exec(said)?.[1];
      answer(peer === undefined ? 'silent' : { peer });
    });
    socket.on('error', (error) => answer(said === '' && refused(error) ? 'refused' : 'silent'));
    socket.on('close', () => answer('silent'));
  });
}

/** Of a name with several addresses every one has to refuse. */
function refused(
  error: NodeJS.ErrnoException & { readonly errors?: readonly NodeJS.ErrnoException[] },
): boolean {
  return (error.errors ?? [error]).every(({ code }) => code === 'ECONNREFUSED');
}

/** Characters of a peer's name: more is another program's. */
const longest = 1024;
