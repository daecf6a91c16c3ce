import { sql } from '../store/store.ts';
import { el, type Element } from '../xmpp/element.ts';
import { StanzaError } from '../xmpp/error.ts';
import { Jid } from '../xmpp/jid.ts';
import { NS } from '../xmpp/namespaces.ts';
import { parseStored } from '../xmpp/parser.ts';
import { serialise } from '../xmpp/serialise.ts';
import type { Account } from './account.ts';
import { avatarFor, setAvatar } from './avatar.ts';
import type { Feature, Request } from './iq.ts';
import { photoIn, withoutPhotos, withPhoto } from './photo.ts';
import { settled } from './roster.ts';
import { softwareName } from '../base/version.ts';

const vcardRows = {
  load: sql`select xml from vcard where partition = $1 and account = $2`,
  put: sql`insert into vcard (partition, account, xml) values ($1, $2, $3)
    on conflict (partition, account) do update set xml = excluded.xml`,
  remove: sql`delete from vcard where partition = $1 and account = $2`,
};

const empty = el('vCard', NS.vcard);
const get = `get vCard ${NS.vcard}`;
const set = `set vCard ${NS.vcard}`;

/** vcard-temp (XEP-0054): the world may read it (§5). */
export const vcard: Feature = {
  account: {
    // §3.1: empty rather than an error, for clients that ask unconditionally.
    [get]: async ({ account, session }) => (await vcardOf(account, Jid.parse(session.full)!)) ?? empty,
    [set]: write,
  },
  visitors: {
    [get]: async ({ account, from }) => {
      const found = await vcardOf(account, from);
      // §3.3: the same as where there is no such account.
      if (found === undefined) throw new StanzaError('service-unavailable');
      return found;
    },
  },
  // §3.2: of somebody else, whether or not they exist.
  blind: { [set]: refuse },
  server: { [get]: ofServer, [set]: refuse },
  serverFeatures: [NS.vcard],
  // XEP-0292 §7: that one is an item of PEP like any other, and is kept apart.
  accountFeatures: [NS.vcard, NS.vcard4],
};

function refuse(): never {
  throw new StanzaError('forbidden');
}

/** As somebody sees it: with the avatar as its photo, if they may see that. */
async function vcardOf(account: Account, viewer: Jid): Promise<Element | undefined> {
  const { partition } = account;
  await settled(account);
  const [row] = await partition.env.store.query<{ xml: string }>(vcardRows.load, [partition.id, account.id]);
  const card = row === undefined ? undefined : parseStored(row.xml);
  const image = await avatarFor(account, viewer);
  return image === undefined ? card : withPhoto(card ?? empty, image);
}

/** Keeps all but the photo, which becomes the avatar (XEP-0398 §3.2). One that is no image that we know stays where it is. */
async function write({ account, payload, work }: Request): Promise<undefined> {
  const { partition } = account;
  const most = partition.env.limits.vcard;
  if (Buffer.byteLength(serialise(payload)) > most)
    throw new StanzaError('policy-violation', `a vCard has at most ${most} bytes`);
  await settled(account);
  const image = photoIn(payload);
  await setAvatar(work, account, image);
  const card = image === undefined ? payload : withoutPhotos(payload);
  const key = [partition.id, account.id];
  if (card.elements().length === 0) work.write(vcardRows.remove, key);
  else work.write(vcardRows.put, [...key, serialise(card)]);
}

/** §3.3, note: a server has one, too. */
function ofServer({ to }: Request): Element {
  return el('vCard', NS.vcard, {}, [
    el('FN', NS.vcard, {}, [to]),
    el('DESC', NS.vcard, {}, [`an XMPP server: ${softwareName}`]),
    el('JABBERID', NS.vcard, {}, [to]),
  ]);
}
