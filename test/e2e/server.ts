import { createServer, type AddressInfo } from 'node:net';

/** A server under test: a real process on loopback whose ports and data outlive its restarts. */
export interface Target extends AsyncDisposable {
  readonly name: 'muster' | 'prosody';
  readonly domain: string;
  readonly ports: { readonly xmpp: number; readonly xmpps: number; readonly http: number };
  /** Address of the XMPP-over-WebSocket endpoint. */
  readonly websocket: string;
  /** Address of the web client's page. */
  readonly page: string;
  /** File of the certificate that clients see. */
  readonly certificate: string;
  /** Makes accounts, all with the same password. */
  users(names: readonly string[], password?: string): Promise<void>;
  /** Process ids: the supervisor first where there is one, then the one that serves. */
  pids(): Promise<number[]>;
  /** Kills without warning: everything, or the serving process alone so that its supervisor restarts it. */
  kill(what: 'all' | 'worker'): Promise<void>;
  /** Starts again with the same ports and data and waits until it is ready. */
  start(): Promise<void>;
  /** Resolves when it serves. */
  ready(): Promise<void>;
  stop(): Promise<void>;
  /** Everything it has written to its log so far. */
  log(): string;
}

export interface Options {
  registration?: 'open' | 'closed';
  domain?: string;
  /** Of the plain port: off (default, logins in clear) or starttls (encrypted before login). */
  tls?: 'off' | 'starttls';
  /** More of the target's own configuration, as `key.path=value` (Muster only). */
  set?: readonly string[];
}

/** Starts the server that TARGET names: `muster` (default) or the stand-in `prosody`. */
export async function openTarget(options: Options = {}): Promise<Target> {
  const name = process.env['TARGET'] ?? 'muster';
  if (name === 'prosody') return (await import('./prosody.ts')).openProsody(options);
  if (name === 'muster') return (await import('./muster.ts')).openMuster(options);
  throw new Error(`TARGET=${name}: muster or prosody`);
}

/** Free loopback ports. They are held together, so that they differ. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer();
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      return server;
    }),
  );
  const ports = servers.map((one) => (one.address() as AddressInfo).port);
  await Promise.all(servers.map((one) => new Promise((resolve) => one.close(resolve))));
  return ports;
}
