import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:os';
import { canLosePackets, inNamespace } from '../../cluster/packets.ts';

/**
 * Where links can really lose packets, runs this very program once more in a network namespace of its own, with more
 * arguments; resolves with its exit code. Undefined where that is not possible.
 */
export async function enclosed(more: readonly string[]): Promise<number | undefined> {
  if (!canLosePackets()) return undefined;
  const [command, args] = inNamespace([process.execPath, ...process.argv.slice(1), ...more]);
  const child = spawn(command, args, { stdio: 'inherit' });
  // Who is ended by a signal passes it on, and waits until the other has cleared away what it started.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => child.kill(signal));
  const [code, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null];
  return code ?? 128 + constants.signals[signal!];
}
