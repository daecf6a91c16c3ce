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
    readonly admin: Listen | 'off';
    readonly health: { readonly host: string; readonly port: number } | 'off';
  };
  /** Absolute paths of PEM files; undefined where a self-signed pair is to be made and kept. */
  readonly tls: { readonly cert: string; readonly key: string } | undefined;
  readonly auth: Authentication;
  readonly registration: 'closed' | 'open';
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

export type ListenName = Exclude<keyof Config['listen'], 'health'>;

export const roles = ['mux', 'accounts', 'directory', 'admin'] as const;
export type Role = (typeof roles)[number];

/** True where only this machine can reach the address. */
export function loopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}
