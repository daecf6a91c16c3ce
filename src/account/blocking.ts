import { el, type Element } from '../xmpp/element.ts';
import { StanzaError } from '../xmpp/error.ts';
import { Jid } from '../xmpp/jid.ts';
import { NS } from '../xmpp/namespaces.ts';
import type { Account } from './account.ts';
import { accountRows } from './accountrows.ts';
import { Blocks, isBlocked, itemsOf, pushBlocks, saw, writeBlocks } from './blocks.ts';
import { broadcastOf, unavailable } from './broadcast.ts';
import type { Feature, Handler, Request } from './iq.ts';
import { probe } from './presence.ts';
import { keep } from './record.ts';
import { withRoster } from './roster.ts';
import { sendPassing } from './route.ts';
import type { Session } from './session.ts';

/** Whom the account blocks (XEP-0191). What that means for stanzas stands with them: blocks.ts says who looks. */
export const blocking: Feature = {
  account: handlers(),
  // It is the server that announces it (§3.1): who asks there is answered.
  server: handlers(),
  serverFeatures: [NS.blocking],
};

function handlers(): Record<string, Handler> {
  return {
    [`get blocklist ${NS.blocking}`]: list,
    [`set block ${NS.blocking}`]: block,
    [`set unblock ${NS.blocking}`]: unblock,
  };
}

/** §3.2; who asks gets the changes from here on. */
function list({ account, session }: Request): Element {
  const { blocks } = account;
  saw(session, blocks?.version ?? 0);
  return el('blocklist', NS.blocking, {}, itemsOf(blocks?.jids ?? []));
}

/** §3.3 */
function block(request: Request): undefined {
  const { account, work, payload } = request;
  const wanted = addressesIn(payload);
  if (wanted.length === 0) throw new StanzaError('bad-request', 'nobody is named');
  const most = account.partition.env.limits.blocked;
  work.step(() => {
    const before = account.blocks;
    const jids = new Set([...(before?.jids ?? []), ...wanted.map(({ full }) => full)]);
    if (jids.size > most) throw new StanzaError('policy-violation', `more than ${most} addresses`);
    change(request, jids);
    const added = new Blocks(
      0,
      wanted.map(({ full }) => full).filter((full) => before?.jids.has(full) !== true),
    );
    work.after(() => part(account, added, before));
  });
  return undefined;
}

/** §3.4, and §3.5 where nobody is named. */
function unblock(request: Request): undefined {
  const { account, work, payload } = request;
  const wanted = addressesIn(payload);
  work.step(() => {
    const before = account.blocks;
    const jids = new Set(before?.jids);
    if (wanted.length === 0) jids.clear();
    for (const { full } of wanted) jids.delete(full);
    change(request, jids);
    const removed = new Blocks(
      0,
      [...(before?.jids ?? [])].filter((jid) => !jids.has(jid)),
    );
    work.after(() => rejoin(account, removed));
  });
  return undefined;
}

function change({ account, work, payload }: Request, jids: ReadonlySet<string>): void {
  const next = new Blocks((account.blocks?.version ?? 0) + 1, jids);
  account.blocks = next;
  work.write(accountRows.blocked, [account.partition.id, account.id, writeBlocks(next)]);
  const told = el(payload.name, NS.blocking, {}, itemsOf(addressesIn(payload).map(({ full }) => full)));
  work.after(() => pushBlocks(account, told));
}

function addressesIn(payload: Element): Jid[] {
  return payload.elements('item').map((item) => {
    const { jid } = item.attrs;
    if (jid === undefined) throw new StanzaError('bad-request', 'an item without an address');
    const address = Jid.parse(jid);
    if (address === undefined) throw new StanzaError('jid-malformed', 'an item is not an address');
    return address;
  });
}

// ── presence ────────────────────────────────────────────────────────────────────────────────────────────────────────

/** §3.3: whoever saw the account's presence and is blocked now sees it go. */
function part(account: Account, added: Blocks, before: Blocks | undefined): void {
  const { partition } = account;
  const fresh = (jid: Jid) => added.has(jid) && before?.has(jid) !== true && isBlocked(account, jid);
  const leave = (session: Session, to: Jid) =>
    sendPassing(partition, to, unavailable(session.full).element(to.full));
  for (const session of account.sessions) {
    for (const address of [...(session.directed ?? [])]) {
      const to = Jid.parse(address);
      if (to === undefined || !fresh(to)) continue;
      session.directed?.delete(address);
      keep(session);
      partition.touch(session);
      leave(session, to);
    }
  }
  withRoster(account, (roster) => {
    for (const to of subscribers(
      added,
      [...roster].filter(({ from }) => from),
    )) {
      if (!fresh(to)) continue;
      for (const session of account.sessions) if (session.available) leave(session, to);
    }
  });
}

/** §3.4: they see it again; and so do we theirs, which may have changed meanwhile. */
function rejoin(account: Account, removed: Blocks): void {
  const { partition } = account;
  withRoster(account, (roster) => {
    for (const to of subscribers(
      removed,
      [...roster].filter(({ from }) => from),
    )) {
      if (isBlocked(account, to)) continue;
      for (const session of account.sessions)
        if (session.available && !session.dormant)
          sendPassing(partition, to, broadcastOf(session).element(to.full));
    }
    for (const to of subscribers(
      removed,
      [...roster].filter((item) => item.to),
    ))
      if (!isBlocked(account, to))
        for (const session of account.sessions) if (session.available) probe(session, to.bare, true);
  });
}

/** Of these contacts, whom the list names; a resource where it names one. */
function subscribers(blocks: Blocks, items: readonly { readonly contact: string }[]): Jid[] {
  const found: Jid[] = [];
  for (const { contact } of items) {
    const jid = Jid.parse(contact);
    if (jid === undefined) continue;
    if (blocks.has(jid)) found.push(jid);
    else
      for (const entry of blocks.jids)
        if (entry.startsWith(`${contact}/`)) found.push(Jid.parse(entry) ?? jid);
  }
  return found;
}
