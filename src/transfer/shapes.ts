import { NS } from '../xmpp/namespaces.ts';

/**
 * What a `<user/>` of XEP-0227 may hold, by name: the element itself, or the children of one that may be of any length
 * (`within`), which then come one by one.
 */
export interface Shape {
  readonly name: string;
  readonly ns: string;
  /** It is a child of this one. */
  readonly within?: { readonly name: string; readonly ns: string } | undefined;
}

/** What writes and reads them are the files of `parts.ts`, by the same names. */
export type PartName =
  | 'keys'
  | 'roster'
  | 'request'
  | 'offline'
  | 'archive'
  | 'preferences'
  | 'vcard'
  | 'private'
  | 'privacy'
  | 'blocked'
  | 'node'
  | 'item';

/** XEP-0227 §4.3: SCRAM credentials. §4.10: archives. */
export const SCRAM = 'urn:xmpp:pie:0#scram';
export const ARCHIVE = 'urn:xmpp:pie:0#mam';
/** That of drafts, which ejabberd 2 wrote. */
export const DRAFT = 'http://www.xmpp.org/extensions/xep-0227.html#ns';
/** Attributes of our own, without which a file is as good for others: what survives between two of us. */
export const OWN = 'urn:muster:pie:0';

const rosterQuery = { name: 'query', ns: NS.roster };
const offlineMessages = { name: 'offline-messages', ns: NS.pie };
const archive = { name: 'archive', ns: ARCHIVE };
const privateQuery = { name: 'query', ns: NS.private };
const owner = { name: 'pubsub', ns: NS.pubsubOwner };
const items = { name: 'items', ns: NS.pubsub };
const blocklist = { name: 'blocklist', ns: NS.blocking };

export const shapes: Readonly<Record<PartName, readonly Shape[]>> = {
  keys: [{ name: 'scram-credentials', ns: SCRAM }],
  roster: [{ name: 'item', ns: NS.roster, within: rosterQuery }],
  request: [{ name: 'presence', ns: NS.client }],
  offline: [{ name: 'message', ns: NS.client, within: offlineMessages }],
  archive: [{ name: 'result', ns: NS.mam, within: archive }],
  preferences: [{ name: 'prefs', ns: NS.mam }],
  vcard: [{ name: 'vCard', ns: NS.vcard }],
  private: [{ name: '*', ns: '*', within: privateQuery }],
  privacy: [{ name: 'query', ns: NS.privacy }],
  blocked: [{ name: 'item', ns: NS.blocking, within: blocklist }],
  node: ['configure', 'affiliations', 'subscriptions'].map((name) => ({
    name,
    ns: NS.pubsubOwner,
    within: owner,
  })),
  item: [{ name: 'item', ns: NS.pubsub, within: items }],
};

/** Between `<user/>` and what stands `within` it, where there is one more level. */
export const levels = [{ name: 'pubsub', ns: NS.pubsub }];

export const partNames = Object.keys(shapes) as PartName[];
