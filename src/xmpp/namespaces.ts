/** Every XML namespace the house knows, by the short name the code uses for it. */
export const NS = Object.freeze({
  /** RFC 6120 §11.2: default namespace of client streams. */
  client: 'jabber:client',
  server: 'jabber:server',
  component: 'jabber:component:accept',
  stream: 'http://etherx.jabber.org/streams',
  streams: 'urn:ietf:params:xml:ns:xmpp-streams',
  stanzas: 'urn:ietf:params:xml:ns:xmpp-stanzas',
  tls: 'urn:ietf:params:xml:ns:xmpp-tls',
  sasl: 'urn:ietf:params:xml:ns:xmpp-sasl',
  bind: 'urn:ietf:params:xml:ns:xmpp-bind',
  /** RFC 3921 §3; advertised as optional. */
  session: 'urn:ietf:params:xml:ns:xmpp-session',
  /** RFC 7395. */
  framing: 'urn:ietf:params:xml:ns:xmpp-framing',
  xml: 'http://www.w3.org/XML/1998/namespace',

  roster: 'jabber:iq:roster',
  rosterver: 'urn:xmpp:features:rosterver',
  preapproval: 'urn:xmpp:features:pre-approval',
  privacy: 'jabber:iq:privacy',
  private: 'jabber:iq:private',
  register: 'jabber:iq:register',
  registerFeature: 'http://jabber.org/features/iq-register',
  version: 'jabber:iq:version',
  last: 'jabber:iq:last',
  ping: 'urn:xmpp:ping',
  time: 'urn:xmpp:time',
  discoInfo: 'http://jabber.org/protocol/disco#info',
  discoItems: 'http://jabber.org/protocol/disco#items',
  caps: 'http://jabber.org/protocol/caps',
  commands: 'http://jabber.org/protocol/commands',
  dataForms: 'jabber:x:data',
  rsm: 'http://jabber.org/protocol/rsm',
  sm: 'urn:xmpp:sm:3',
  csi: 'urn:xmpp:csi:0',
  delay: 'urn:xmpp:delay',
  sid: 'urn:xmpp:sid:0',
  occupantId: 'urn:xmpp:occupant-id:0',
  carbons: 'urn:xmpp:carbons:2',
  forward: 'urn:xmpp:forward:0',
  mam: 'urn:xmpp:mam:2',
  mamExtended: 'urn:xmpp:mam:2#extended',
  hints: 'urn:xmpp:hints',
  chatstates: 'http://jabber.org/protocol/chatstates',
  receipts: 'urn:xmpp:receipts',
  markers: 'urn:xmpp:chat-markers:0',
  blocking: 'urn:xmpp:blocking',
  /** XEP-0160 advertises this string. */
  offline: 'msgoffline',
  /** XEP-0022 events and XEP-0023 expiry, obsolete, still seen. */
  event: 'jabber:x:event',
  /** XEP-0091 delay, obsolete, still seen. */
  legacyDelay: 'jabber:x:delay',
  /** XEP-0013. */
  vcard: 'vcard-temp',
  vcardUpdate: 'vcard-temp:x:update',
  vcard4: 'urn:ietf:params:xml:ns:vcard-4.0',
  conference: 'jabber:x:conference',
  muc: 'http://jabber.org/protocol/muc',
  /** XEP-0317. */
  hats: 'urn:xmpp:hats:0',
  /** XEP-0033. */
  addresses: 'http://jabber.org/protocol/address',
  mucUser: 'http://jabber.org/protocol/muc#user',
  mucAdmin: 'http://jabber.org/protocol/muc#admin',
  mucOwner: 'http://jabber.org/protocol/muc#owner',
  pubsub: 'http://jabber.org/protocol/pubsub',
  pubsubEvent: 'http://jabber.org/protocol/pubsub#event',
  pubsubOwner: 'http://jabber.org/protocol/pubsub#owner',
  pubsubErrors: 'http://jabber.org/protocol/pubsub#errors',
  /** Between owners of accounts: no client can send anything of it, for a stanza has another name. */
  between: 'urn:muster:between',
  push: 'urn:xmpp:push:0',
  /** XEP-0440. */
  channelBinding: 'urn:xmpp:sasl-cb:0',
  sasl2: 'urn:xmpp:sasl:2',
  bind2: 'urn:xmpp:bind:0',
  pubsubPublishOptions: 'http://jabber.org/protocol/pubsub#publish-options',
  pubsubNodeConfig: 'http://jabber.org/protocol/pubsub#node_config',
  pubsubMetaData: 'http://jabber.org/protocol/pubsub#meta-data',
  pubsubSubscribeOptions: 'http://jabber.org/protocol/pubsub#subscribe_options',
  shim: 'http://jabber.org/protocol/shim',
  capsOptimize: 'http://jabber.org/protocol/caps#optimize',
  /** XEP-0402 and XEP-0048. */
  bookmarks: 'urn:xmpp:bookmarks:1',
  /** XEP-0411. */
  bookmarksConversion: 'urn:xmpp:bookmarks-conversion:0',
  legacyBookmarks: 'storage:bookmarks',
  /** XEP-0145, in private storage. */
  avatarData: 'urn:xmpp:avatar:data',
  avatarMetadata: 'urn:xmpp:avatar:metadata',
  pepVcardConversion: 'urn:xmpp:pep-vcard-conversion:0',
  /** XEP-0490. */
  blockingErrors: 'urn:xmpp:blocking:errors',
  upload: 'urn:xmpp:http:upload:0',
  /** XEP-0363 §5. */
  uploadPurpose: 'urn:xmpp:http:upload:purpose:0',
  extdisco: 'urn:xmpp:extdisco:2',
  serverInfo: 'http://jabber.org/network/serverinfo',
  admin: 'http://jabber.org/protocol/admin',
  pushSummary: 'urn:xmpp:push:summary',
  retract: 'urn:xmpp:message-retract:1',
  moderate: 'urn:xmpp:message-moderate:1',
  /** XEP-0372 and XEP-0452. */
  reference: 'urn:xmpp:reference:0',
  mentions: 'urn:xmpp:mmn:0',
  /** XEP-0433. */
  search: 'urn:xmpp:channel-search:0:search',
  searchParams: 'urn:xmpp:channel-search:0:search-params',
  searchError: 'urn:xmpp:channel-search:0:error',
  httpbind: 'http://jabber.org/protocol/httpbind',
  xbosh: 'urn:xmpp:xbosh',
  fast: 'urn:xmpp:fast:0',
  /** XEP-0480. */
  saslUpgrade: 'urn:xmpp:sasl:upgrade:0',
  scramUpgrade: 'urn:xmpp:scram-upgrade:0',
  /** XEP-0227. */
  pie: 'urn:xmpp:pie:0',
  /** XEP-0478. */
  limits: 'urn:xmpp:stream-limits:0',
} as const);
