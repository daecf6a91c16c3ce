import type { Config } from './config.ts';

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
  const alone = mesh === 'local';
  const remarks: string[] = [];
  const clients = (['xmpp', 'xmpps', 'component'] as const).filter((name) => listen[name] !== 'off');
  if (!mux && accounts && clients.length > 0)
    remarks.push(
      `roles without mux: clients do not connect here; ${clients.map((name) => `listen.${name}`).join(' and ')} stay closed`,
    );
  if (accounts && alone && store.startsWith('postgres:'))
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
  const nothing = `roles: ${roles.join(', ')}: neither mux nor accounts, so nothing would be served`;
  const refused =
    !mux && !accounts
      ? nothing
      : alone && !accounts && mux
        ? 'mesh: local: a mux without accounts needs mesh: nats://…, or it reaches no accounts'
        : undefined;
  return { refused, remarks };
}
