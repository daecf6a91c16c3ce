import { spawnSync } from 'node:child_process';
import type { Direction } from './proxy.ts';

/**
 * Loses the packets of certain loopback ports, as a broken network does: nothing is refused and nobody is told. Needs
 * root; only for a network namespace of one's own (`inNamespace`), where it concerns nobody else.
 */
export function losePackets(ports: readonly number[], direction: Direction): void {
  const set = `{ ${ports.join(', ')} }`;
  const rules = [
    ...(direction === 'in' ? [] : [`tcp dport ${set} drop`]),
    ...(direction === 'out' ? [] : [`tcp sport ${set} drop`]),
  ];
  const chain = ['chain lost {', 'type filter hook input priority 0', ...rules, '}'].join('\n');
  nft(`table inet ${tableOf(ports)} {\n${chain}\n}`);
}

/** Undoes `losePackets` of these ports. */
export function keepPackets(ports: readonly number[]): void {
  nft(`add table inet ${tableOf(ports)}\ndelete table inet ${tableOf(ports)}`);
}

/** Whether this process may make network namespaces and rules in them. */
export function canLosePackets(): boolean {
  const tried = spawnSync('unshare', ['-n', 'sh', '-c', 'ip link set lo up && nft list ruleset'], {
    stdio: 'ignore',
  });
  return tried.status === 0;
}

/** The command line that runs a program in a network namespace of its own, with a loopback and nothing else. */
export function inNamespace(command: readonly string[]): [string, string[]] {
  return ['unshare', ['-n', 'sh', '-c', 'ip link set lo up && exec "$@"', 'sh', ...command]];
}

function tableOf(ports: readonly number[]): string {
  return `muster_${Math.min(...ports)}`;
}

function nft(script: string): void {
  const { status, stderr } = spawnSync('nft', ['-f', '-'], { input: `${script}\n`, encoding: 'utf8' });
  if (status !== 0) throw new Error(`nft: ${stderr}`);
}
