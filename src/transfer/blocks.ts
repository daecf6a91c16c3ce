import { accountRows } from '../account/accountrows.ts';
import { Blocks, readBlocks, writeBlocks } from '../account/blocks.ts';
import { sql } from '../store/store.ts';
import type { Element } from '../xmpp/element.ts';
import { Jid } from '../xmpp/jid.ts';
import { NS } from '../xmpp/namespaces.ts';
import { attribute } from '../xmpp/serialise.ts';
import type { Arrived, Intake } from './intake.ts';
import type { Part } from './parts.ts';

/**
 * Blocked addresses (XEP-0191) as a privacy list (XEP-0227 §4.8, XEP-0191 §5): its name is the one that ejabberd gives it.
 * Of lists from elsewhere what forbids an address everything is taken: that is all that blocking can say.
 */
export const privacy: Part = { give, take: takeLists };
/** As a blocklist, which others may write. */
export const blocked: Part = { take: takeItems };

const rows = { blocked: sql`select blocked from account where partition = $1 and id = $2` };
const listName = 'Blocked contacts';

async function* give({ store, partition, account }: Parameters<NonNullable<Part['give']>>[0]) {
  const [row] = await store.query<{ blocked: string | null }>(rows.blocked, [partition, account]);
  const jids = [...(readBlocks(row?.blocked ?? null)?.jids ?? [])];
  if (jids.length === 0) return;
  yield `<query xmlns="${NS.privacy}"><default name="${listName}"/><list name="${listName}">`;
  for (const [order, jid] of jids.entries())
    yield `<item type="jid" value="${attribute(jid)}" action="deny" order="${order + 1}"/>`;
  yield '</list></query>';
}

async function takeLists(intake: Intake, pieces: readonly Arrived[]): Promise<void> {
  const found: { line: number; jid: string }[] = [];
  for (const { line, element } of pieces) {
    const lists = element.elements('list');
    const chosen = element.child('default')?.attrs['name'];
    for (const list of lists) {
      if (list.attrs['name'] !== chosen) {
        intake.skip(line, `the privacy list ${list.attrs['name'] ?? ''} is left out: it is not in use`);
        continue;
      }
      for (const item of list.elements('item'))
        if (isBlock(item)) found.push({ line, jid: item.attrs['value'] ?? '' });
        else if (item.attrs['action'] !== 'allow')
          intake.skip(line, 'a rule of a privacy list is left out: only whole addresses are blocked');
    }
  }
  await block(intake, found);
}

async function takeItems(intake: Intake, pieces: readonly Arrived[]): Promise<void> {
  await block(
    intake,
    pieces.map(({ line, element }) => ({ line, jid: element.attrs['jid'] ?? '' })),
  );
}

/** XEP-0016 §2.1: without a kind of stanza it stands for all. */
function isBlock(item: Element): boolean {
  const { type, action } = item.attrs;
  const kinds = new Set(item.elements().map(({ name }) => name));
  const all = ['message', 'iq', 'presence-in', 'presence-out'].every((kind) => kinds.has(kind));
  return type === 'jid' && action === 'deny' && (kinds.size === 0 || all);
}

async function block(
  intake: Intake,
  wanted: readonly { readonly line: number; readonly jid: string }[],
): Promise<void> {
  const { store, partition, account } = intake;
  const [row] = await store.query<{ blocked: string | null }>(rows.blocked, [partition, account]);
  const before = pendingBlocks.get(intake) ?? readBlocks(row?.blocked ?? null);
  const jids = new Set(before?.jids);
  const { blocked: most } = intake.env.limits;
  for (const { line, jid: text } of wanted) {
    const jid = Jid.parse(text);
    if (jid === undefined || jid.bare === intake.address) intake.skip(line, 'a blocked address is none');
    else if (jids.size >= most && !jids.has(jid.full))
      intake.skip(line, `${jid.full} is not blocked: at most ${most} addresses are`);
    else jids.add(jid.full);
  }
  if (jids.size === (before?.jids.size ?? 0)) return;
  const after = new Blocks((before?.version ?? 0) + 1, jids);
  pendingBlocks.set(intake, after);
  intake.write(accountRows.blocked, [partition, account, writeBlocks(after)]);
}

/** What this unit says already. */
const pendingBlocks = new WeakMap<Intake, Blocks>();
