import { hash } from 'node:crypto';
import { same } from '../../base/same.ts';
import type { Down, Handshake } from '../../link/frames.ts';
import type { Peer } from '../../mesh/mesh.ts';
import type { Account } from '../account.ts';
import { bind } from '../bind.ts';

/** The resource of a component's one session: nobody is addressed by it. */
const resource = 'component';

/**
 * A component authenticates (XEP-0114 §3): the mux knows the id of its stream and what it said, and here is the secret. If
 * it fits, the connection is bound; another one of the same component is over then (`conflict`), because the newest one is
 * that of a component which lost the last. Runs in the account's mailbox.
 */
export function shake(account: Account, from: Peer, frame: Handshake): Promise<void> {
  const { partition, address } = account;
  const { env, id, epoch } = partition;
  const secret = env.components?.get(address)?.secret;
  if (secret === undefined || !holds(frame, secret)) {
    env.count('login-failed');
    const text = undefined;
    const refused = {
      t: 'refused',
      partition: id,
      epoch,
      conn: frame.conn,
      condition: 'not-authorized',
      text,
    } satisfies Down;
    env.mesh.send(from, 'mux', refused);
    return Promise.resolve();
  }
  const { conn, info } = frame;
  return bind(account, from, {
    t: 'bind',
    partition: id,
    epoch,
    conn,
    account: address,
    proof: '',
    info,
    resource,
  });
}

function holds({ stream, digest }: Handshake, secret: string): boolean {
  return same(hash('sha1', `${stream}${secret}`, 'hex'), digest);
}
