import type { Limits } from './limits.ts';

/** What a server is told by its administrator: complete, checked, with absolute paths. Read by `configfile.ts`. */
export interface Config {
  readonly community: string;
  /** The served domains in lower case; the first one is the default for anything that needs exactly one. */
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
  };
  /** Absolute paths of PEM files; undefined where a self-signed pair is to be made and kept. */
  readonly tls: { readonly cert: string; readonly key: string } | undefined;
  /** External components (XEP-0114). */
  readonly components: readonly {
    /** Neither a served domain nor the address of one of its services. */
    readonly domain: string;
    /** undefined only where there is no role `accounts`. */
    readonly secret?: string | undefined;
    readonly name?: string | undefined;
  }[];
  readonly registration: 'closed' | 'open';
  readonly log: { readonly level: 'debug' | 'info' | 'warn' | 'error' | 'silent' };
  readonly limits: Limits;
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
