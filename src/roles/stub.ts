import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Administration, Status } from '../admin/administration.ts';
import type { Config } from '../base/config.ts';
import { Failure } from '../base/failure.ts';
import { token, type Random } from '../base/random.ts';
import { version } from '../base/version.ts';

/** STUB until accounts are wired: addresses in DATA/stub.json, passwords nowhere. To be removed with its callers. */
export async function openStub(
  config: Config,
  random: Random,
  state: Status['state'],
): Promise<Administration & { first?: { address: string; password: string } | undefined }> {
  const file = join(config.data, 'stub.json');
  const accounts = new Map<string, number>(existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : []);
  const begun = Date.now();
  const save = () => {
    writeFileSync(`${file}.tmp`, JSON.stringify([...accounts]));
    renameSync(`${file}.tmp`, file);
  };
  const known = (address: string) => {
    if (!accounts.has(address)) throw new Failure('account-missing', `${address} does not exist`);
  };
  const users: Administration['users'] = {
    async add(address, password) {
      const [local, domain, ...more] = address.toLowerCase().split('@');
      if (!local || !domain || more.length > 0 || /\s/.test(address))
        throw new Failure('address-malformed', 'that is not an address such as alice@example.org');
      if (!config.domains.includes(domain))
        throw new Failure('account-domain', `${address} is not of a domain that is served here`);
      if (password === '') throw new Failure('password-weak', 'the password is empty');
      if (accounts.has(`${local}@${domain}`))
        throw new Failure('account-exists', `${address} exists already`);
      accounts.set(`${local}@${domain}`, Date.now());
      save();
      return `${local}@${domain}`;
    },
    passwd: async (address) => known(address),
    async remove(address) {
      known(address);
      accounts.delete(address);
      save();
    },
    list: async (after, limit) =>
      [...accounts]
        .toSorted(([a], [b]) => (a < b ? -1 : 1))
        .filter(([address]) => after === undefined || address > after)
        .slice(0, limit)
        .map(([address, created]) => ({
          address,
          admin: address.startsWith('admin@'),
          created,
          sessions: 0,
        })),
  };
  const first =
    accounts.size === 0 && state === 'ready'
      ? { address: `admin@${config.domains[0]}`, password: token(random, 12) }
      : undefined;
  if (first !== undefined) await users.add(first.address, first.password);
  return {
    first,
    users,
    sessions: async () => [],
    status: async () => ({
      community: config.community,
      server: config.server.name,
      cluster: config.server.cluster,
      version,
      domains: config.domains,
      state,
      uptime: state === 'offline' ? 0 : Date.now() - begun,
      accounts: accounts.size,
      sessions: 0,
      memory: state === 'offline' ? 0 : process.memoryUsage.rss(),
    }),
    close: async () => {},
  };
}
