import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import { systemRandom, token } from '../../base/random.ts';
import { Failure } from '../../base/failure.ts';

export interface Secret {
  readonly password: string;
  /** Made here, so it has to be shown. */
  readonly generated: boolean;
}

/**
 * The password of a command: as given, from standard input where that is `-`, asked for on a terminal, else a new one
 * of 16 characters (96 random bits).
 */
export async function secret(given: string | undefined, json: boolean): Promise<Secret> {
  if (given === '-') return { password: await firstLine(), generated: false };
  if (given !== undefined) return { password: given, generated: false };
  const terminal = process.stdin.isTTY && process.stderr.isTTY && !json;
  const typed = terminal ? await askHidden('Password (empty for a generated one): ') : '';
  return typed === ''
    ? { password: token(systemRandom, 12), generated: true }
    : { password: typed, generated: false };
}

/** True where a person agreed; where nobody can be asked, the command line is the answer. */
export async function agreed(question: string): Promise<boolean> {
  if (!process.stdin.isTTY || !process.stderr.isTTY) return true;
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  const answer = await lines.question(`${question} [y/N] `);
  lines.close();
  return /^y(es)?$/i.test(answer.trim());
}

async function askHidden(question: string): Promise<string> {
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input: process.stdin, output: nowhere, terminal: true });
  process.stderr.write(question); // only now: the terminal has stopped showing what is typed
  lines.on('SIGINT', () => process.exit(130));
  const typed = await lines.question('');
  lines.close();
  process.stderr.write('\n');
  return typed;
}

async function firstLine(): Promise<string> {
  for await (const line of createInterface({ input: process.stdin })) return line;
  throw new Failure('usage', 'expected a password on standard input');
}
