import { createHmac } from 'node:crypto';
import type { Config } from '../base/config.ts';
import { formatDate } from '../xmpp/datetime.ts';
import { el, type Element } from '../xmpp/element.ts';
import { StanzaError } from '../xmpp/error.ts';
import { NS } from '../xmpp/namespaces.ts';
import type { Env } from './env.ts';
import type { Feature, Request } from './iq.ts';

type External = Config['services'][number];

/** Services outside XMPP, such as STUN and TURN (XEP-0215), with credentials for those that want some. */
export const external: Feature = {
  server: {
    [`get services ${NS.extdisco}`]: list,
    [`get credentials ${NS.extdisco}`]: credentials,
  },
  serverFeatures: [NS.extdisco],
};

/** §3.1 and §3.2: all of them, or those of one type. */
function list({ account, payload }: Request): Element {
  const { type } = payload.attrs;
  const { env } = account.partition;
  const found = (env.services ?? []).filter((one) => type === undefined || one.type === type);
  return el(
    'services',
    NS.extdisco,
    { type },
    found.map((one) => service(env, account.address, one)),
  );
}

/** §3.3: credentials at what the client already knows of. */
function credentials({ account, payload }: Request): Element {
  const asked = payload.elements('service', NS.extdisco);
  const { host, type, port } = asked[0]?.attrs ?? {};
  if (asked.length !== 1 || host === undefined || type === undefined)
    throw new StanzaError('bad-request', 'one service, with host and type');
  if (port !== undefined && !/^\d{1,5}$/.test(port))
    throw new StanzaError('bad-request', 'a port is a number');
  const { env } = account.partition;
  const found = (env.services ?? []).filter(
    (one) =>
      one.host.toLowerCase() === host.toLowerCase() &&
      one.type === type &&
      (port === undefined || one.port === Number(port)) &&
      (one.secret !== undefined || one.username !== undefined),
  );
  if (found.length === 0) throw new StanzaError('item-not-found', 'no credentials for such a service');
  return el(
    'credentials',
    NS.extdisco,
    {},
    found.map((one) => service(env, account.address, one)),
  );
}

function service(env: Env, address: string, one: External): Element {
  const { type, host, port, transport, name } = one;
  const access = accessTo(env, address, one);
  const restricted = one.restricted ?? access !== undefined;
  return el('service', NS.extdisco, {
    type,
    host,
    port: port === undefined ? undefined : String(port),
    transport,
    name,
    restricted: restricted ? 'true' : undefined,
    ...access,
  });
}

/** The secret itself goes to nobody: what is made of it holds for a while (§3.3: TURN REST). */
function accessTo(env: Env, address: string, one: External): Record<string, string | undefined> | undefined {
  const { secret, username, password, expires } = one;
  if (secret === undefined) return username === undefined ? undefined : { username, password };
  const until = Math.floor(env.clock.now() / 1000) + expires;
  // The relay may count by person; who that is it does not learn.
  const person = createHmac('sha256', env.secret).update(`external ${address}`).digest('hex').slice(0, 16);
  const temporary = `${until}:${person}`;
  return {
    username: temporary,
    password: createHmac('sha1', secret).update(temporary).digest('base64'),
    expires: formatDate(until * 1000),
  };
}
