import type { core } from 'zod';
import { nearest } from './nearest.ts';
import { schema } from './schema.ts';
import { isTree, type Written } from './yamlfile.ts';

/** One `--set key.path=value`. */
export interface Assignment {
  readonly path: readonly string[];
  readonly value: unknown;
}

/**
 * One line for the first thing that is wrong: where it stands, its key, what was expected, what was found.
 * `value` is what was checked: the file with the assignments in it.
 */
export function explain(
  issue: core.$ZodIssue,
  value: unknown,
  assigned: readonly Assignment[],
  file: Written,
): string {
  const [found, path] = innermost(issue, value);
  const unknown = found.code === 'unrecognized_keys';
  const full = unknown ? [...path, found.keys[0]!] : path;
  const key = full.map(String).join('.');
  const got = path.reduce<unknown>(
    (at, step) => (at as Record<PropertyKey, unknown> | undefined)?.[step],
    value,
  );
  const problem = unknown
    ? `unknown key${suggestion(found.keys[0]!, path)}`
    : `${found.message.startsWith('expected') ? found.message : 'expected a mapping'}${got === undefined ? '' : `, got ${shown(got)}`}`;
  const setting = assigned.findLast(({ path: set }) =>
    set.every((step, i) => i >= full.length || step === String(full[i])),
  );
  if (setting !== undefined) return `--set ${key}: ${problem}`;
  const where = file.name === '' ? '' : `${file.name}:${file.position(full, true)}: `;
  return `${where}${key === '' ? '' : `${key}: `}${problem}`;
}

/** A listener is a mapping or `off`: what is wrong with a mapping is what is wrong inside it. */
function innermost(issue: core.$ZodIssue, value: unknown): [core.$ZodIssue, readonly PropertyKey[]] {
  if (issue.code !== 'invalid_union') return [issue, issue.path];
  const got = issue.path.reduce<unknown>((at, step) => (at as Record<PropertyKey, unknown>)[step], value);
  const inner = issue.errors.at(-1)?.[0];
  if (!isTree(got) || inner === undefined)
    return [{ ...issue, message: 'expected a mapping or off' }, issue.path];
  return [inner, [...issue.path, ...inner.path]];
}

function shown(value: unknown): string {
  // A password in a URL is nobody's business.
  const text = (JSON.stringify(value) ?? String(value)).replaceAll(
    /:\/\/([^:@/\s]*):[^@/\s]*@/g,
    '://$1:***@',
  );
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}

function suggestion(key: string, path: readonly PropertyKey[]): string {
  const near = nearest(key, keysAt(path));
  return near === undefined ? '' : `, did you mean ${[...path.map(String), near].join('.')}?`;
}

/** The keys that the schema knows at `path`. */
function keysAt(path: readonly PropertyKey[]): string[] {
  let at: unknown = schema.parse({});
  for (const step of path) at = isTree(at) ? at[String(step)] : undefined;
  const optional: Record<string, string[]> = {
    '': ['community', 'store'],
    tls: ['cert', 'key'],
    'listen.http': ['url'],
    auth: ['anonymous'],
    'auth.clientCertificates': ['ca', 'crl'],
    'auth.oauth': ['issuer', 'audience', 'jwks', 'scope', 'discovery'],
  };
  return [...(isTree(at) ? Object.keys(at) : []), ...(optional[path.join('.')] ?? [])];
}
