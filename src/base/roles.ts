import { owns, type Config } from './config.ts';

/** What the roles of a server and its engines say together: `refused` cannot work, `remarks` may be meant. */
export interface Combination {
  readonly refused: string | undefined;
  readonly remarks: readonly string[];
}

export function combination(
  config: Pick<Config, 'roles' | 'mesh' | 'store' | 'listen'> & Partial<Pick<Config, 'upload'>>,
): Combination {
  const { roles, mesh, store, listen } = config;
  const [mux, accounts] = [roles.includes('mux'), roles.includes('accounts')];
  const owner = owns(roles);
  const alone = mesh === 'local';
  const remarks: string[] = [];
  const clients = (['xmpp', 'xmpps', 'component'] as const).filter((name) => listen[name] !== 'off');
  if (!mux && owner && clients.length > 0)
    remarks.push(
      `roles without mux: clients do not connect here; ${clients.map((name) => `listen.${name}`).join(' and ')} stay closed`,
    );
  if (owner && alone && store.startsWith('postgres:'))
    remarks.push('mesh: local with a PostgreSQL store: no other server can join this one');
  const { http } = listen;
  const { upload } = config;
  if (
    accounts &&
    !alone &&
    upload !== 'off' &&
    (upload?.url ?? (http === 'off' ? undefined : http.url)) === undefined
  )
    remarks.push('upload.url is not set: clients of a pool can upload no files');
  return { refused: refusal(config, owner), remarks };
}

function refusal(
  { roles, mesh, store }: Pick<Config, 'roles' | 'mesh' | 'store'>,
  owner: boolean,
): string | undefined {
  if (!owner && !roles.includes('mux'))
    return `roles: ${roles.join(', ')}: neither mux nor accounts nor rooms, so nothing would be served`;
  if (roles.includes('accounts')) return undefined;
  if (mesh === 'local')
    return owner
      ? 'mesh: local: rooms without accounts need mesh: nats://…, or they reach no accounts'
      : 'mesh: local: a mux without accounts needs mesh: nats://…, or it reaches no accounts';
  // A volume has one owner: what is in it would be nobody else's.
  return owner && store.startsWith('sqlite:')
    ? 'store: rooms without accounts need the store of those who have them: postgres://…'
    : undefined;
}
