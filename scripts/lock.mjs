// Completes package-lock.json after `npm install`: a registry mirror may lack the binaries of other platforms, npm then leaves
// their entries out, and `npm ci` refuses such a file everywhere. Entries are made from the optional dependencies' names.
import { readFileSync, writeFileSync } from 'node:fs';

const path = new URL('../package-lock.json', import.meta.url);
const lock = JSON.parse(readFileSync(path, 'utf8'));
const packages = lock.packages;
for (const parent of Object.values({ ...packages })) {
  for (const [name, version] of Object.entries(parent.optionalDependencies ?? {})) {
    const key = `node_modules/${name}`;
    if (packages[key] !== undefined) continue;
    const [os, cpu] = name
      .replace(/^@[^/]+\//, '')
      .replace(/^binding-/, '')
      .split('-');
    packages[key] = {
      version,
      cpu: [cpu],
      dev: parent.dev,
      optional: true,
      os: [os],
      engines: parent.engines,
    };
    if (os === 'linux') packages[key].libc = [name.includes('musl') ? 'musl' : 'glibc'];
  }
}
lock.packages = Object.fromEntries(Object.entries(packages).sort(([a], [b]) => (a < b ? -1 : 1)));
writeFileSync(path, `${JSON.stringify(lock, null, 2)}\n`);
