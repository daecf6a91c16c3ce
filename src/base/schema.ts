import { hostname } from 'node:os';
import { domainToASCII, domainToUnicode } from 'node:url';
import { z } from 'zod';
import { contactKinds, loopback, roles, type ContactKind, type Listen } from './config.ts';
import { defaultLimits, limitNames, limits, type Limits } from './limits.ts';

/** A leaf whose every complaint reads `expected …`; `configfile.ts` adds the key before it and the value behind it. */
const expected = (text: string) => ({ error: `expected ${text}` });
const word = (text: string) =>
  z.string(expected(text)).trim().min(1, expected(text)).max(255, expected(text));

function oneOf<const Values extends readonly [string, ...string[]]>(values: Values) {
  return z.enum(values, expected(values.length === 1 ? values[0] : `one of ${values.join(', ')}`));
}

function whole(min: number, max: number) {
  const error = expected(`a number from ${min} to ${max}`);
  return z.number(error).int(error).min(min, error).max(max, error);
}

const domainText = 'a domain name such as example.org';
/** RFC 7622 §3.2: a fully qualified domain name, a host name or an IP address, in the form in which it is compared. */
const domain = z
  .string(expected(domainText))
  .transform((text) => {
    const name = text.toLowerCase().replace(/\.$/, '');
    if (/^\[[0-9a-f:.]+\]$/.test(name)) return name;
    return /[\s/?#@:%\\]/.test(name) ? '' : domainToUnicode(domainToASCII(name));
  })
  .refine((name) => name.length <= 253 && labels.test(name), expected(domainText));
const labels =
  /^(\[[0-9a-f:.]+\]|(?!-)[\p{L}\p{M}\p{N}-]{1,63}(?<!-)(\.(?!-)[\p{L}\p{M}\p{N}-]{1,63}(?<!-))*)$/u;

const tlsMeaning =
  'starttls: begins in clear and turns to TLS before login; required: TLS from the first byte; off: no TLS, for a trusted network only.';

function listener(
  about: string,
  defaults: { host: string; port: number; tls: Listen['tls'] },
  tls: Listen['tls'][],
) {
  const shape = z.strictObject({
    host: word('a host name or an address').default(defaults.host).meta({
      description:
        'Address to listen on; "::" is every address, IPv4 and IPv6; "localhost" is this machine only.',
    }),
    port: whole(0, 65_535).default(defaults.port).meta({ description: 'Port; 0 takes a free one.' }),
    tls: oneOf(tls as [Listen['tls'], ...Listen['tls'][]])
      .default(defaults.tls)
      .meta({
        description: tls.includes('starttls')
          ? tlsMeaning
          : 'required: TLS from the first byte; off: no TLS.',
      }),
  });
  return shape.meta({ description: about });
}

/** A listener or the word `off`. */
function orOff<Shape extends z.ZodType>(shape: Shape) {
  return z.union([z.literal('off'), shape]).prefault({} as never);
}

const listeners = {
  xmpp: listener('XMPP clients (RFC 6120).', { host: '::', port: 5222, tls: 'starttls' }, [
    'starttls',
    'required',
    'off',
  ]),
  xmpps: listener(
    'XMPP clients that begin with TLS (XEP-0368).',
    { host: '::', port: 5223, tls: 'required' },
    ['required', 'off'],
  ),
  http: listener('', { host: 'localhost', port: 5280, tls: 'off' }, ['required', 'off'])
    .extend({
      url: z
        .url({ protocol: /^https?$/, ...expected('a URL such as https://chat.example.org') })
        .optional()
        .meta({
          description: 'What clients type, where a proxy stands in front.',
          example: 'https://chat.example.org',
        }),
    })
    .meta({
      description:
        'Web client, WebSocket (/ws), /metrics, /healthz, /readyz, host-meta.\nThe default host is this machine only, because browsers give a page the cryptography\nthat login needs only over TLS or from this machine.',
    }),
  admin: listener(
    'What the command `muster` talks to. Elsewhere than on this machine it must have TLS.',
    { host: '127.0.0.1', port: 0, tls: 'off' },
    ['required', 'off'],
  ).refine((at) => at.tls === 'required' || loopback(at.host), {
    path: ['tls'],
    error: 'expected required, because the host is not this machine alone',
  }),
  component: listener('External components (XEP-0114).', { host: '127.0.0.1', port: 5347, tls: 'off' }, [
    'required',
    'off',
  ]),
  health: z
    .strictObject({
      host: word('a host name or an address').default('127.0.0.1').meta({
        description: 'Address to listen on, one that the other servers reach as `server.address`.',
      }),
      port: whole(0, 65_535).default(0).meta({ description: 'Port; 0 takes a free one.' }),
    })
    .meta({
      description:
        'Where the other servers of a pool ask which start of this one runs: it tells no more.\nThey take over at once from one whose port refuses. Only with mesh: nats.',
    }),
  files: z
    .strictObject({
      host: word('a host name or an address').default('127.0.0.1').meta({
        description: 'Address to listen on, one that the muxes reach as `server.address`.',
      }),
      port: whole(0, 65_535).default(0).meta({ description: 'Port; 0 takes a free one.' }),
    })
    .meta({
      description:
        'Where the muxes of a pool pass uploads and downloads on to a server with accounts, in clear:\nfor the network between them only. It serves nothing else. Only with mesh: nats.',
    }),
};

const contactText = 'a list of addresses such as mailto:abuse@example.org or xmpp:admin@example.org';
const addresses = z
  .array(
    z.string(expected(contactText)).regex(/^[a-z][a-z0-9+.-]*:[^\s<>"]{1,1000}$/i, expected(contactText)),
    expected(contactText),
  )
  .max(20, expected('at most 20 addresses'));

const contactMeaning: Readonly<Record<ContactKind, string>> = {
  abuse: 'Abusive traffic.',
  admin: 'The administrators.',
  feedback: 'What people think of it.',
  sales: 'Sales and marketing.',
  security: 'Security concerns.',
  status: 'Where to see whether it works.',
  support: 'Help.',
};

const service = z
  .strictObject(
    {
      type: z
        .string(expected('a type such as stun, stuns, turn or turns'))
        .regex(/^[a-z][a-z0-9._-]{0,63}$/i, expected('a type such as stun, stuns, turn or turns')),
      host: word('a host name or an address'),
      port: whole(1, 65_535).optional(),
      transport: oneOf(['udp', 'tcp']).optional(),
      name: word('a name').optional(),
      username: word('a name').optional(),
      password: word('a password').optional(),
      secret: word('a secret').optional(),
      restricted: z.boolean(expected('true or false')).optional(),
      expires: whole(60, 31_536_000).default(86_400),
    },
    expected('a mapping'),
  )
  .refine((one) => one.secret === undefined || (one.username ?? one.password) === undefined, {
    path: ['secret'],
    error: 'expected either a secret, or a username and a password',
  })
  .refine((one) => (one.username === undefined) === (one.password === undefined), {
    path: ['password'],
    error: 'expected a username and a password, or neither',
  });

const storeText = 'sqlite:DIRECTORY or postgres://USER:PASSWORD@HOST:PORT/DATABASE';
const meshText = 'local or nats://USER:PASSWORD@HOST:PORT';

const limitShape = Object.fromEntries(
  limitNames.map((name) => {
    const limit = limits[name];
    const description = `In ${limit.unit}: ${limit.of}. Beyond: ${limit.overflow}.`;
    return [name, whole(limit.min, limit.max).default(limit.default).meta({ description })];
  }),
) as Record<keyof Limits, z.ZodDefault<z.ZodNumber>>;

const urlText = 'an https URL, or http on this machine';
/** Keys that decide who comes in do not travel in the clear. */
const safeUrl = (text: string) => {
  if (!URL.canParse(text)) return false;
  const { protocol, hostname: host } = new URL(text);
  return protocol === 'https:' || (protocol === 'http:' && loopback(host.replace(/^\[|\]$/g, '')));
};

const passwords = ['SCRAM-SHA-512', 'SCRAM-SHA-256', 'SCRAM-SHA-1', 'PLAIN'] as const;

const authSchema = z.strictObject({
  mechanisms: z
    .array(oneOf(passwords), expected('a list of mechanisms'))
    .default([...passwords])
    .meta({
      description: `Those with a password: ${passwords.join(', ')}. Each SCRAM comes with its -PLUS form where the connection has TLS of ours. As long as this is not set, a SCRAM that some account has no keys for is not offered; what you list is offered as it is.`,
    }),
  clientCertificates: z
    .strictObject({
      ca: word('a file').optional().meta({
        description: 'PEM file: who certifies clients. Without it clients are not asked for a certificate.',
        example: '/etc/muster/clients.pem',
      }),
      crl: word('a file').optional().meta({
        description: 'PEM file: lists of revoked certificates, one of each authority. Read at start.',
        example: '/etc/muster/revoked.pem',
      }),
    })
    .refine(({ ca, crl }) => ca !== undefined || crl === undefined, {
      path: ['ca'],
      ...expected('a file, because crl is set'),
    })
    .prefault({})
    .meta({
      description:
        'EXTERNAL: certificates that name their account (id-on-xmppAddr, or else the mail address).\nTo revoke one, name it in `crl` and restart.',
    }),
  anonymous: domain.optional().meta({
    description:
      'ANONYMOUS: one more domain, where everybody gets a new address that lasts as long as the session.',
    example: 'guests.example.org',
  }),
  oauth: z
    .strictObject({
      issuer: word('the name of the issuer').optional().meta({
        description: 'Whose tokens are taken: their `iss`.',
        example: 'https://login.example.org/realms/main',
      }),
      audience: word('a name').optional().meta({
        description: 'For whom they have to be: their `aud`.',
        example: 'muster',
      }),
      jwks: word('a file or a URL')
        .refine((at) => !at.includes('://') || safeUrl(at), expected(`a file, or ${urlText}`))
        .optional()
        .meta({
          description: `Public keys of the issuer (RFC 7517): a file, or ${urlText}.`,
          example: 'https://login.example.org/realms/main/protocol/openid-connect/certs',
        }),
      claim: word('the name of a claim').default('preferred_username').meta({
        description:
          'Which claim names the account: preferred_username, sub, email… A value with an @ must be of the domain.',
      }),
      scope: word('a scope').optional().meta({
        description: 'A scope that a token must have.',
        example: 'xmpp',
      }),
      discovery: z.string(expected(urlText)).refine(safeUrl, expected(urlText)).optional().meta({
        description: 'Told to clients whose token does not do: where to get one. Not fetched by the server.',
        example: 'https://login.example.org/realms/main/.well-known/openid-configuration',
      }),
    })
    .refine(
      ({ issuer, audience, jwks }) =>
        (issuer === undefined) === (jwks === undefined) &&
        (issuer === undefined) === (audience === undefined),
      {
        ...expected('issuer, audience and jwks together'),
      },
    )
    .prefault({})
    .meta({ description: 'OAUTHBEARER: tokens (JWT) of an authorization server.' }),
});

const secretText = 'a text of at least 16 characters';

const settings = z.strictObject({
  community: word('a name').optional().meta({
    description: 'Name of the community, shown at start and in the web client. Default: the first domain.',
    example: 'Example Community',
  }),
  domains: z
    .array(domain, expected('a list of domain names'))
    .min(1, expected('at least one domain name'))
    .refine((list) => new Set(list).size === list.length, expected('every domain once'))
    .default(['localhost'])
    .meta({ description: 'Domains of the addresses that this community serves: alice@DOMAIN.' }),
  server: z
    .strictObject({
      name: word('a name').default(hostname()).meta({
        description: 'Name of this server, unique in the community. Default: the name of the machine.',
        example: 'server1',
      }),
      cluster: word('a name').default('main').meta({ description: 'The cluster that it belongs to.' }),
      address: word('a host name or an address').default('127.0.0.1').meta({
        description: 'Where the other servers of a pool reach this one (its `listen.health`).',
      }),
    })
    .prefault({})
    .meta({ description: 'Who this server is.' }),
  roles: z
    .array(oneOf(roles), expected('a list of roles'))
    .min(1, expected('at least one role'))
    .default([...roles])
    .meta({ description: `What this server does: ${roles.join(', ')}.` }),
  data: word('a directory').default('./data').meta({
    description: 'Directory of everything that this server keeps, certificates included.',
  }),
  store: z
    .string(expected(storeText))
    .regex(/^(sqlite:.+|postgres:\/\/[^/\s]+\/\w+(\?\S*)?)$/, expected(storeText))
    .optional()
    .meta({
      description: `The store, as a URL. Default: SQLite in \`data\`. A pool shares one PostgreSQL:
postgres://USER:PASSWORD@HOST:PORT,HOST2:PORT/DATABASE; the primary is found by asking.
TLS with the system's authorities, unless ?ca=FILE or ?tls=off says otherwise.`,
      example: 'postgres://muster:secret@db1:5432,db2:5432/muster?ca=/etc/muster/ca.pem',
    }),
  mesh: z
    .string(expected(meshText))
    .regex(/^(local|nats:\/\/[^/?\s]+\/?(\?\S*)?)$/, expected(meshText))
    .default('local')
    .meta({
      description: `How processes reach each other: local, where there is only this one, or
nats://USER:PASSWORD@HOST:PORT,HOST2:PORT, with ?ca=FILE or ?tls=off as above.`,
    }),
  pool: z
    .strictObject({
      partitions: whole(1, 4096).default(256).meta({
        description:
          'Partitions of accounts, and as many of rooms. Fixed when the pool is created; later the store knows.',
      }),
    })
    .prefault({})
    .meta({ description: 'Several servers over one PostgreSQL.' }),
  directory: oneOf(['store'])
    .default('store')
    .meta({ description: 'Where accounts and their credentials are; store: in the store.' }),
  listen: z
    .strictObject({
      xmpp: orOff(listeners.xmpp),
      xmpps: orOff(listeners.xmpps),
      http: orOff(listeners.http),
      admin: orOff(listeners.admin),
      health: orOff(listeners.health),
      files: orOff(listeners.files),
      component: z
        .union([z.literal('off'), listeners.component])
        .default('off')
        .meta({
          description:
            'Where external components connect (XEP-0114); off unless it is set, for example\n{ host: 127.0.0.1, port: 5347, tls: off }. tls: required or off: what they say can be read there.',
        }),
    })
    .prefault({})
    .meta({ description: 'Where clients connect. Each is a mapping or the word off.' }),
  tls: z
    .strictObject({
      cert: word('a file').optional().meta({
        description:
          'PEM file: the certificate and its chain. Without it a self-signed one is made and kept in `data`.',
        example: '/etc/muster/cert.pem',
      }),
      key: word('a file')
        .optional()
        .meta({ description: 'PEM file: its private key.', example: '/etc/muster/key.pem' }),
    })
    .refine((pair) => pair.key !== undefined || pair.cert === undefined, {
      path: ['key'],
      ...expected('a file, because tls.cert is set'),
    })
    .refine((pair) => pair.cert !== undefined || pair.key === undefined, {
      path: ['cert'],
      ...expected('a file, because tls.key is set'),
    })
    .prefault({})
    .meta({ description: 'Certificate of the listeners.' }),
  auth: authSchema.prefault({}).meta({ description: 'How clients prove who they are.' }),
  components: z
    .array(
      z.strictObject({
        domain,
        secret: z.string(expected(secretText)).min(16, expected(secretText)).max(255).optional(),
        name: word('a name').optional(),
      }),
      expected('a list of components'),
    )
    .refine((list) => new Set(list.map((one) => one.domain)).size === list.length, {
      error: 'expected every domain once',
    })
    .default([])
    .meta({
      description:
        'External components (XEP-0114) and what each of them has to know: gateways, bots.\n- { domain: bot.example.org, secret: AT-LEAST-16-CHARACTERS, name: shown to people }\nThe same on all servers; one without the role accounts needs no secret.',
    }),
  registration: oneOf(['closed', 'open']).default('closed').meta({
    description: 'open: anybody may make an account from a client (XEP-0077).',
  }),
  upload: orOff(
    z
      .strictObject({
        url: z
          .url({ protocol: /^https?$/, ...expected('a URL such as https://files.example.org/') })
          .optional()
          .meta({
            description:
              'Under which URL everybody reaches a server of the community, whichever. Default: that of\n`listen.http`, which says so for one server only: a pool has to set it.',
            example: 'https://files.example.org/',
          }),
      })
      .meta({
        description:
          'Files that clients upload and share by URL (XEP-0363), at `listen.http`. A mapping or the word off.',
      }),
  ),
  services: z
    .array(service, expected('a list of services'))
    .max(50, expected('at most 50 services'))
    .default([])
    .meta({
      description:
        'Services that clients are told of (XEP-0215): STUN and TURN for calls. `secret` is the one that is\nshared with a TURN server; clients get credentials made with it, which expire after `expires`\nseconds (86400). Others have a `username` and a `password`, or neither.',
      example: [
        { type: 'stun', host: 'turn.example.org', port: 3478, transport: 'udp' },
        { type: 'turn', host: 'turn.example.org', port: 3478, transport: 'udp', secret: 'shared' },
      ],
    }),
  contact: z
    .strictObject(
      Object.fromEntries(
        contactKinds.map((kind) => [
          kind,
          addresses
            .optional()
            .meta({ description: contactMeaning[kind], example: [`mailto:${kind}@example.org`] }),
        ]),
      ) as Record<ContactKind, z.ZodOptional<typeof addresses>>,
      expected('a mapping'),
    )
    .prefault({})
    .meta({
      description:
        'Whom to turn to, as URIs, which everybody may ask of the server (XEP-0157). Where nothing is set:\nxmpp:admin@DOMAIN.',
    }),
  log: z
    .strictObject({
      level: oneOf(['debug', 'info', 'warn', 'error', 'silent']).default('info').meta({
        description: 'Least important lines to write: debug, info, warn, error, silent.',
      }),
    })
    .prefault({})
    .meta({ description: 'The log, on standard output: JSON, or readable on a terminal.' }),
  limits: z
    .strictObject(limitShape, expected('a mapping'))
    .prefault({})
    .meta({ description: 'Bounds; docs/limits.md is the same list as a table.' }),
});

/** The one schema: checking, defaults and `config.example.yaml` all come from here. */
export const schema = settings.refine(
  ({ domains, auth }) => auth.anonymous === undefined || !domains.includes(auth.anonymous),
  { path: ['auth', 'anonymous'], ...expected('a domain that is not among `domains`') },
);

export type Settings = z.output<typeof schema>;

/** The configuration with nothing set, for tests: paths are not made absolute. */
export const defaults: Settings & { limits: Limits } = { ...schema.parse({}), limits: defaultLimits };
