import { Failure } from '../base/failure.ts';
import type { Side } from './subjects.ts';
import type { NatsAddress } from './url.ts';

/** What can be wrong with NATS at a start, each as one line for the administrator that never shows the password. */

/** @param denied the server said that it does not know us. */
export function failureOf(
  { user, servers }: NatsAddress,
  server: string,
  error: unknown,
  denied: boolean,
): Failure {
  const message = error instanceof Error ? error.message : String(error);
  // A server that is slow to look at our password has not refused it.
  if (denied && !/timeout/i.test(message))
    return new Failure(
      'mesh-refused',
      `mesh: NATS at ${server} refuses the user “${user}”: its name or password is wrong`,
      error,
    );
  const why = message === '' ? 'no answer' : message;
  return new Failure(
    'mesh-unavailable',
    `mesh: NATS cannot be reached at ${servers.join(', ')} (${why})`,
    error,
  );
}

export function forbidden({ user }: NatsAddress, side: Side, subject: string): Failure {
  const wanted = side === 'm' ? 'a process that is only a mux' : 'a process with accounts';
  return new Failure(
    'mesh-refused',
    `mesh: NATS does not let the user “${user}” listen to ${subject}: is it the user for ${wanted}? (docs/nats.md)`,
  );
}

/** Bytes. */
export function tooSmall(server: string, is: number, least: number): Failure {
  return new Failure(
    'mesh-refused',
    `mesh: NATS at ${server} has max_payload ${is}; Muster needs ${least} or more (max_payload: 8MB)`,
  );
}
