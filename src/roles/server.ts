import { openApi } from '../admin/api.ts';
import { openHttp, type Web } from '../admin/http.ts';
import { adminToken, announce } from '../admin/token.ts';
import { certificate, type Certificate } from '../base/certificate.ts';
import type { Clock } from '../base/clock.ts';
import { owns, type Config, type Listen, type ListenName } from '../base/config.ts';
import type { Log } from '../base/log.ts';
import { combination } from '../base/roles.ts';
import { openMetrics } from '../base/metrics.ts';
import { token, type Random } from '../base/random.ts';
import { Failure, failed } from '../base/failure.ts';
import { authority, listenFailure, withoutIpv6 } from '../base/listening.ts';
import { boundsOf } from '../mux/bounds.ts';
import { openBosh } from '../mux/bosh/bosh.ts';
import { openMux, type Mux } from '../mux/mux.ts';
import { openListener, type Clients, type Listener } from '../mux/tcp.ts';
import { openWs } from '../mux/ws.ts';
import { openTable } from '../placement/table.ts';
import { openAdministration } from './administration.ts';
import { openCommunity, type Community } from './community.ts';
import { clientsOf, offeringOf } from './login.ts';
import { filesOf } from './filestore.ts';
import { openMuxAdministration } from './muxonly.ts';
import { observe } from './observe.ts';
import { openPresence } from './presence.ts';

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
  /** Rejects when the server cannot go on (its store is gone): the process has to end. */
  readonly broken: Promise<never>;
  close(): Promise<void>;
}

export interface Surroundings {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/**
 * A whole server in this process: store, accounts, mux, HTTP. Everything is opened here, in order, and closed in the
 * opposite one: clients first, so that what they had acknowledged is written before the store goes. `roles` says what of it
 * there is: a mux alone has no store, and knows nobody's credentials.
 *
 * @throws Failure as the parts do: `volume-held`, `store-newer`, `port-in-use`, `listen`, `certificate`…
 */
export async function startServer(config: Config, around: Surroundings): Promise<RunningServer> {
  const { clock, random, log } = around;
  const began = clock.mono();
  let state: 'starting' | 'ready' | 'draining' = 'starting';
  const closing: (() => unknown)[] = [];
  const close = async () => {
    state = 'draining';
    for (const step of closing.splice(0).toReversed()) await step();
  };
  try {
    const metrics = openMetrics(config.limits.labels);
    const counts = observe(metrics);
    const domains = new Set<string>(config.domains);
    const { refused } = combination(config);
    if (refused !== undefined) throw new Failure('config', refused);

    const presence = await openPresence(config, around, counts.mesh);
    const { mesh, internal } = presence;
    closing.push(() => presence.close());
    let web: Web | undefined;
    const community = owns(config.roles)
      ? await openCommunity(config, around, mesh, counts, () => web?.port)
      : undefined;
    if (community !== undefined) {
      closing.push(() => community.close());
      counts.watch(community.accounts, community.rooms);
    }

    const keys = await certificate(config, clock);
    const components = config.components.map(({ domain }) => domain);
    const routes = community?.routes ?? openTable(mesh, domains, new Set(components));
    const mux = config.roles.includes('mux')
      ? openMux({
          domains: config.domains,
          components,
          mesh,
          routes,
          clock,
          random,
          log,
          registration: config.registration === 'open',
          offering: offeringOf(config),
          bounds: boundsOf(config.limits),
          count: counts.mux,
        })
      : undefined;
    // After the mux has let its WebSockets go.
    closing.push(() => web?.close());
    if (mux !== undefined) closing.push(() => mux.drain());
    await community?.begin();

    const clients = clientsOf(config);
    const listeners: { name: ListenName; address: string; tls: Listen['tls'] }[] = [];
    for (const name of ['xmpp', 'xmpps', 'component'] as const) {
      const listen = config.listen[name];
      if (listen === 'off' || mux === undefined) continue;
      const listener = await listenXmpp(mux, name, listen, keys, clients, log);
      // Not waited for: it ends when the mux has let its connections go.
      closing.push(() => void listener.close());
      listeners.push({ name, address: authority(listen.host, listener.port), tls: listen.tls });
    }

    const told = { config, state: () => state, uptime: () => Math.round(clock.mono() - began) };
    const administration =
      community === undefined
        ? openMuxAdministration({ ...told, mesh, mux: mux!, routes })
        : openAdministration({ ...told, ...community, pool: pooled(community), close: nothing });
    const files = filesOf(config, around, community?.files, mesh);
    if (files !== undefined) internal?.serve(files.service);
    const { http, admin } = config.listen;
    if (http !== 'off') {
      web = await openHttp({
        listen: http,
        certificate: keys,
        config,
        files,
        metrics,
        ready: () => state === 'ready',
        log,
      });
      if (mux !== undefined) {
        const ws = openWs(mux, web.server, {
          path: '/ws',
          plain: http.tls === 'off',
          proxied: http.url !== undefined,
        });
        const bosh = openBosh(mux, { plain: http.tls === 'off' });
        web.handle('/bosh', bosh.handle);
        closing.push(
          () => ws.close(),
          () => bosh.close(),
        );
      }
      listeners.push({ name: 'http', address: web.address, tls: http.tls });
    }
    if (admin !== 'off') {
      const open = await openApi({
        listen: admin,
        certificate: keys,
        administration,
        token: adminToken(config.data, random),
        importing: config.limits.importing,
        log,
      });
      closing.push(() => open.close());
      listeners.push({ name: 'admin', address: open.address, tls: admin.tls });
      closing.push(
        announce(config.data, {
          url: open.url,
          pid: process.pid,
          cert: admin.tls === 'off' ? undefined : keys.cert,
        }),
      );
    }
    const first = community && (await firstAccount(community, config, random));
    state = 'ready';
    return {
      listeners,
      admin: first,
      web: http === 'off' || mux === undefined ? undefined : (http.url ?? web?.url),
      broken: community?.broken ?? new Promise<never>(() => {}),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

const nothing = () => Promise.resolve();

function pooled({ pool, peers, routes }: Community) {
  return pool && { pool, peers, routes };
}

async function listenXmpp(
  mux: Mux,
  name: ListenName,
  listen: Listen,
  keys: Certificate,
  clients: Clients | undefined,
  log: Log,
): Promise<Listener> {
  const tls = listen.tls === 'required' ? 'direct' : listen.tls;
  const of = name === 'component' ? name : 'client';
  const on = (host: string) => openListener(mux, { host, port: listen.port, tls, keys, clients, log, of });
  try {
    return await on(listen.host);
  } catch (error) {
    const cause = error instanceof Failure ? error.cause : error;
    if (withoutIpv6(listen, cause)) return on('0.0.0.0');
    if (failed(error, 'bad-certificate')) throw error;
    throw listenFailure(name, listen, cause);
  }
}

/** Somebody must be able to log in: on an empty store, an administrator with a password that is shown once. */
async function firstAccount(
  community: Community,
  config: Config,
  random: Random,
): Promise<RunningServer['admin']> {
  if (!community.empty || !config.roles.includes('accounts')) return undefined;
  const account = { address: `admin@${config.domains[0]}`, password: token(random, 12) };
  // In a pool whoever has its partition makes it.
  return (await community.addAdministrator(account.address, account.password)) ? account : undefined;
}
