import { existsSync } from 'node:fs';

const setpriv = '/usr/bin/setpriv';

/**
 * A command line that ends with the process that started it, however that ends: a test that is killed must not leave its
 * database behind. Where the system has no such thing the command is as it was.
 */
export function bound(program: string, args: readonly string[], signal: 'INT' | 'TERM'): [string, string[]] {
  if (!existsSync(setpriv)) return [program, [...args]];
  return [setpriv, ['--pdeathsig', signal, '--', program, ...args]];
}
