import { token } from '../base/random.ts';
import type { Bind, Down, Enable } from '../link/frames.ts';
import type { Peer } from '../mesh/mesh.ts';
import { StanzaError } from '../xmpp/error.ts';
import { Jid } from '../xmpp/jid.ts';
import { serialise } from '../xmpp/serialise.ts';
import type { Account } from './account.ts';
import { beginWith, clearSpool, lookAround, taggedResource } from './bind2.ts';
import { deviceOf } from './device.ts';
import { endSession } from './end.ts';
import { keep } from './record.ts';
import { Session } from './session.ts';
import { sessionRows } from './sessionrows.ts';
import { hashOf, previdOf, ticketFor } from './ticket.ts';
import { Work } from './work.ts';

/**
 * Binds a resource (RFC 6120 §7): the session exists once its row is committed; then `entered` is called. Runs in the
 * account's mailbox.
 */
export async function bind(account: Account, from: Peer, frame: Bind): Promise<void> {
  const { partition } = account;
  const { env } = partition;
  const head = { partition: partition.id, epoch: partition.epoch, conn: frame.conn };
  try {
    const wait = partition.admit();
    if (wait > 0) throw new StanzaError('resource-constraint', `too many logins: try again in ${wait} s`);
    const { bind2 } = frame;
    const device =
      bind2?.agent === undefined ? undefined : deviceOf(env.secret, account.address, bind2.agent);
    const resource =
      bind2 === undefined
        ? resourceFor(account, frame.resource)
        : taggedResource(account, bind2.tag, device ?? token(env.random, 9));
    for (const holder of account.sessions.filter((one) => isReplaced(one, resource, device))) {
      holder.frame({
        t: 'close',
        condition: 'conflict',
        text: 'replaced by a new session of the same resource',
      });
      holder.mux = undefined;
      // oxlint-disable-next-line no-await-in-loop -- nearly always one
      endSession(holder);
    }
    await makeRoom(account);
    const found = bind2 === undefined ? undefined : await lookAround(account);
    const session = new Session(account, env.newId(), resource, env.clock.now(), account.head);
    session.info = frame.info;
    const enabled = bind2 === undefined ? undefined : beginWith(session, bind2);
    const work = new Work(account);
    const { pos, rpos } = session.cursor;
    work.write(sessionRows.add, [
      partition.id,
      session.id,
      account.id,
      resource,
      1,
      session.record(),
      pos,
      rpos,
      session.started,
    ]);
    if (session.token !== undefined)
      work.write(sessionRows.enable, [partition.id, session.id, session.token, 0]);
    work.write(sessionRows.addInbound, [partition.id, session.id]);
    work.onFailure(() => {
      forget(session);
      unbound(new StanzaError('internal-server-error', undefined, 'wait'));
    });
    work.after(() => {
      if (session.ended) {
        unbound(new StanzaError('conflict'));
        return;
      }
      if (from !== env.mesh.self && !env.mesh.peers().includes(from)) {
        endSession(session);
        return;
      }
      // Only now, so that nothing reaches the mux before `bound` does; what came meanwhile follows.
      session.mux = from;
      env.mesh.send(from, 'mux', {
        ...head,
        t: 'bound',
        session: session.id,
        account: account.address,
        resource,
        generation: 1,
        ticket: ticketFor(env, from, session.id, account.address, 1),
        enabled,
        told: found === undefined ? undefined : serialise(found.metadata),
      } satisfies Down);
      session.tellRecord();
      if (found !== undefined) clearSpool(account, found.spooled);
      session.resend();
      if (account.component) session.cursor.pump();
      env.count('login');
    });
    account.sessions.push(session);
    partition.sessions.set(session.id, session);
    if (account.component) {
      session.cursor.beginSpool();
      keep(session);
    }
    work.commit();
  } catch (error) {
    if (!(error instanceof StanzaError)) throw error;
    unbound(error);
  }

  function unbound({ type, condition, text }: StanzaError): void {
    env.mesh.send(from, 'mux', { ...head, t: 'unbound', type, condition, text } satisfies Down);
  }
}

/** RFC 6120 §7.7.2.2: the newer session takes the resource over; XEP-0386 §3.2: earlier ones of the same client end. */
function isReplaced({ resource }: Session, taken: string, device: string | undefined): boolean {
  return (
    resource === taken || (device !== undefined && (resource === device || resource.endsWith(`/${device}`)))
  );
}

/** RFC 6120 §7.6 and §7.7: the client's choice in normal form, or one of ours. */
function resourceFor(account: Account, wanted: string | undefined): string {
  if (wanted === undefined || wanted === '') return token(account.partition.env.random, 9);
  const jid = Jid.parse(`${account.address}/${wanted}`);
  if (jid === undefined || jid.resource === '')
    throw new StanzaError('bad-request', 'no address can have this resource');
  return jid.resource;
}

/** At the limit, the session that has waited longest to be resumed makes room; if all are in use, RFC 6120 §7.6.2.1. */
async function makeRoom(account: Account): Promise<void> {
  if (account.sessions.length < account.partition.env.limits.sessions) return;
  const oldest = account.sessions
    .filter((session) => session.mux === undefined)
    .sort((a, b) => a.expires - b.expires)[0];
  if (oldest === undefined) throw new StanzaError('resource-constraint', 'too many sessions of this account');
  endSession(oldest);
}

function forget(session: Session): void {
  const { account, partition } = session;
  session.ended = true;
  partition.sessions.delete(session.id);
  account.sessions.splice(account.sessions.indexOf(session), 1);
}

/** Turns on stream management (XEP-0198 §3); what makes the session resumable is committed before the client hears of it. */
export function enable(session: Session, frame: Enable): void {
  const { partition, account } = session;
  if (session.enabled !== undefined) return;
  const { env } = partition;
  const secret = frame.resume ? token(env.random) : undefined;
  const work = new Work(account, session);
  if (secret !== undefined)
    work.write(sessionRows.enable, [partition.id, session.id, hashOf(secret), frame.n]);
  work.after(() => {
    session.enabled = { n: frame.n, m: session.unacked.m };
    if (secret !== undefined) session.token = hashOf(secret);
    const id = secret === undefined ? undefined : previdOf(session.id, secret);
    session.frame({ t: 'enabled', n: frame.n, m: session.unacked.m, id, max: env.limits.resume });
  });
  work.commit();
}
