import { Failure } from '../base/failure.ts';
import { authority } from '../base/listening.ts';
import type { Log } from '../base/log.ts';

export interface Host {
  readonly host: string;
  readonly port: number;
}

/** What the configuration's `postgres://…` says. */
export interface Address {
  readonly hosts: readonly Host[];
  readonly user: string;
  readonly password: string;
  readonly database: string;
  /** `ca`: the path of a PEM file; without it the system's authorities. */
  readonly tls: 'off' | { readonly ca: string | undefined };
}

/**
 * Reads `postgres://USER:PASSWORD@HOST:PORT,HOST2:PORT2/DATABASE?tls=off|ca=FILE`. Several hosts are not a URL to the
 * platform's parser. Throws `Failure('store-address')`, which never quotes the URL: it holds a password.
 */
export function parseAddress(url: string): Address {
  const parts = /^postgres(?:ql)?:\/\/(?:([^:@/]*)(?::([^@/]*))?@)?([^/?@]+)\/([^/?]+)(?:\?(.*))?$/.exec(url);
  if (parts === null) throw wrong();
  const [, user = 'muster', password = '', list = '', database = '', query = ''] = parts;
  const options = new URLSearchParams(query);
  const tls = options.get('tls') === 'off' ? 'off' : { ca: options.get('ca') ?? undefined };
  return {
    hosts: list.split(',').map(hostOf),
    user: decode(user),
    password: decode(password),
    database: decode(database),
    tls,
  };
}

function hostOf(text: string): Host {
  const parts = /^(\[[0-9a-fA-F:.]+\]|[^:[\]]+)(?::(\d{1,5}))?$/.exec(text);
  if (parts === null) throw wrong();
  return { host: parts[1]!.replaceAll(/[[\]]/g, ''), port: Number(parts[2] ?? 5432) };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw wrong();
  }
}

function wrong(): Failure {
  return new Failure(
    'store-address',
    'store: expected postgres://USER:PASSWORD@HOST:PORT,HOST2:PORT/DATABASE',
  );
}

/**
 * Finds the primary by asking each host in turn, beginning with the one that was it last. Which host is the primary is
 * its manager's business (Patroni and the like); ours is to notice. However many connections break and however often they
 * are tried again, the log has one line for the loss and one for the return.
 */
export class Hosts<Session> {
  readonly names: string;
  #hosts: readonly Host[];
  #dial: (host: Host) => Promise<Session>;
  #log: Log;
  #last = 0;
  #state: 'new' | 'there' | 'away' = 'new';
  /**
   * Grows with each loss. A connection of an earlier term is made anew before its next use: the host that it leads to may
   * live on as the primary of yesterday, and who reads there reads the past.
   */
  term = 0;

  /** `dial` rejects where the host does not answer in time or is not the primary. */
  constructor(hosts: readonly Host[], dial: (host: Host) => Promise<Session>, log: Log) {
    this.names = hosts.map(({ host, port }) => authority(host, port)).join(', ');
    this.#hosts = hosts;
    this.#dial = dial;
    this.#log = log;
  }

  /** One round. Rejects with `Failure('store-unavailable')`, or as `dial` did where no other round can mend it. */
  async connect(): Promise<Session> {
    const reasons: string[] = [];
    const first = this.#last;
    for (let step = 0; step < this.#hosts.length; step++) {
      const at = (first + step) % this.#hosts.length;
      const host = this.#hosts[at]!;
      const name = authority(host.host, host.port);
      try {
        // oxlint-disable-next-line no-await-in-loop -- the next host is asked only where this one is not the primary
        const session = await this.#dial(host);
        this.#last = at;
        if (this.#state === 'away') this.#log.info({ host: name }, 'the database answers again');
        this.#state = 'there';
        return session;
      } catch (error) {
        if (error instanceof Failure && error.code !== 'store-unavailable') throw error;
        reasons.push(`${name} ${error instanceof Error ? error.message : String(error)}`);
      }
    }
    const why = reasons.join('; ');
    this.lost(why);
    throw new Failure('store-unavailable', `no PostgreSQL can be used: ${why}`);
  }

  /** A connection broke, or none could be made. */
  lost(why: string): void {
    if (this.#state === 'there') {
      this.term++;
      this.#log.warn({ hosts: this.names, why }, 'the database is lost: looking for it');
    }
    if (this.#state !== 'new') this.#state = 'away';
  }
}
