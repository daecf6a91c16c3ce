import { openApi } from '../admin/api.ts';
import { openHttp, type Http } from '../admin/http.ts';
import { adminToken, announce } from '../admin/token.ts';
import { certificate } from '../base/certificate.ts';
import type { Clock } from '../base/clock.ts';
import type { Config, Listen, ListenName } from '../base/config.ts';
import type { Log } from '../base/log.ts';
import { openMetrics } from '../base/metrics.ts';
import type { Random } from '../base/random.ts';
import { holdVolume } from '../store/volume.ts';
import { openStub } from './stub.ts';

export interface RunningServer {
  readonly listeners: readonly {
    readonly name: ListenName;
    readonly address: string;
    readonly tls: Listen['tls'];
  }[];
  /** The first account, where this start made it. */
  readonly admin?: { readonly address: string; readonly password: string } | undefined;
  /** URL of the web client; undefined where HTTP is off. */
  readonly web: string | undefined;
  close(): Promise<void>;
}

export interface Surroundings {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** STUB: HTTP and the administrator's API over accounts in a file; no XMPP yet. */
export async function startServer(
  config: Config,
  { clock, random, log }: Surroundings,
): Promise<RunningServer> {
  const held = holdVolume(config.data);
  const closing: (() => unknown)[] = [() => held.release()];
  const close = async () => {
    for (const step of closing.toReversed()) await step();
  };
  try {
    let ready = false;
    const pair = await certificate(config, clock);
    const metrics = openMetrics(config.limits.labels);
    const administration = await openStub(config, random, 'ready');
    const listeners: { name: ListenName; address: string; tls: Listen['tls'] }[] = [];
    const opened = (name: ListenName, listen: Listen, http: Http) => {
      closing.push(() => http.close());
      listeners.push({ name, address: http.address, tls: listen.tls });
      return http;
    };

    const { http, admin } = config.listen;
    let web: string | undefined;
    if (http !== 'off') {
      const open = await openHttp({
        listen: http,
        certificate: pair,
        config,
        metrics,
        ready: () => ready,
        log,
      });
      web = http.url ?? opened('http', http, open).url;
    }
    if (admin !== 'off') {
      const token = adminToken(config.data, random);
      const importing = config.limits.importing;
      const open = await openApi({ listen: admin, certificate: pair, administration, token, importing, log });
      const api = opened('admin', admin, open);
      const cert = admin.tls === 'off' ? undefined : pair.cert;
      closing.push(announce(config.data, { url: api.url, pid: process.pid, cert }));
    }
    ready = true;
    closing.push(() => (ready = false));
    return { listeners, admin: administration.first, web, close };
  } catch (error) {
    await close();
    throw error;
  }
}
