import { Failure } from '../base/failure.ts';
import type { Log } from '../base/log.ts';
import { authority } from '../base/listening.ts';
import { answerFailures } from './failures.ts';
import { askFirst, serveFiles, type FileService } from './files.ts';
import { listenerFor } from './http.ts';

export interface Internal {
  readonly port: number;
  /** From now on transfers are served; before that, and without it, every one is answered 503. */
  serve(service: FileService): void;
  close(): Promise<void>;
}

export interface InternalOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly log: Log;
}

/**
 * The listener where muxes pass uploads and downloads on (relay.ts). It is open before the process joins the mesh, because
 * what a process says of itself there does not change. It serves nothing but `/upload/`, by the same authority as the public
 * listener: the URL.
 *
 * @throws Failure('port-in-use') | Failure('listen')
 */
export async function openInternal({ host, port, log }: InternalOptions): Promise<Internal> {
  const app = listenerFor({ host, port, tls: 'off' }, undefined, 0);
  let behind: FileService | undefined;
  const service = (): FileService => {
    if (behind === undefined) throw new Failure('overloaded', 'this server is not ready');
    return behind;
  };
  answerFailures(app, log);
  askFirst(app);
  await serveFiles(
    app,
    {
      put: async (...args) => service().put(...args),
      get: async (...args) => service().get(...args),
    },
    log,
  );
  try {
    await app.listen({ host, port });
  } catch (error) {
    await app.close();
    const at = authority(host, port);
    throw (error as NodeJS.ErrnoException).code === 'EADDRINUSE'
      ? new Failure('port-in-use', `listen.files: ${at} is in use by another program`, error)
      : new Failure('listen', `listen.files: ${at}: ${(error as Error).message}`, error);
  }
  return {
    port: (app.server.address() as { port: number }).port,
    serve: (given) => {
      behind = given;
    },
    close: () => app.close(),
  };
}
