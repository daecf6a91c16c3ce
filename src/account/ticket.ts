import { createHmac, createSecretKey, hash, type KeyObject } from 'node:crypto';
import { same } from '../base/same.ts';
import type { Link, Proven } from '../link/frames.ts';
import type { Peer } from '../mesh/mesh.ts';
import type { Env } from './env.ts';

/** Proves to any owner that this mux was given the session, in this generation (DESIGN §5, ticket). */
export function ticketFor(env: Env, mux: Peer, session: number, account: string, generation: number): string {
  return createHmac('sha256', keyOf(env.secret))
    .update(JSON.stringify([session, account, generation, mux]))
    .digest('base64url');
}

export function ticketHolds(env: Env, mux: Peer, link: Omit<Link, 'resource'>): boolean {
  return same(ticketFor(env, mux, link.session, link.account, link.generation), link.ticket);
}

/** Proves to any owner that a connection of this mux has authenticated as this account. */
export function proofFor(env: Env, mux: Peer, conn: number, account: string): string {
  return createHmac('sha256', keyOf(env.secret))
    .update(JSON.stringify(['login', conn, account, mux]))
    .digest('base64url');
}

export function proofHolds(env: Env, mux: Peer, { conn, account, proof }: Proven): boolean {
  return same(proofFor(env, mux, conn, account), proof);
}

/** Made once: Node makes a key object of bytes in a way that costs four times the hash. */
function keyOf(secret: Uint8Array): KeyObject {
  let key = secretKeys.get(secret);
  if (key === undefined) secretKeys.set(secret, (key = createSecretKey(secret)));
  return key;
}

const secretKeys = new WeakMap<Uint8Array, KeyObject>();

/** What the store keeps of a resume token. */
export function hashOf(token: string): Uint8Array {
  return new Uint8Array(hash('sha256', token, 'buffer'));
}

/** The SM-ID names the session, so that any mux can route it, and carries the token that only its client knows. */
export function previdOf(session: number, token: string): string {
  return `${session.toString(36)}-${token}`;
}

export function readPrevid(previd: string): { session: number; token: string } | undefined {
  const parts = /^([0-9a-z]{1,11})-([A-Za-z0-9_-]{16,64})$/.exec(previd);
  if (parts === null) return undefined;
  const session = Number.parseInt(parts[1]!, 36);
  return Number.isSafeInteger(session) ? { session, token: parts[2]! } : undefined;
}

export function tokenHolds(stored: Uint8Array, token: string): boolean {
  return same(stored, hashOf(token));
}
