import { owns } from '../base/config.ts';
import type { Peer } from './mesh.ts';

/**
 * The names under which processes find each other on NATS. Who may say and hear which is in the server's hands
 * (docs/nats.md), so every subject names the side of its sender: what a message says of its sender is never asked.
 */

/** Owners of accounts or rooms (`a`, which may hold connections too) and processes that are a mux only (`m`). */
export type Side = 'a' | 'm';

export function sideOf(roles: readonly string[]): Side {
  return owns(roles) ? 'a' : 'm';
}

/** Both sides of a conversation, and what each is called. */
export interface End {
  readonly side: Side;
  readonly peer: Peer;
}

/** Packets from one process to another. */
export function inbox(to: End, from: End): string {
  return `muster.in.${to.side}.${encode(to.peer)}.${from.side}.${encode(from.peer)}`;
}

/** All packets to this process: a mux hears owners only. */
export function inboxes({ side, peer }: End): string {
  return `muster.in.${side}.${encode(peer)}.${side === 'm' ? 'a' : '*'}.*`;
}

export function here({ side, peer }: End): string {
  return `muster.here.${side}.${encode(peer)}`;
}

/** The beacons that a process listens to: a mux has nothing to do with other muxes. */
export function heres(side: Side): string {
  return side === 'm' ? 'muster.here.a.*' : 'muster.here.*.*';
}

/** Who sends this beacon; undefined where the subject is none. */
export function whose(subject: string): End | undefined {
  const [, , side, name, more] = subject.split('.');
  if ((side !== 'a' && side !== 'm') || name === undefined || more !== undefined) return undefined;
  const peer = decode(name);
  return peer === undefined ? undefined : { side, peer };
}

export function probe({ side, peer }: End): string {
  return `muster.probe.${side}.${encode(peer)}`;
}

/** Where answers to this side's requests go, followed by what the client library chooses. */
export function answers(side: Side): string {
  return `_INBOX_${side}`;
}

/** One token of a subject: no `.`, `*`, `>` or blank remains. */
function encode(peer: Peer): string {
  return encodeURIComponent(peer).replace(/[.*]/g, (char) => (char === '.' ? '%2E' : '%2A'));
}

function decode(token: string): Peer | undefined {
  try {
    const peer = decodeURIComponent(token);
    // One name, one subject: otherwise somebody could be there under two.
    return encode(peer) === token ? peer : undefined;
  } catch {
    return undefined;
  }
}
