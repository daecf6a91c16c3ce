import { token } from '../base/random.ts';
import { el, type Element } from '../xmpp/element.ts';
import type { Jid } from '../xmpp/jid.ts';
import { NS } from '../xmpp/namespaces.ts';
import type { Account } from './account.ts';
import { accountRows } from './accountrows.ts';
import type { Emptying, Feature, Publication } from './iq.ts';
import { imageOf, type Image } from './photo.ts';
import { repeat } from './presence.ts';
import { barrier, seenBy } from './pubsub/access.ts';
import type { Nodes } from './pubsub/nodes.ts';
import { publish } from './pubsub/pep.ts';
import { itemOf } from './pubsub/retrieve.ts';
import { nodesOf } from './pubsub/shelf.ts';
import { settled } from './roster.ts';
import type { Work } from './work.ts';

/**
 * One image for clients of both kinds (XEP-0398). It is kept in the nodes of XEP-0084 alone; a vCard that is asked for gets
 * it as its photo, for who may see into the nodes (§5.2), so that neither can contradict the other. Its hash stands in the
 * account's row, for presence (adorn.ts).
 */
export const avatar: Feature = {
  published: { [NS.avatarMetadata]: published },
  emptied: { [NS.avatarMetadata]: none, [NS.avatarData]: none },
  accountFeatures: [NS.pepVcardConversion],
};

/** What a vCard's photo becomes is for the world, as the vCard is; nodes that are there stay as their owner made them. */
const settings = { access: 'open' } as const;

/** §3.1: a client tells of its avatar, whose data it has published before. Another one in its place, or none. */
async function published({ account, work, id, payload }: Publication): Promise<void> {
  await settled(account);
  // An old one is retracted.
  if (payload === undefined && (await nodesOf(account)).get(NS.avatarMetadata)?.last?.id !== id) return;
  turn(work, account, payload === undefined ? '' : await hashIn(account, payload));
}

async function none({ account, work }: Emptying): Promise<void> {
  await settled(account);
  turn(work, account, '');
}

/** The hash, as it is written, of the image that is here: "MUST pick the info element that does not point to an external URL". */
async function hashIn(account: Account, metadata: Element): Promise<string> {
  const nodes = await nodesOf(account);
  const info = metadata
    .elements('info', NS.avatarMetadata)
    .find(({ attrs }) => attrs['url'] === undefined && attrs['id'] !== undefined);
  const access = nodes.get(NS.avatarData)?.config.access;
  // §7: what is not for all who see our presence has no place in presence.
  const id = access === 'open' || access === 'presence' ? (info?.attrs['id'] ?? '') : '';
  return (await stored(account, nodes, id)) === undefined ? '' : id;
}

/** The image of the data node under its hash, which is checked. */
async function stored(account: Account, nodes: Nodes, id: string): Promise<Image | undefined> {
  const node = nodes.get(NS.avatarData);
  const item = node === undefined ? undefined : await itemOf(account, node, id);
  const payload = item?.payload;
  const image = payload?.is('data', NS.avatarData) === true ? imageOf(payload.text()) : undefined;
  return image?.hash === id.toLowerCase() ? image : undefined;
}

/** The avatar of an account, for who may see it; `settled` before. */
export async function avatarFor(account: Account, viewer: Jid): Promise<Image | undefined> {
  if (!account.avatar) return undefined;
  const nodes = await nodesOf(account);
  const seen = await seenBy(account, nodes, viewer);
  for (const name of [NS.avatarData, NS.avatarMetadata]) {
    const node = nodes.get(name);
    if (node === undefined || barrier(node, account.address, viewer, seen) !== undefined) return undefined;
  }
  return stored(account, nodes, account.avatar);
}

/** §3.2: the photo of a vCard that was set, or none, becomes the avatar; `settled` before. */
export async function setAvatar(work: Work, account: Account, image: Image | undefined): Promise<void> {
  if (image === undefined) {
    if (!account.avatar) return;
    // XEP-0084 §3.5.
    const id = token(account.partition.env.random, 15);
    await publish(work, account, NS.avatarMetadata, { id, payload: metadataOf() }, settings);
    turn(work, account, '');
    return;
  }
  const { hash } = image;
  const known =
    account.avatar === hash && (await stored(account, await nodesOf(account), hash)) !== undefined;
  if (known) return;
  await publish(work, account, NS.avatarData, { id: hash, payload: dataOf(image) }, settings);
  await publish(work, account, NS.avatarMetadata, { id: hash, payload: metadataOf(image) }, settings);
  turn(work, account, hash);
}

/** XEP-0084 §4.1. */
function dataOf({ base64 }: Image): Element {
  return el('data', NS.avatarData, {}, [base64]);
}

/** XEP-0084 §4.2.1. */
export function metadataOf(image?: Image): Element {
  if (image === undefined) return el('metadata', NS.avatarMetadata);
  const { hash, size, type, width, height } = image;
  const info = {
    bytes: `${size}`,
    id: hash,
    type,
    width: width === undefined ? undefined : `${width}`,
    height: height === undefined ? undefined : `${height}`,
  };
  return el('metadata', NS.avatarMetadata, {}, [el('info', NS.avatarMetadata, info)]);
}

/** Another hash from this unit on; when it is stored, presence says so. */
function turn(work: Work, account: Account, hash: string): void {
  work.step(() => {
    if ((account.avatar ?? '') === hash) return;
    work.write(accountRows.avatar, [account.partition.id, account.id, hash]);
    work.after(() => {
      const before = account.avatar;
      account.avatar = hash;
      repeat(account, before);
    });
  });
}
