import type { Accounts } from '../account/accounts.ts';
import type { About, Administering } from '../account/administering.ts';
import type { Notices } from '../account/notices.ts';
import { rosterRows } from '../account/roster.ts';
import type { Subscription } from '../account/item.ts';
import { Failure } from '../base/failure.ts';
import type { Directory, Entry } from '../directory/directory.ts';
import { sql, type Store } from '../store/store.ts';
import { el, type Element } from '../xmpp/element.ts';
import { NS } from '../xmpp/namespaces.ts';
import { Jid } from '../xmpp/jid.ts';
import type { Here, Told } from './here.ts';
import type { Peers } from './peers.ts';
import { closedBy } from './transfer.ts';

const rows = {
  registered: sql`select count(*) as n from account where local <> '' and substr(address, length(local) + 2) = $1`,
  disabled: sql`select count(*) as n from account
    where local <> '' and disabled <> 0 and substr(address, length(local) + 2) = $1`,
  everybody: sql`select address from account where local <> '' and substr(address, length(local) + 2) = $1
    order by address limit $2`,
  closed: sql`select address from account
    where local <> '' and disabled <> 0 and substr(address, length(local) + 2) = $1 order by address limit $2`,
  admins: sql`select address from account
    where admin = 1 and local <> '' and substr(address, length(local) + 2) = $1 order by address`,
  state: sql`select admin, gone from account where partition = $1 and id = $2`,
};

export interface Community {
  readonly store: Store;
  readonly directory: Directory;
  readonly notices: Notices;
  readonly here: () => Here;
  /** Undefined where there is one server. */
  readonly peers: Peers | undefined;
  readonly accounts: () => Accounts;
}

/** Administrators' commands, over this server alone or all of a pool. */
export function openAdministering(over: Community): Administering {
  const { store, directory, peers, notices } = over;
  const here = () => over.here();
  const env = () => over.accounts().env;
  const owner = <T>(
    address: string,
    method: string,
    params: unknown,
    own: () => T | Promise<T>,
  ): Promise<T> => {
    const place = env().partitionOf(address);
    if (place === undefined)
      return Promise.reject(new Failure('account-domain', 'that domain is not served here'));
    if (peers === undefined) return Promise.resolve(own());
    return peers.owner(place, method, params) as Promise<T>;
  };
  const everyone = async <T>(method: string, params: unknown, own: () => T): Promise<readonly T[]> =>
    peers === undefined ? [own()] : ((await peers.everyone(method, params)) as T[]);
  const known = async (address: string): Promise<Entry> => {
    const found = await directory.find(address);
    if (found === undefined) throw new Failure('account-missing', `${address} does not exist`);
    return found;
  };
  const counted = async (statement: typeof rows.registered, domain: string) =>
    (await store.query<{ n: number }>(statement, [domain]))[0]!.n;
  const listed = async (statement: typeof rows.everybody, domain: string, limit: number) =>
    (await store.query<{ address: string }>(statement, [domain, limit])).map(({ address }) => address);
  const changeNotice = async (change: Told) => {
    await owner(change.domain, 'notice', change, () => here().notice(change));
    void (await everyone('notices', change.domain, () => here().notices(change.domain)));
  };

  return {
    add: async (address, password) => {
      const jid = Jid.parse(address);
      if (jid === undefined) throw new Failure('address-malformed', 'that is no address');
      return (await directory.add(jid.bare, password)).address;
    },
    passwd: (address, password) => directory.setPassword(address, password),
    remove: async (address) => {
      await known(address);
      await owner(address, 'remove', address, () => here().remove(address));
    },
    disable: async (address, disabled) => {
      const { closed } = await known(address);
      const now = closedBy(closed, disabled);
      await owner(address, 'close', [address, now], () => here().close(address, now));
    },
    promote: async (address, admin) => {
      await known(address);
      await owner(address, 'promote', [address, admin], () => here().promote(address, admin));
    },
    kick: async (address, resource) => {
      await known(address);
      return owner(address, 'kick', [address, resource ?? ''], () => here().kick(address, resource ?? ''));
    },
    about: async (address) => {
      const { id, disabled } = await known(address);
      const partition = env().partitionOf(address)!;
      const [sessions, [state], contacts] = await Promise.all([
        owner(address, 'sessions-of', address, () => here().sessionsOf(address)),
        store.query<{ admin: number; gone: number | null }>(rows.state, [partition, id]),
        contactsOf(store, partition, id),
      ]);
      const began = sessions.map(({ since }) => since);
      return {
        address,
        admin: state?.admin === 1,
        disabled,
        contacts: contacts.length,
        resources: sessions.map((session) => Jid.parse(session.address)?.resource ?? ''),
        addresses: [...new Set(sessions.map(({ from }) => from))].filter((from) => from !== ''),
        seen: began.length > 0 ? Math.max(...began) : (state?.gone ?? undefined),
      } satisfies About;
    },
    roster: async (address) => {
      const { id } = await known(address);
      return el('query', NS.roster, {}, await contactsOf(store, env().partitionOf(address)!, id));
    },
    count: async (domain, who) => {
      if (who === 'registered') return counted(rows.registered, domain);
      if (who === 'disabled') return counted(rows.disabled, domain);
      const parts = await everyone('people', [domain, who, 0], () => here().people(domain, who, 0));
      return parts.reduce((sum, { count }) => sum + count, 0);
    },
    list: async (domain, who, limit) => {
      if (who === 'registered') return listed(rows.everybody, domain, limit);
      if (who === 'disabled') return listed(rows.closed, domain, limit);
      const parts = await everyone('people', [domain, who, limit], () => here().people(domain, who, limit));
      return parts
        .flatMap(({ list }) => list)
        .sort()
        .slice(0, limit);
    },
    administrators: async (domain) =>
      (await store.query<{ address: string }>(rows.admins, [domain])).map(({ address }) => address),
    announce: async (domain, text) => {
      await everyone('announce', [domain, text], () => here().announce(domain, text));
    },
    notice: async (domain, name) => {
      await notices.refresh();
      return notices.get(domain, name)?.text;
    },
    setNotice: async (domain, name, text, anew) => {
      await notices.refresh();
      const before = notices.get(domain, name);
      const id = before === undefined || anew ? env().clock.now() * 1000 : before.id;
      await changeNotice({ domain, name, id, text });
    },
    removeNotice: async (domain, name) => {
      await notices.refresh();
      if (notices.get(domain, name) === undefined) return false;
      await changeNotice({ domain, name, id: 0, text: '' });
      return true;
    },
  };
}

async function contactsOf(store: Store, partition: number, account: number): Promise<Element[]> {
  const found = await store.query<{
    contact: string;
    name: string;
    subscription: Subscription | 'removed';
    ask: number;
    groups: string;
  }>(rosterRows.load, [partition, account]);
  return found
    .filter(({ contact, subscription }) => contact !== '' && subscription !== 'removed')
    .map(({ contact, name, subscription, ask, groups }) =>
      el(
        'item',
        NS.roster,
        {
          jid: contact,
          name: name === '' ? undefined : name,
          subscription,
          ask: ask === 1 ? 'subscribe' : undefined,
        },
        (groups === '' ? [] : (JSON.parse(groups) as string[])).map((group) =>
          el('group', NS.roster, {}, [group]),
        ),
      ),
    );
}
