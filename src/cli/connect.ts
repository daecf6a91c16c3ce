import { existsSync } from 'node:fs';
import type { Administration } from '../admin/administration.ts';
import type { Client } from '../admin/client.ts';
import type { Config } from '../base/config.ts';
import { Failure, failed } from '../base/failure.ts';
import { configOf, type CommonOptions } from './options.ts';

/** Who answers: the running server, or the store that this process opened because nobody runs here. */
export type Connection =
  | { readonly running: true; readonly administration: Client }
  | { readonly running: false; readonly administration: Administration };

/**
 * Reaches the accounts of a data directory: through the server that announced itself there, else directly.
 *
 * @throws Failure('no-data') where there is no such directory, `not-allowed` where it belongs to somebody else,
 * `volume-held` where a server holds it that does not answer.
 */
async function connect(config: Config): Promise<Connection> {
  // that of a pool is elsewhere, and may be read from any machine
  if (!existsSync(config.data) && config.store.startsWith('sqlite:'))
    throw new Failure(
      'no-data',
      `${config.data}: there is no data; start the server once, or name its directory with --data`,
    );
  const client = await runningServer(config);
  if (client !== undefined) {
    try {
      await client.alive();
      return { running: true, administration: client };
    } catch (error) {
      if (!failed(error, 'unreachable')) throw error; // a note that a killed server left behind
    }
  }
  const { openOffline } = await import('../roles/offline.ts');
  return { running: false, administration: await openOffline(config) };
}

/** Runs `act` and closes the connection, however it ends. */
export async function withAdministration<T>(
  options: CommonOptions,
  act: (connection: Connection, config: Config) => Promise<T>,
): Promise<T> {
  const config = await configOf(options);
  const connection = await connect(config);
  try {
    return await act(connection, config);
  } finally {
    await connection.administration.close();
  }
}

async function runningServer({ data }: Config): Promise<Client | undefined> {
  const { openClient } = await import('../admin/client.ts');
  const { readAnnouncement, readToken } = await import('../admin/token.ts');
  try {
    const announcement = readAnnouncement(data);
    const token = readToken(data);
    return announcement === undefined || token === undefined ? undefined : openClient(announcement, token);
  } catch (error) {
    throw new Failure(
      'not-allowed',
      `${data} may not be read; run this as the user that runs the server`,
      error,
    );
  }
}
