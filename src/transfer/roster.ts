import { accountRows } from '../account/accountrows.ts';
import { Item } from '../account/item.ts';
import { rosterParams, rosterRows, type RosterRow } from '../account/roster.ts';
import { el, type Element } from '../xmpp/element.ts';
import { Jid } from '../xmpp/jid.ts';
import { NS } from '../xmpp/namespaces.ts';
import { parseStored } from '../xmpp/parser.ts';
import { serialise } from '../xmpp/serialise.ts';
import type { Arrived, Intake } from './intake.ts';
import type { Part } from './parts.ts';
import { OWN } from './shapes.ts';
import type { Source } from './source.ts';

/**
 * The contacts (XEP-0227 §4.4). With each goes the change number of its last change, so that clients go on with the
 * version that they have.
 */
export const roster: Part = { give: giveRoster, take: takeItems, end: write };
/** Requests that wait for an answer (XEP-0227 §4.9). */
export const request: Part = { give: giveRequests, take: takeRequests };

/** What is forgotten of versions: tombstones are not written. */
export async function floorOf(source: Source): Promise<number> {
  const found = await rowsOf(source);
  return found.reduce(
    (floor, { contact, subscription, cn }) =>
      contact === '' || subscription === 'removed' ? Math.max(floor, cn) : floor,
    0,
  );
}

/** Three ask for them; an account has one roster, which is bounded. */
function rowsOf(source: Source): Promise<readonly RosterRow[]> {
  let read = known.get(source);
  if (read === undefined) {
    const { store, partition, account } = source;
    read = store.query<RosterRow>(rosterRows.load, [partition, account]);
    known.set(source, read);
  }
  return read;
}

const known = new WeakMap<Source, Promise<readonly RosterRow[]>>();

async function* giveRoster(source: Source): AsyncGenerator<string> {
  const found = await rowsOf(source);
  const listed = found.filter(({ contact, subscription }) => contact !== '' && subscription !== 'removed');
  const version = found.reduce((most, { cn }) => Math.max(most, cn), 0);
  yield `<query xmlns="${NS.roster}" ver="${version}">`;
  for (const row of listed) {
    const groups = row.groups === '' ? [] : (JSON.parse(row.groups) as string[]);
    const attrs = {
      jid: row.contact,
      name: row.name === '' ? undefined : row.name,
      subscription: row.subscription,
      ask: row.ask === 1 ? 'subscribe' : undefined,
      approved: row.approved === 1 ? 'true' : undefined,
      [`{${OWN}}cn`]: String(row.cn),
    };
    const item = el(
      'item',
      NS.roster,
      attrs,
      groups.map((group) => el('group', NS.roster, {}, [group])),
    );
    yield serialise(item, NS.roster);
  }
  yield '</query>';
}

async function* giveRequests(source: Source): AsyncGenerator<string> {
  const { address } = source;
  for (const { contact, pending } of await rowsOf(source))
    if (pending !== null) {
      const stanza = parseStored(pending).with({ from: contact, to: address, type: 'subscribe' });
      yield serialise(stanza, '');
    }
}

async function takeItems(intake: Intake, pieces: readonly Arrived[]): Promise<void> {
  const contacts = await contactsOf(intake);
  const { roster: most } = intake.env.limits;
  let size = [...contacts.values()].filter(({ listed }) => listed).length;
  for (const { line, element } of pieces) {
    const item = itemOf(element);
    if (item === undefined || item.contact === intake.address) {
      intake.skip(line, 'a contact without a usable address is left out');
      continue;
    }
    const before = contacts.get(item.contact);
    // What is there stays: it may be what this very import stored before, or what people did since.
    if (before?.listed === true) continue;
    if (size >= most) {
      intake.skip(line, `${item.contact} is left out: a roster has at most ${most} contacts`);
      continue;
    }
    size += 1;
    const told = Number(element.attrs[`{${OWN}}cn`] ?? '');
    const cn = Number.isSafeInteger(told) && told > 0 && intake.mode !== 'merge' ? told : intake.number();
    intake.took(cn);
    change(intake, item.with({ cn, pending: item.from ? undefined : before?.pending }));
    intake.write(accountRows.rosterVersion, [intake.partition, intake.account, intake.last]);
  }
}

async function takeRequests(intake: Intake, pieces: readonly Arrived[]): Promise<void> {
  const contacts = await contactsOf(intake);
  for (const { line, element } of pieces) {
    const from = Jid.parse(element.attrs['from'] ?? '');
    if (element.attrs['type'] !== 'subscribe' || from === undefined || from.bare === intake.address) {
      intake.skip(line, 'only requests for subscription are taken, and those with an address');
      continue;
    }
    const before = contacts.get(from.bare) ?? Item.unknown(from.bare);
    if (before.pending !== undefined || before.from) continue;
    const stanza = element.with({ from: from.bare, to: intake.address });
    change(intake, before.with({ pending: serialise(stanza) }));
  }
}

function itemOf(element: Element): Item | undefined {
  const jid = Jid.parse(element.attrs['jid'] ?? '');
  const { subscription = 'none', ask, approved, name = '' } = element.attrs;
  if (jid === undefined || jid.bare === '') return undefined;
  if (subscription !== 'none' && subscription !== 'to' && subscription !== 'from' && subscription !== 'both')
    return undefined;
  const groups = new Set(element.elements('group').map((group) => group.text()));
  groups.delete('');
  return Item.unknown(jid.bare).with({
    name,
    subscription,
    ask: ask === 'subscribe' && subscription !== 'to' && subscription !== 'both',
    approved: approved === 'true' || approved === '1',
    groups: [...groups],
  });
}

/** All contacts of the account with what this unit changes: a unit has one op a contact. */
async function contactsOf(intake: Intake): Promise<Map<string, Item>> {
  if (intake.contacts !== undefined) return intake.contacts;
  const found = await intake.store.query<RosterRow>(rosterRows.load, [intake.partition, intake.account]);
  intake.contacts = new Map(
    found.map((row) => [
      row.contact,
      new Item(row.contact, {
        name: row.name,
        subscription: row.subscription,
        ask: row.ask === 1,
        pending: row.pending ?? undefined,
        approved: row.approved === 1,
        groups: row.groups === '' ? [] : (JSON.parse(row.groups) as string[]),
        cn: row.cn,
      }),
    ]),
  );
  return intake.contacts;
}

const changed = new WeakMap<Intake, Set<string>>();

function change(intake: Intake, item: Item): void {
  intake.contacts!.set(item.contact, item);
  const list = changed.get(intake) ?? new Set();
  changed.set(intake, list.add(item.contact));
}

function write(intake: Intake): void {
  for (const contact of changed.get(intake) ?? [])
    intake.write(
      rosterRows.put,
      rosterParams(intake.partition, intake.account, intake.contacts!.get(contact)!),
    );
}
