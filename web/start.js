// Starts Converse.js against the server that this page came from. Nothing is asked of any other host.
const settings = await (await fetch('/settings.json')).json();
document.title = settings.community;
await import('/brand.js');
await new Promise((resolve, reject) => {
  // as an element, because Converse.js finds its other files by the address in it
  const script = document.createElement('script');
  Object.assign(script, {
    type: 'module',
    src: '/converse/converse.min.js',
    onload: resolve,
    onerror: reject,
  });
  document.head.append(script);
});

const { converse } = globalThis;
await converse.initialize({
  assets_path: '/converse/',
  websocket_url: `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/ws`,
  discover_connection_methods: false,
  ...(settings.domains.length === 1
    ? { locked_domain: settings.domain }
    : { default_domain: settings.domain }),
  allow_registration: settings.registration,
  registration_domain: settings.domain,
  domain_placeholder: settings.domain,
  view_mode: 'fullscreen',
  theme: 'classic', // of those of the style sheet; its documentation names others
  reuse_scram_keys: false,
  enable_smacks: true,
  auto_reconnect: true,
  message_archiving: 'always',
  autocomplete_providers_url: '',
  xmpp_providers_url: '',
  providers_link: '',
  // without one there is no field to type the name of a room in; no other host is asked
  muc_search_service: `conference.${settings.domain}`,
  embed_3rd_party_media_players: false,
  fetch_url_headers: false,
  render_media: [location.hostname, ...(settings.files === undefined ? [] : [settings.files])],
});
