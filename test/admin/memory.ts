import type { Administration, UserInfo } from '../../src/admin/administration.ts';
import { noServers, notPool } from '../../src/roles/overview.ts';
import { noRooms } from '../../src/roles/rooms.ts';
import { noTransfer } from '../../src/roles/transfer.ts';
import { Failure } from '../../src/base/failure.ts';

export interface Memory extends Administration {
  readonly passwords: Map<string, string>;
  /** The most `add` calls that ran at the same time. */
  readonly most: () => number;
}

/** An `Administration` of localhost without a store behind it. */
export function memory(): Memory {
  const passwords = new Map<string, string>();
  let running = 0;
  let most = 0;
  const closed = new Set<string>();
  const admins = new Set<string>();
  const known = (address: string) => {
    if (!passwords.has(address)) throw new Failure('account-missing', `${address} does not exist`);
  };
  return {
    passwords,
    most: () => most,
    users: {
      async add(address, password) {
        most = Math.max(most, ++running);
        await new Promise((resolve) => setImmediate(resolve));
        running--;
        if (address === 'crash@localhost') throw new Error('disk on fire, secret inside');
        if (!/^[^@\s]+@[^@\s]+$/.test(address)) throw new Failure('address-malformed', 'not an address');
        if (!address.endsWith('@localhost'))
          throw new Failure('account-domain', `${address} is not of a domain that is served here`);
        if (password === '') throw new Failure('password-weak', 'the password is empty');
        if (passwords.has(address)) throw new Failure('account-exists', `${address} exists already`);
        passwords.set(address, password);
        return address;
      },
      async passwd(address, password) {
        known(address);
        passwords.set(address, password);
      },
      async disable(address, disabled) {
        known(address);
        if (disabled) closed.add(address);
        else closed.delete(address);
      },
      async promote(address, admin) {
        known(address);
        if (admin) admins.add(address);
        else admins.delete(address);
      },
      async remove(address) {
        known(address);
        passwords.delete(address);
      },
      list: async (after, limit) =>
        [...passwords.keys()]
          .toSorted()
          .filter((address) => after === undefined || address > after)
          .slice(0, limit)
          .map((address): UserInfo => ({
            address,
            admin: admins.has(address),
            disabled: closed.has(address),
            created: 0,
            sessions: 0,
          })),
    },
    rooms: noRooms(notPool),
    servers: noServers(notPool),
    transfer: noTransfer(notPool),
    sessions: async () => [],
    status: async () => ({
      community: 'Test',
      server: 'one',
      cluster: 'main',
      roles: ['mux', 'accounts'],
      version: '0',
      domains: ['localhost'],
      state: 'ready',
      uptime: 1,
      accounts: passwords.size,
      sessions: 0,
      memory: 1,
    }),
    close: async () => {},
  };
}
