const pubsub = 'http://jabber.org/protocol/pubsub';

/** What asks for a feature, so that it answers with a result wherever it is announced. */
export const requests: Readonly<Record<string, readonly ['get' | 'set', string]>> = {
  'urn:xmpp:ping': ['get', "<ping xmlns='urn:xmpp:ping'/>"],
  'urn:xmpp:time': ['get', "<time xmlns='urn:xmpp:time'/>"],
  'jabber:iq:version': ['get', "<query xmlns='jabber:iq:version'/>"],
  'jabber:iq:last': ['get', "<query xmlns='jabber:iq:last'/>"],
  'jabber:iq:private': ['get', "<query xmlns='jabber:iq:private'><x xmlns='urn:x'/></query>"],
  'jabber:iq:register': ['get', "<query xmlns='jabber:iq:register'/>"],
  'vcard-temp': ['get', "<vCard xmlns='vcard-temp'/>"],
  'urn:xmpp:blocking': ['get', "<blocklist xmlns='urn:xmpp:blocking'/>"],
  'urn:xmpp:carbons:2': ['set', "<enable xmlns='urn:xmpp:carbons:2'/>"],
  'urn:xmpp:push:0': ['set', "<disable xmlns='urn:xmpp:push:0' jid='nobody.localhost'/>"],
  'urn:xmpp:extdisco:2': ['get', "<services xmlns='urn:xmpp:extdisco:2'/>"],
  'urn:xmpp:mam:2': ['get', "<query xmlns='urn:xmpp:mam:2'/>"],
  'urn:xmpp:mam:2#extended': ['get', "<metadata xmlns='urn:xmpp:mam:2'/>"],
  'http://jabber.org/protocol/pubsub': ['get', `<pubsub xmlns='${pubsub}'><subscriptions/></pubsub>`],
  'http://jabber.org/protocol/pubsub#retrieve-subscriptions': [
    'get',
    `<pubsub xmlns='${pubsub}'><subscriptions/></pubsub>`,
  ],
  'http://jabber.org/protocol/pubsub#retrieve-affiliations': [
    'get',
    `<pubsub xmlns='${pubsub}'><affiliations/></pubsub>`,
  ],
  'http://jabber.org/protocol/pubsub#retrieve-default': [
    'get',
    `<pubsub xmlns='${pubsub}#owner'><default/></pubsub>`,
  ],
  'http://jabber.org/protocol/pubsub#retrieve-default-sub': [
    'get',
    `<pubsub xmlns='${pubsub}'><default/></pubsub>`,
  ],
  'http://jabber.org/protocol/pubsub#instant-nodes': ['set', `<pubsub xmlns='${pubsub}'><create/></pubsub>`],
  'http://jabber.org/protocol/commands': [
    'get',
    "<query xmlns='http://jabber.org/protocol/disco#items' node='http://jabber.org/protocol/commands'/>",
  ],
  'urn:xmpp:http:upload:0': [
    'get',
    "<request xmlns='urn:xmpp:http:upload:0' filename='a.png' size='1' content-type='image/png'/>",
  ],
};

/** Announced, and nothing that one asks for: shown by other rows, or by test/account/pubsub.test.ts. */
export const silent: readonly RegExp[] = [
  /^http:\/\/jabber\.org\/protocol\/(pubsub#.+|caps(#optimize)?|disco#(info|items))$/,
  /^urn:xmpp:(http:upload:purpose:0#.+|message-retract:1(#tombstone)?|mam:2#groupchat-field|sid:0)$/,
  /^urn:xmpp:(bookmarks:1#compat(-pep)?|bookmarks-conversion:0|pep-vcard-conversion:0)$/,
  /^(urn:ietf:params:xml:ns:vcard-4\.0|msgoffline)$/,
  // Of rooms: test/rooms/disco.test.ts, test/rooms/search.test.ts and the transcripts ask for them.
  /^(http:\/\/jabber\.org\/protocol\/(muc(#stable_id)?|rsm)|urn:xmpp:(channel-search:0:search|occupant-id:0))$/,
];
