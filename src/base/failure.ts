/**
 * An error that may cross modules: `code` for programs, `message` safe to show to anybody, `cause` for the log only.
 * Anything that is thrown and is not a Failure is unexpected: it is logged once and shown as `internal-server-error`.
 */
export class Failure extends Error {
  readonly code: string;
  constructor(code: string, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'Failure';
    this.code = code;
  }
}

/** True for a `Failure` with this code. */
export function failed(error: unknown, code: string): error is Failure {
  return error instanceof Failure && error.code === code;
}
