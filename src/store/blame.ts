/**
 * What PostgreSQL's error codes (its documentation, appendix A) say about a statement.
 *
 * lost     the connection is of no use any more; the statement may have had its effect
 * moved    the host is not the primary any more, or the connection forgot its statements: surely no effect
 * away     surely no effect, and not the statement's fault: again later
 * fault    the statement's own fault
 */
export type Blame = 'lost' | 'moved' | 'away' | 'fault';

const moved = new Set([
  '25006', // read-only: a standby now
  '26000', // a prepared statement is gone: somebody between us and the server changes connections
  '57P03', // starting up or shutting down
]);

const away = new Set([
  '40001', // could not serialise
  '40P01', // deadlock
  '55P03', // a lock could not be had
  '55006', // in use
  '57014', // cancelled by an administrator
  '0A000', // a cached plan does not fit a changed table: prepared anew it does
]);

/** Classes of resources and of the system: full disk, no memory, too many connections, input or output. */
const resources = new Set(['53', '58']);

/** An error without a code comes from the socket, or says that our deadline ended it. */
export function blame(error: unknown): Blame {
  const code = codeOf(error);
  if (code === undefined) return 'lost';
  // 08P01 is a statement that does not fit its parameters.
  if (code === '08P01') return 'fault';
  if (moved.has(code)) return 'moved';
  if (code.startsWith('08') || code.startsWith('57P') || code === '25P03') return 'lost';
  if (away.has(code) || resources.has(code.slice(0, 2))) return 'away';
  return 'fault';
}

/** What `bump` and `hold` raise. */
export const raised = (error: unknown): boolean => codeOf(error) === '22012';

/** The five characters of an error that the server sent. */
function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error) || !('severity' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

export function textOf(error: unknown): string {
  const code = codeOf(error);
  const message = error instanceof Error ? error.message : String(error);
  return code === undefined ? message : `${message} (${code})`;
}
