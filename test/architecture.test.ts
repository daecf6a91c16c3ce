import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname, join, normalize, sep } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { fixed } from '../src/base/fixed.ts';
import { limitNames } from '../src/base/limits.ts';

/** The rules of the house: ARCHITECTURE.md explains them, this asserts them. */

const root = fileURLToPath(new URL('../', import.meta.url));

/** Imports go down: to a lower rank, or inside the own folder. */
const ranks: Readonly<Record<string, number>> = {
  cli: 7,
  roles: 6,
  admin: 5,
  mux: 4,
  transfer: 4,
  account: 3,
  rooms: 3,
  entity: 2,
  post: 2,
  placement: 2,
  mesh: 1,
  store: 1,
  directory: 1,
  blobs: 1,
  link: 1,
  xmpp: 0,
  base: 0,
};

/** The only pairs of one rank, each with its reason. */
const neighbours: Readonly<Record<string, string>> = {
  'post → placement': 'the post asks the routes where a letter goes now, and again after the partition moved',
  'directory → store': 'the embedded directory is two tables of the store, written through its lanes',
  'blobs → store': 'content in the database goes through the store, in a lane of its own',
  'link → mesh': 'frames are coded for the wire as the mesh asks for it (a type)',
  'xmpp → base': 'a password that cannot be used is a Failure like any other',
};

/** An engine's driver is imported in one file, which everybody else goes through (types count: they leak as well). */
const engines: Readonly<Record<string, string>> = {
  'node:sqlite': 'src/store/sqlite.ts',
  pg: 'src/store/postgres.ts',
  '@nats-io/transport-node': 'src/mesh/nats.ts',
  saxes: 'src/xmpp/reader.ts',
  ws: 'src/mux/ws.ts',
  pino: 'src/base/log.ts',
  'pino-pretty': 'src/base/pretty.ts',
  'prom-client': 'src/base/metrics.ts',
  selfsigned: 'src/base/certificate.ts',
  jose: 'src/directory/tokens.ts',
  yaml: 'src/base/yamlfile.ts',
  '@fastify/static': 'src/admin/page.ts',
  'cli-progress': 'src/cli/bar.ts',
  'cli-table3': 'src/cli/print.ts',
  'node:child_process': 'src/roles/supervisor.ts',
};

/** Libraries that are a way of writing rather than an engine: where they may be written in, and why there. */
const idioms: Readonly<Record<string, { readonly where: RegExp; readonly why: string }>> = {
  commander: { where: /^src\/cli\//, why: 'one file is one sub-command' },
  fastify: { where: /^src\/admin\//, why: 'opened in http.ts alone; routes need the type of the instance' },
  zod: {
    where: /^src\/(base\/(schema|complaint|example)|admin\/(api|checked|rooms|transfers))\.ts$/,
    why: 'the schema of the configuration with its two readers, and the bodies of the API',
  },
  'node:worker_threads': { where: /^src\/store\/(port|thread)\.ts$/, why: 'both ends of one thread' },
};

/** Files above this need a reason here. */
const longest = 600;
const waivers: Readonly<Record<string, string>> = {};

interface Import {
  readonly from: string;
  readonly to: string;
  /** False where only types are meant: those are gone when the program runs. */
  readonly value: boolean;
}

function files(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name).split(sep).join('/'))
    .filter((name) => /\.(ts|mjs)$/.test(name) && !name.endsWith('.d.ts'))
    .sort();
}

function importsOf(from: string): Import[] {
  const text = readFileSync(join(root, from), 'utf8');
  const found: Import[] = [];
  const add = (to: string, value: boolean) =>
    found.push({ from, to: to.startsWith('.') ? normalize(join(dirname(from), to)) : to, value });
  for (const [, type, names, to] of text.matchAll(
    /^(?:import|export)\s+(type\s+)?((?:[\w*\s,]|\{[^}]*\})*?)\s*from\s+'([^']+)'/gm,
  ))
    add(to!, type === undefined && !onlyTypes(names!));
  for (const [, to] of text.matchAll(/^import\s+'([^']+)'/gm)) add(to!, true);
  for (const [, to] of text.matchAll(/\bimport\('([^']+)'\)/g)) add(to!, true);
  return found;
}

/** `{ type A, type B }`. */
function onlyTypes(names: string): boolean {
  const inner = /^\{([^}]*)\}$/.exec(names.trim())?.[1];
  if (inner === undefined) return false;
  return inner
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '')
    .every((name) => name.startsWith('type '));
}

const sources = files('src');
const imports = sources.flatMap(importsOf);
const inside = imports.filter(({ to }) => to.startsWith('src/'));
const folder = (path: string): string => path.split('/')[1]!;

test('the imports are seen at all', () => {
  const text = inside.map(({ from, to, value }) => `${from} ${to} ${value}`);
  assert.ok(text.includes('src/main.ts src/cli/cli.ts true'));
  assert.ok(text.includes('src/post/post.ts src/placement/routes.ts false'));
  assert.ok(text.includes('src/cli/connect.ts src/roles/offline.ts true'), 'import()');
  for (const { from, to } of inside) assert.ok(existsSync(join(root, to)), `${from} imports ${to}`);
});

test('imports go down the ranks', () => {
  const bad: string[] = [];
  const used = new Set<string>();
  for (const { from, to } of inside) {
    if (from === 'src/main.ts') {
      if (folder(to) !== 'cli') bad.push(`${from} → ${to}`);
      continue;
    }
    const [above, below] = [folder(from), folder(to)];
    assert.ok(
      ranks[above] !== undefined,
      `src/${above} has no rank: give it one here and in ARCHITECTURE.md`,
    );
    if (above === below || ranks[below]! < ranks[above]) continue;
    const pair = `${above} → ${below}`;
    if (ranks[below] === ranks[above] && neighbours[pair] !== undefined) used.add(pair);
    else bad.push(`${from} → ${to}`);
  }
  assert.deepEqual(bad, []);
  assert.deepEqual([...used].sort(), Object.keys(neighbours).sort(), 'a pair that nobody needs any more');
});

test('a mux knows frames, the mesh, XMPP and where owners are, and nothing else', () => {
  const bad = inside
    .filter(({ from }) => folder(from) === 'mux')
    .filter(
      ({ to }) =>
        !['mux', 'link', 'mesh', 'xmpp', 'base'].includes(folder(to)) && to !== 'src/placement/routes.ts',
    );
  assert.deepEqual(bad, []);
});

test('no file needs itself: there are no cycles of values', () => {
  const next = new Map<string, string[]>();
  for (const { from, to, value } of inside) if (value) next.set(from, [...(next.get(from) ?? []), to]);
  const done = new Set<string>();
  const visit = (file: string, path: readonly string[]): void => {
    const at = path.indexOf(file);
    if (at >= 0) assert.fail([...path.slice(at), file].join(' → '));
    if (done.has(file)) return;
    for (const to of next.get(file) ?? []) visit(to, [...path, file]);
    done.add(file);
  };
  for (const file of sources) visit(file, []);
});

test('each engine is opened in one file', () => {
  for (const [name, only] of Object.entries(engines)) {
    const users = imports.filter(({ to }) => to === name).map(({ from }) => from);
    assert.deepEqual([...new Set(users)], [only], name);
  }
  for (const [name, { where, why }] of Object.entries(idioms)) {
    const users = imports.filter(({ to }) => to === name).map(({ from }) => from);
    assert.ok(users.length > 0, name);
    for (const user of users) assert.match(user, where, `${name}: ${why}`);
  }
  const opened = imports.filter(({ to, value }) => to === 'fastify' && value).map(({ from }) => from);
  assert.deepEqual(opened, ['src/admin/http.ts']);
});

test('every dependency is one that these rules know', () => {
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    dependencies: Record<string, string>;
  };
  const known = new Set([...Object.keys(engines), ...Object.keys(idioms)]);
  // not imported: the runtime, and files that are served to browsers
  for (const name of ['node', 'converse.js']) known.add(name);
  const missing = Object.keys(manifest.dependencies).filter((name) => !known.has(name));
  assert.deepEqual(missing, []);
  const foreign = imports.filter(({ to }) => !/^(src\/|node:|package\.json$)/.test(to));
  for (const { from, to } of foreign) assert.ok(manifest.dependencies[to], `${from} imports ${to}`);
});

test('no barrels, no dumps, no giants', () => {
  const all = ['src', 'test', 'sim', 'bench', 'cluster', 'bin', 'scripts'].flatMap(files);
  const dump = /^(index|utils?|helpers?|common|types?|misc|shared)(\.|$)/;
  const bad = all.filter((file) => file.split('/').some((part) => dump.test(part)));
  assert.deepEqual(bad, []);
  for (const file of all) {
    const lines = readFileSync(join(root, file), 'utf8').split('\n').length - 1;
    if (lines > longest) assert.ok(waivers[file], `${file} has ${lines} lines`);
    else assert.equal(waivers[file], undefined, `${file} needs no waiver any more`);
  }
});

test('what a file exports to be called, another one imports', () => {
  const taken = new Set<string>();
  for (const from of ['src', 'test', 'sim', 'bench', 'cluster', 'scripts'].flatMap(files)) {
    const text = readFileSync(join(root, from), 'utf8');
    const fileOf = (to: string) => normalize(join(dirname(from), to));
    // `import('…')` and `* as` may take anything.
    for (const [, to] of text.matchAll(/(?:\bimport\(|\* as \w+ from )'(\.[^']+)'/g)) taken.add(fileOf(to!));
    for (const [, names, to] of text.matchAll(
      /^(?:import|export)\s+(?:type\s+)?\{([^}]*)\}\s+from\s+'(\.[^']+)'/gm,
    ))
      for (const name of names!.split(',')) taken.add(`${fileOf(to!)} ${nameIn(name)}`);
  }
  const idle = sources.flatMap((file) =>
    [
      ...readFileSync(join(root, file), 'utf8').matchAll(
        /^export (?:async )?(?:const|function\*?|class) (\w+)/gm,
      ),
    ]
      .filter(([, name]) => !taken.has(file) && !taken.has(`${file} ${name}`))
      .map(([, name]) => `${file} ${name}`),
  );
  assert.deepEqual(idle, []);
});

/** `type a as b` → `a`. */
function nameIn(text: string): string {
  return text
    .trim()
    .replace(/^type\s+/, '')
    .split(/\s+as\s+/)[0]!;
}

test('each bound in the table is one that the code keeps to', () => {
  const text = sources
    .filter((file) => !/^src\/base\/(limits|fixed)\.ts$/.test(file))
    .map((file) => readFileSync(join(root, file), 'utf8').replace(/\/\*[^]*?\*\/|\/\/.*/g, ''))
    .join('\n');
  // `limits.name`, or taken out of it: `{ name } = …limits`, `laneLimitsOf({ name }: Limits)`.
  const taken = [...text.matchAll(/\{([\w\s,:]*)\}\s*(?:=\s*[\w.]*\blimits\b|:\s*Limits\b)/g)].flatMap(
    ([, names]) => names!.split(',').map((name) => name.split(':')[0]!.trim()),
  );
  const idle = limitNames.filter(
    (name) => !new RegExp(`[lL]imits\\.${name}\\b`).test(text) && !taken.includes(name),
  );
  assert.deepEqual(idle, []);
  assert.deepEqual(
    Object.keys(fixed).filter((name) => !text.includes(`fixed.${name}.value`)),
    [],
  );
});

/** The files and folders of ours that a page names. */
function namedIn(page: string): string[] {
  const text = readFileSync(join(root, page), 'utf8');
  return [...text.matchAll(/\b(?:src|test|sim|bench|cluster|docs|web|bin|scripts)\/[\w./-]*\w/g)].map(
    ([path]) => path,
  );
}

test('what ARCHITECTURE.md and docs/decisions.md name exists', () => {
  for (const [page, least] of [
    ['ARCHITECTURE.md', 60],
    ['docs/decisions.md', 8],
  ] as const) {
    const named = namedIn(page);
    assert.ok(named.length >= least, page);
    assert.deepEqual(
      named.filter((path) => !existsSync(join(root, path))),
      [],
      page,
    );
  }
});

test('docs/decisions.md tells of each dependency, and its version', () => {
  const text = readFileSync(join(root, 'docs/decisions.md'), 'utf8');
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Record<
    'dependencies' | 'devDependencies',
    Record<string, string>
  >;
  const all = Object.entries({ ...manifest.dependencies, ...manifest.devDependencies });
  const told = all.filter(([name]) => !name.startsWith('@types/'));
  assert.deepEqual(
    told.filter(([name, version]) => !text.includes(`\`${name}\` ${version}`)),
    [],
  );
});

test('ARCHITECTURE.md names every folder on two screens', () => {
  const text = readFileSync(join(root, 'ARCHITECTURE.md'), 'utf8');
  const folders = readdirSync(join(root, 'src')).filter((name) =>
    statSync(join(root, 'src', name)).isDirectory(),
  );
  assert.deepEqual(folders.sort(), Object.keys(ranks).sort());
  for (const name of folders) assert.ok(text.includes(`src/${basename(name)}/`), `src/${name}/`);
  const lines = text.split('\n');
  assert.ok(lines.length <= 101, 'two screens are enough');
  assert.deepEqual(
    lines.filter((line) => line.length > 120),
    [],
  );
});
