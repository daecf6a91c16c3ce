import { sql } from '../store/store.ts';
import { el, type Element } from '../xmpp/element.ts';
import { StanzaError } from '../xmpp/error.ts';
import { NS } from '../xmpp/namespaces.ts';
import { parseStored } from '../xmpp/parser.ts';
import { serialise } from '../xmpp/serialise.ts';
import type { Account } from './account.ts';
import type { Feature, Request } from './iq.ts';
import { settled } from './roster.ts';
import { softwareName } from './version.ts';

const rows = {
  load: sql`select xml from vcard where partition = $1 and account = $2`,
  put: sql`insert into vcard (partition, account, xml) values ($1, $2, $3)
    on conflict (partition, account) do update set xml = excluded.xml`,
  remove: sql`delete from vcard where partition = $1 and account = $2`,
};

const empty = el('vCard', NS.vcard);
const get = `get vCard ${NS.vcard}`;
const set = `set vCard ${NS.vcard}`;

/** vcard-temp (XEP-0054): the world may read it (§6). */
export const vcard: Feature = {
  account: {
    // §3.1: empty rather than an error, for clients that ask unconditionally.
    [get]: async ({ account }) => (await vcardOf(account)) ?? empty,
    [set]: write,
  },
  visitors: {
    [get]: async ({ account }) => {
      const found = await vcardOf(account);
      // §3.3: the same as where there is no such account.
      if (found === undefined) throw new StanzaError('service-unavailable');
      return found;
    },
  },
  // §3.2: of somebody else, whether or not they exist.
  blind: { [set]: refuse },
  server: { [get]: ofServer, [set]: refuse },
  serverFeatures: [NS.vcard],
  accountFeatures: [NS.vcard],
};

function refuse(): never {
  throw new StanzaError('forbidden');
}

async function vcardOf(account: Account): Promise<Element | undefined> {
  const { partition } = account;
  await settled(account);
  const [row] = await partition.env.store.query<{ xml: string }>(rows.load, [partition.id, account.id]);
  return row === undefined ? undefined : parseStored(row.xml);
}

function write({ account, payload, work }: Request): undefined {
  const { partition } = account;
  if (payload.elements().length === 0) {
    work.write(rows.remove, [partition.id, account.id]);
    return;
  }
  const xml = serialise(payload);
  const most = partition.env.limits.vcard;
  if (Buffer.byteLength(xml) > most)
    throw new StanzaError('policy-violation', `a vCard has at most ${most} bytes`);
  work.write(rows.put, [partition.id, account.id, xml]);
}

/** §3.3, note: a server has one, too. */
function ofServer({ to }: Request): Element {
  return el('vCard', NS.vcard, {}, [
    el('FN', NS.vcard, {}, [to]),
    el('DESC', NS.vcard, {}, [`an XMPP server: ${softwareName}`]),
    el('JABBERID', NS.vcard, {}, [to]),
  ]);
}
