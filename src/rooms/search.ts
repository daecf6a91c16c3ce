import { fixed } from '../base/fixed.ts';
import { sql, type Store } from '../store/store.ts';
import { el, type Element } from '../xmpp/element.ts';
import { StanzaError } from '../xmpp/error.ts';
import { buildForm, parseForm, type Form } from '../xmpp/forms.ts';
import { NS } from '../xmpp/namespaces.ts';
import { foundSet, parsePage, type Page } from '../xmpp/rsm.ts';
import { readConfig } from './config.ts';
import type { Feature, Inquiry } from './iq.ts';

/**
 * Extended channel search (XEP-0433) among the rooms of a service that are public. All words have to be there, each in any of
 * the places that are searched. Results go by address, or by how many are in; then a page begins behind so many rooms with at
 * least as many.
 */
export const search: Feature = {
  service: { [`get search ${NS.search}`]: answer },
  serviceFeatures: [NS.search],
};

const byAddress = '{urn:xmpp:channel-search:0:order}address';
const byUsers = '{urn:xmpp:channel-search:0:order}nusers';
const multiUser = 'xep-0045';

/**
 * `$2`, `$3`, `$4`: are address, name and description looked into; `$5` to `$8`: patterns of words. `$9`: how many are in at
 * least. `$10` and `$11`: the page. The inner limit has SQLite count once who is in.
 */
const searchRows = {
  byAddress: sql`select address, config, users from (select r.address, r.config,
      (select count(distinct o.nick) from room_occupant o
        where o.partition = r.partition and o.room = r.id and o.gone = 0) as users
      from room r where r.host = $1 and r.listed = 1 and r.address > $10
      and (($2 = 1 and r.address like $5 escape '!') or ($3 = 1 and r.title like $5 escape '!')
        or ($4 = 1 and r.about like $5 escape '!'))
      and (($2 = 1 and r.address like $6 escape '!') or ($3 = 1 and r.title like $6 escape '!')
        or ($4 = 1 and r.about like $6 escape '!'))
      and (($2 = 1 and r.address like $7 escape '!') or ($3 = 1 and r.title like $7 escape '!')
        or ($4 = 1 and r.about like $7 escape '!'))
      and (($2 = 1 and r.address like $8 escape '!') or ($3 = 1 and r.title like $8 escape '!')
        or ($4 = 1 and r.about like $8 escape '!')) limit 100000) as found
    where users >= $9 order by address limit $11`,
  byUsers: sql`select address, config, users from (select r.address, r.config,
      (select count(distinct o.nick) from room_occupant o
        where o.partition = r.partition and o.room = r.id and o.gone = 0) as users
      from room r where r.host = $1 and r.listed = 1
      and (($2 = 1 and r.address like $5 escape '!') or ($3 = 1 and r.title like $5 escape '!')
        or ($4 = 1 and r.about like $5 escape '!'))
      and (($2 = 1 and r.address like $6 escape '!') or ($3 = 1 and r.title like $6 escape '!')
        or ($4 = 1 and r.about like $6 escape '!'))
      and (($2 = 1 and r.address like $7 escape '!') or ($3 = 1 and r.title like $7 escape '!')
        or ($4 = 1 and r.about like $7 escape '!'))
      and (($2 = 1 and r.address like $8 escape '!') or ($3 = 1 and r.title like $8 escape '!')
        or ($4 = 1 and r.about like $8 escape '!')) limit 100000) as found
    where users >= $9 and (users < $12 or (users = $12 and address > $10)) order by users desc, address limit $11`,
};

/** Words in one statement. */
const words = 4;
const running = new WeakMap<Store, number>();

async function answer({ partition, to, payload }: Inquiry): Promise<Element> {
  const form = parseForm(payload);
  if (form === undefined) return el('search', NS.search, {}, [template()]);
  if (form.type !== 'submit') throw new StanzaError('bad-request', 'the form is not submitted');
  if (form.of !== NS.searchParams)
    throw new StanzaError('bad-request', `FORM_TYPE is not ${NS.searchParams}`);
  const page = parsePage(payload, { usual: fixed.searchPage.value, most: fixed.searchPage.value });
  if (page.before !== undefined || page.index !== undefined)
    throw new StanzaError('feature-not-implemented', 'pages go forward');
  const wanted = read(form);
  if (!wanted.types) return el('result', NS.search, {}, [foundSet({})]);
  const { store } = partition.env;
  const count = running.get(store) ?? 0;
  // Every room of the service is looked at.
  if (count >= fixed.searches.value)
    throw refuse('resource-constraint', 'rate-limit', 'too many searches', { 'retry-after': '5' });
  running.set(store, count + 1);
  try {
    return await look(store, to.full, wanted, page);
  } finally {
    running.set(store, running.get(store)! - 1);
  }
}

interface Row {
  readonly address: string;
  readonly config: string;
  readonly users: number;
}

async function look(store: Store, host: string, wanted: Wanted, page: Page): Promise<Element> {
  const { byPeople, patterns, places, least } = wanted;
  const [users, address] = placeOf(page.after, byPeople);
  const params = [host, ...places, ...patterns, least, address, page.max + 1];
  const found = byPeople
    ? await store.query<Row>(searchRows.byUsers, [...params, users])
    : await store.query<Row>(searchRows.byAddress, params);
  const rooms = found.slice(0, page.max);
  const idOf = (row: Row | undefined) =>
    row === undefined ? undefined : byPeople ? `${row.users} ${row.address}` : row.address;
  return el('result', NS.search, {}, [
    ...rooms.map(itemOf),
    foundSet({ first: idOf(rooms[0]), last: idOf(rooms.at(-1)) }),
  ]);
}

/** Behind which room the page begins. */
function placeOf(after: string | undefined, byPeople: boolean): [users: number, address: string] {
  if (after === undefined) return [Number.MAX_SAFE_INTEGER, ''];
  if (!byPeople) return [0, after];
  const [, users, address] = /^(\d{1,9}) (.+)$/s.exec(after) ?? [];
  if (users === undefined) throw new StanzaError('item-not-found', 'no page begins there');
  return [Number(users), address!];
}

function itemOf({ address, config: stored, users }: Row): Element {
  const config = readConfig(stored);
  const text = (name: string, value: string) => (value === '' ? [] : [el(name, NS.search, {}, [value])]);
  return el('item', NS.search, { address }, [
    ...text('name', config.name === '' ? address.slice(0, address.indexOf('@')) : config.name),
    ...text('description', config.description),
    ...text('language', config.language),
    ...text('nusers', String(users)),
    ...text('service-type', multiUser),
    ...(config.membersOnly || config.password !== '' ? [] : [el('is-open', NS.search)]),
    ...text(
      'anonymity-mode',
      config.whois === 'anyone' ? '{urn:xmpp:channel-search:0:anonymity}none' : 'muc_semianonymous',
    ),
  ]);
}

interface Wanted {
  readonly byPeople: boolean;
  /** One of the kinds of rooms that are asked for is ours. */
  readonly types: boolean;
  readonly least: number;
  readonly patterns: readonly string[];
  readonly places: readonly number[];
}

/** §4.2.2; a field that nobody knows is ignored (§5). */
function read(form: Form): Wanted {
  const text = form.value('q')?.trim() ?? '';
  const all = form.flag('all') ?? false;
  if (all && text !== '') {
    const vars = ['all', 'q'].map((name) => el('var', NS.searchError, {}, [name]));
    throw refuse('bad-request', 'conflicting-fields', 'either all, or words to look for', {}, vars);
  }
  if (!all && text === '' && (form.value('q') ?? '') !== '')
    throw refuse('bad-request', 'invalid-search-terms', 'blanks are no words');
  if (!all && text === '')
    throw refuse('bad-request', 'no-search-conditions', 'either all, or words to look for');
  const key = form.value('key') ?? byUsers;
  if (key !== byUsers && key !== byAddress)
    throw refuse('feature-not-implemented', 'invalid-sort-key', 'that is no order of ours');
  const kinds = form.values('types');
  const least = form.value('min_users')?.trim() ?? '';
  if (!/^\d{0,9}$/.test(least)) throw new StanzaError('bad-request', 'min_users is no number');
  const flag = (...names: readonly string[]) =>
    names.map((name) => form.flag(name)).find((value) => value !== undefined) ?? true;
  // The table of §6.1 and the examples do not call it the same.
  const places = [flag('sinaddress', 'sinaddr'), flag('sinname'), flag('sindescription')];
  return {
    byPeople: key === byUsers,
    types: kinds.length === 0 || kinds.includes(multiUser),
    // Where all are wanted they are told, however empty (§5).
    least: least === '' ? 0 : Number(least),
    patterns: patternsOf(text),
    places: all ? [1, 1, 1] : places.map(Number),
  };
}

function patternsOf(text: string): string[] {
  const terms = text.toLowerCase().split(/\s+/).filter(Boolean);
  if (text.length > fixed.searchTerms.value || terms.length > words)
    throw refuse('bad-request', 'invalid-search-terms', `more than ${words} words, or too long`);
  const patterns = terms.map((term) => `%${term.replaceAll(/[!%_]/g, '!$&')}%`);
  while (patterns.length < words) patterns.push('%');
  return patterns;
}

function template(): Element {
  const yes = { type: 'boolean', values: ['true'] } as const;
  return buildForm('form', NS.searchParams, [
    { name: 'q', type: 'text-single', label: 'Search for' },
    { name: 'all', type: 'boolean', label: 'Return all entries (ignore search terms)' },
    { name: 'sinname', label: 'Search in name', ...yes },
    { name: 'sindescription', label: 'Search in description', ...yes },
    { name: 'sinaddress', label: 'Search in address', ...yes },
    { name: 'min_users', type: 'text-single', label: 'Minimum number of users', values: ['0'] },
    {
      name: 'types',
      type: 'list-multi',
      label: 'Service types',
      values: [multiUser],
      options: [{ value: multiUser, label: 'XEP-0045 Multi User Chats' }],
    },
    {
      name: 'key',
      type: 'list-single',
      label: 'Sort results by',
      values: [byUsers],
      options: [
        { value: byUsers, label: 'Number of online users' },
        { value: byAddress, label: 'Address' },
      ],
    },
  ]);
}

function refuse(
  condition: 'bad-request' | 'feature-not-implemented' | 'resource-constraint',
  detail: string,
  text: string,
  attrs: Record<string, string> = {},
  children: readonly Element[] = [],
): StanzaError {
  const type = condition === 'resource-constraint' ? 'wait' : 'modify';
  return new StanzaError(condition, text, type, el(detail, NS.searchError, attrs, children));
}
