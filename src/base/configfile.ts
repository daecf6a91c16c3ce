import { existsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { explain, type Assignment } from './complaint.ts';
import type { Config } from './config.ts';
import { Failure } from './failure.ts';
import { schema, type Settings } from './schema.ts';
import { isTree, nothing, parseYaml, readYaml, type Tree } from './yamlfile.ts';

/** Where a configuration comes from, as the command line says it. */
export interface Sources {
  /** `--config`; without it `muster.yaml` of the working directory, where there is one. */
  readonly file?: string | undefined;
  /** `--data`: stronger than the file, and moves an SQLite store with it. */
  readonly data?: string | undefined;
  /** `--set key.path=value`, in order; stronger than the file. Values are YAML. */
  readonly set?: readonly string[] | undefined;
}

/**
 * Reads and checks a configuration. Relative paths count from the directory of the file, those of `--data` and
 * `--set` from the working directory.
 *
 * @throws Failure('config') with one line: `muster.yaml:7:3: listen.xmpp.port: expected a number from 0 to 65535,
 * got "abc"`, or `--set listen.xmpp.port: expected …`.
 */
export function loadConfig(sources: Sources, cwd: string = process.cwd()): Config {
  const file = sources.file ?? (existsSync(resolve(cwd, usual)) ? usual : undefined);
  const written = file === undefined ? nothing : readYaml(file, cwd);
  const base = file === undefined ? cwd : dirname(resolve(cwd, file));
  let value = withoutNulls(absolute(written.value, base));

  const assigned = (sources.set ?? []).map(assignment);
  for (const { path, value: to } of assigned) {
    const moved = absolute(put({}, path, to), cwd);
    value = put(
      value,
      path,
      path.reduce<unknown>((at, key) => (at as Tree)[key], moved),
    );
  }
  if (sources.data !== undefined) value = moveData(value, resolve(cwd, sources.data));

  const checked = schema.safeParse(value);
  if (!checked.success)
    throw new Failure('config', explain(checked.error.issues[0]!, value, assigned, written));
  return complete(checked.data, base);
}

const usual = 'muster.yaml';

function assignment(text: string): Assignment {
  const sign = text.indexOf('=');
  const path = sign < 1 ? [] : text.slice(0, sign).split('.');
  if (path.length === 0 || path.includes(''))
    throw new Failure('config', `--set ${text}: expected key.path=value, for example listen.xmpp.port=5300`);
  try {
    return { path, value: parseYaml(text.slice(sign + 1)) };
  } catch (error) {
    const reason = (error as Error).message.split(/ at line|\n/, 1)[0];
    throw new Failure('config', `--set ${path.join('.')}: ${reason}`, error);
  }
}

/** A copy with the value at `path` replaced. Computed keys, so that `__proto__` is a key like any other. */
function put(tree: unknown, path: readonly string[], value: unknown): unknown {
  const [key, ...rest] = path;
  if (key === undefined) return value;
  const at: Tree = isTree(tree) ? tree : {};
  return { ...at, [key]: put(Object.hasOwn(at, key) ? at[key] : undefined, rest, value) };
}

/** A key with nothing behind it (all its children commented out) counts as not written. */
function withoutNulls(value: unknown): unknown {
  if (!isTree(value)) return value ?? {};
  const kept = Object.entries(value).filter(([, inner]) => inner !== null);
  return Object.fromEntries(kept.map(([key, inner]) => [key, isTree(inner) ? withoutNulls(inner) : inner]));
}

function absolute(value: unknown, base: string): unknown {
  if (!isTree(value)) return value;
  const path = (inner: unknown) => (typeof inner === 'string' && inner !== '' ? resolve(base, inner) : inner);
  const changed: Record<string, unknown> = { ...value };
  if ('data' in value) changed['data'] = path(value['data']);
  const store = value['store'];
  if (typeof store === 'string' && /^sqlite:./.test(store))
    changed['store'] = `sqlite:${resolve(base, store.slice(7))}`;
  const tls = value['tls'];
  if (isTree(tls))
    changed['tls'] = Object.fromEntries(Object.entries(tls).map(([key, inner]) => [key, path(inner)]));
  const auth = value['auth'];
  if (isTree(auth)) changed['auth'] = authAbsolute(auth, path);
  return changed;
}

function authAbsolute(auth: Tree, path: (inner: unknown) => unknown): Tree {
  const changed: Record<string, unknown> = { ...auth };
  const { clientCertificates, oauth } = changed;
  if (isTree(clientCertificates))
    changed['clientCertificates'] = Object.fromEntries(
      Object.entries(clientCertificates).map(([key, inner]) => [key, path(inner)]),
    );
  if (isTree(oauth) && typeof oauth['jwks'] === 'string' && !oauth['jwks'].includes('://'))
    changed['oauth'] = { ...oauth, jwks: path(oauth['jwks']) };
  return changed;
}

function moveData(value: unknown, data: string): unknown {
  const store = isTree(value) ? value['store'] : undefined;
  const moved = put(value, ['data'], data);
  return typeof store === 'string' && store.startsWith('sqlite:')
    ? put(moved, ['store'], `sqlite:${data}`)
    : moved;
}

function complete(settings: Settings, base: string): Config {
  const { anonymous } = settings.auth;
  const named = settings.domains as [string, ...string[]];
  const domains = anonymous === undefined ? named : ([...named, anonymous] as const);
  const data = resolve(base, settings.data);
  const { cert, key } = settings.tls;
  return {
    ...settings,
    community: settings.community ?? domains[0],
    domains,
    data,
    store: settings.store ?? `sqlite:${data}`,
    tls: cert === undefined || key === undefined ? undefined : { cert, key },
  };
}
