import type { Limits } from './limits.ts';

/** What a server is told by its administrator: complete, checked, with absolute paths. Read by `configfile.ts`. */
export interface Config {
  readonly community: string;
  /** The served domains in lower case; the first one is the default for anything that needs exactly one. With `auth.anonymous`. */
  readonly domains: readonly [string, ...string[]];
  readonly server: { readonly name: string; readonly cluster: string; readonly address: string };
  readonly roles: readonly Role[];
  /** Absolute path of the directory for certificates, the local token and, unless `store` says otherwise, the data. */
  readonly data: string;
  /** `sqlite:` and an absolute path, or the URL of a PostgreSQL. */
  readonly store: string;
  /** `local`, or the URL of NATS. */
  readonly mesh: string;
  readonly pool: { readonly partitions: number };
  readonly directory: 'store';
  readonly listen: {
    readonly xmpp: Listen | 'off';
    readonly xmpps: Listen | 'off';
    readonly http: Listen | 'off';
    readonly component: Listen | 'off';
    readonly admin: Listen | 'off';
    readonly health: { readonly host: string; readonly port: number } | 'off';
    /** Where the muxes of a pool pass uploads and downloads on. */
    readonly files: { readonly host: string; readonly port: number } | 'off';
  };
  /** Absolute paths of PEM files; undefined where a self-signed pair is to be made and kept. */
  readonly tls: { readonly cert: string; readonly key: string } | undefined;
  readonly auth: Authentication;
  /** External components (XEP-0114). */
  readonly components: readonly {
    /** Neither a served domain nor the address of one of its services. */
    readonly domain: string;
    /** undefined only where there is no role `accounts`. */
    readonly secret?: string | undefined;
    readonly name?: string | undefined;
  }[];
  readonly registration: 'closed' | 'open';
  /** Files (XEP-0363): the URL by which everybody reaches some server of the community. */
  readonly upload: { readonly url?: string | undefined } | 'off';
  /** What clients are told of (XEP-0215); `secret` makes credentials that expire after `expires` seconds. */
  readonly services: readonly {
    readonly type: string;
    readonly host: string;
    readonly port?: number | undefined;
    readonly transport?: 'udp' | 'tcp' | undefined;
    readonly name?: string | undefined;
    readonly username?: string | undefined;
    readonly password?: string | undefined;
    readonly secret?: string | undefined;
    readonly restricted?: boolean | undefined;
    readonly expires: number;
  }[];
  /** URIs by kind (XEP-0157). */
  readonly contact: { readonly [Kind in ContactKind]?: readonly string[] | undefined };
  readonly log: { readonly level: 'debug' | 'info' | 'warn' | 'error' | 'silent' };
  readonly limits: Limits;
}

/** How clients prove who they are; paths are absolute. */
export interface Authentication {
  /** Those that need a password, without their -PLUS forms. */
  readonly mechanisms: readonly string[];
  /** PEM files of who certifies clients, and of what they revoked; without the first one clients need no certificate. */
  readonly clientCertificates: { readonly ca?: string | undefined; readonly crl?: string | undefined };
  /** The domain of ANONYMOUS. */
  readonly anonymous?: string | undefined;
  readonly oauth: Oauth;
}

/** Whose tokens are taken: nobody's, where there is no `issuer`; with it there are `audience` and `jwks`. */
export interface Oauth {
  readonly issuer?: string | undefined;
  readonly audience?: string | undefined;
  /** A path or a URL. */
  readonly jwks?: string | undefined;
  readonly claim: string;
  readonly scope?: string | undefined;
  readonly discovery?: string | undefined;
}

export interface Listen {
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
  /** `starttls`: begins in clear and turns to TLS before login; `required`: TLS from the first byte. */
  readonly tls: 'starttls' | 'required' | 'off';
  /** Under which URL clients reach it, where that differs from what they see (a proxy in front). Only `http`. */
  readonly url?: string | undefined;
}

export type ListenName = Exclude<keyof Config['listen'], 'health' | 'files'>;

/** XEP-0157 §6.1. */
export const contactKinds = ['abuse', 'admin', 'feedback', 'sales', 'security', 'status', 'support'] as const;
export type ContactKind = (typeof contactKinds)[number];

export const roles = ['mux', 'accounts', 'rooms', 'directory', 'admin'] as const;
export type Role = (typeof roles)[number];

/** Whether a process with these roles owns partitions, of accounts or of rooms: it has the store, which a mux has not. */
export function owns(named: readonly string[]): boolean {
  return named.includes('accounts') || named.includes('rooms');
}

/** True where only this machine can reach the address. */
export function loopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}
