import { el, type Element } from '../xmpp/element.ts';
import { StanzaError } from '../xmpp/error.ts';
import { Jid } from '../xmpp/jid.ts';
import { NS } from '../xmpp/namespaces.ts';
import { accountRows, type Archiving, type Preferences } from './accountrows.ts';
import type { Feature, Request } from './iq.ts';

/** Which messages the archive shows, as the account wants it (XEP-0441 §2.1). Decided when a message is stored. */
export const prefs: Feature = {
  account: {
    [`get prefs ${NS.mam}`]: ({ account }) => preferencesOf(account.preferences),
    [`set prefs ${NS.mam}`]: change,
  },
};

function change({ account, work, payload }: Request): Element {
  const wanted = preferencesIn(payload, account.partition.env.limits.preferences);
  account.preferences = wanted;
  work.write(accountRows.preferences, [account.partition.id, account.id, JSON.stringify(wanted)]);
  return preferencesOf(wanted);
}

/** `most`: addresses of both lists together. */
export function preferencesIn(prefs: Element, most: number): Preferences {
  const always = addresses(prefs, 'always');
  const never = addresses(prefs, 'never');
  if (always.length + never.length > most)
    throw new StanzaError('policy-violation', `more than ${most} addresses`);
  return { default: defaultOf(prefs), always, never };
}

/** XEP-0441 §2.1.1: one of three. */
function defaultOf(prefs: Element): Archiving {
  const value = prefs.attrs['default'];
  if (value === 'always' || value === 'never' || value === 'roster') return value;
  throw new StanzaError('bad-request', 'default is one of always, never and roster');
}

/** XEP-0441 §2.1.2 and §2.1.3: a list that is left out is empty. */
function addresses(prefs: Element, list: 'always' | 'never'): string[] {
  const lists = prefs.elements(list);
  if (lists.length > 1) throw new StanzaError('bad-request', `more than one <${list}/>`);
  const found = new Set<string>();
  for (const entry of lists[0]?.elements('jid') ?? []) {
    const jid = Jid.parse(entry.text().trim());
    if (jid === undefined) throw new StanzaError('jid-malformed', 'an entry is not an address');
    found.add(jid.full);
  }
  return [...found];
}

/** XEP-0441 §2.1: the lists are there even where they are empty. */
export function preferencesOf({ default: rule, always, never }: Preferences): Element {
  const list = (name: string, entries: readonly string[]) =>
    el(
      name,
      NS.mam,
      {},
      entries.map((address) => el('jid', NS.mam, {}, [address])),
    );
  return el('prefs', NS.mam, { default: rule }, [list('always', always), list('never', never)]);
}
