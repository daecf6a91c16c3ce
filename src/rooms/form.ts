import { fixed } from '../base/fixed.ts';
import type { Limits } from '../base/limits.ts';
import type { Element } from '../xmpp/element.ts';
import { buildForm, type Field, type Form } from '../xmpp/forms.ts';
import { NS } from '../xmpp/namespaces.ts';
import type { Config } from './config.ts';
import {
  addresses,
  choice,
  flag,
  isSet,
  number,
  one,
  several,
  short,
  text,
  wrong,
  type Entry,
} from './field.ts';
import type { Affiliation, Role } from './standing.ts';

/** XEP-0068: what the form is of (XEP-0045 §15.5.3). */
export const roomConfig = `${NS.muc}#roomconfig`;

/** What one field says alone. */
type Plain = Exclude<keyof Config, 'password' | 'avatar' | 'vcard' | 'hats'>;

const entries: { readonly [Name in Plain]: Entry<Config[Name]> } = {
  name: text('muc#roomconfig_roomname', 'Natural-Language Room Name', fixed.roomName.value),
  description: text('muc#roomconfig_roomdesc', 'Short Description of Room', fixed.roomWords.value),
  language: {
    ...text('muc#roomconfig_lang', 'Natural Language for Room Discussions', fixed.roomName.value),
    read: (values, field) => {
      const value = one(values, field).trim();
      // RFC 5646 §2.1, as far as form goes.
      if (value !== '' && !/^[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8})*$/.test(value))
        throw wrong(field, 'no tag of a language');
      return value;
    },
  },
  public: flag('muc#roomconfig_publicroom', 'Make Room Publicly Searchable?'),
  persistent: flag('muc#roomconfig_persistentroom', 'Make Room Persistent?'),
  membersOnly: flag('muc#roomconfig_membersonly', 'Make Room Members-Only?'),
  moderated: flag('muc#roomconfig_moderatedroom', 'Make Room Moderated?'),
  whois: choice('muc#roomconfig_whois', 'Who May Discover Real JIDs?', {
    moderators: 'Moderators Only',
    anyone: 'Anyone',
  }),
  changeSubject: flag('muc#roomconfig_changesubject', 'Allow Occupants to Change Subject?'),
  allowInvites: flag('muc#roomconfig_allowinvites', 'Allow Members to Invite Others?'),
  privateMessages: choice('muc#roomconfig_allowpm', 'Who Can Send Private Messages?', {
    anyone: 'Anyone',
    participants: 'Anyone with Voice',
    moderators: 'Moderators Only',
    none: 'Nobody',
  }),
  // No field of the standard's; ejabberd and its clients call it so.
  voiceRequests: flag('muc#roomconfig_allowvoicerequests', 'Allow Visitors to Request Voice?'),
  maxUsers: {
    field: 'muc#roomconfig_maxusers',
    label: 'Maximum Number of Occupants',
    type: 'list-single',
    options: (value, { occupants }) => [
      ...[...new Set([...sizes, ...(value === 0 ? [] : [value])])]
        .filter((size) => size <= occupants || size === value)
        .toSorted((a, b) => a - b)
        .map((size) => ({ value: String(size), label: String(size) })),
      { value: 'none', label: 'None' },
    ],
    show: (value) => [value === 0 ? 'none' : String(value)],
    read: (values, field, { occupants }) => {
      const value = one(values, field).trim();
      return value === 'none' || value === '' ? 0 : number(value, field, 0, occupants);
    },
  },
  broadcast: several<Role>('muc#roomconfig_presencebroadcast', 'Roles for which Presence is Broadcasted', {
    moderator: 'Moderator',
    participant: 'Participant',
    visitor: 'Visitor',
  }),
  memberList: several<Role | Affiliation>(
    'muc#roomconfig_getmemberlist',
    'Roles and Affiliations that May Retrieve Member List',
    {
      moderator: 'Moderator',
      participant: 'Participant',
      visitor: 'Visitor',
      owner: 'Owner',
      admin: 'Admin',
      member: 'Member',
      none: 'Unaffiliated',
    },
  ),
  logging: flag('muc#roomconfig_enablelogging', 'Keep What Is Said in the Archive?'),
  history: {
    field: 'muc#maxhistoryfetch',
    label: 'Maximum Number of History Messages Returned by Room',
    type: 'text-single',
    show: (value) => [String(value)],
    read: (values, field) => number(one(values, field).trim(), field, 0, fixed.roomRecent.value),
  },
  // XEP-0452.
  mentions: flag(
    'muc#roomconfig_forwardmentions',
    'Forward messages with mentions to non-present, affiliated users',
  ),
  // The fields of §15.5.4 (`muc#roominfo`) that nobody could tell the room otherwise.
  contacts: {
    field: 'muc#roominfo_contactjid',
    label: 'Contact Addresses',
    type: 'jid-multi',
    show: (value) => value,
    read: (values, field) => addresses(values, field, fixed.roomContacts.value),
  },
  ldapGroup: text('muc#roominfo_ldapgroup', 'Associated LDAP Group', fixed.roomName.value),
  pubsub: text(
    'muc#roomconfig_pubsub',
    'XMPP URI of Associated Publish-Subscribe Node',
    fixed.roomName.value,
  ),
  logs: text('muc#roominfo_logs', 'URL for Archived Discussion Logs', fixed.roomName.value),
};

const sizes = [10, 20, 30, 50, 100, 200, 500, 1000, 2000, 5000, 10_000];
const names = Object.keys(entries) as Plain[];
const byField: ReadonlyMap<string, Plain> = new Map(names.map((name) => [entries[name].field, name]));
/** What other servers' forms call it: clients that know those send it without having seen it here. */
const otherNames: Readonly<Record<string, string>> = {
  mam: entries.logging.field,
  'muc#roomconfig_mam': entries.logging.field,
  'muc#roomconfig_enablearchiving': entries.logging.field,
};
const guarded = 'muc#roomconfig_passwordprotectedroom';
const secret = 'muc#roomconfig_roomsecret';
const admins = 'muc#roomconfig_roomadmins';
const owners = 'muc#roomconfig_roomowners';

/** Those whom a form makes admins and owners: all of them (§10.2), undefined where it does not say. */
export interface Staff {
  readonly admins: readonly string[] | undefined;
  readonly owners: readonly string[] | undefined;
}

/** The form with everything as it is (§10.1.3 and §10.2). */
export function configForm(room: string, config: Config, staff: Required<Staff>, limits: Limits): Element {
  const fields = names.flatMap((name) => {
    const shown = fieldOf(name, config, limits);
    return name === 'moderated' ? [shown, ...passwordFields(config)] : [shown];
  });
  fields.push(
    { name: admins, label: 'Room Admins', type: 'jid-multi', values: staff.admins },
    { name: owners, label: 'Room Owners', type: 'jid-multi', values: staff.owners },
  );
  return buildForm('form', roomConfig, fields, {
    title: `Configuration for ${room}`,
    instructions: 'Complete this form to change the configuration of the room.',
  });
}

function fieldOf<Name extends Plain>(name: Name, config: Config, limits: Limits): Field {
  const entry: Entry<Config[Name]> = entries[name];
  const { field, label, type, options } = entry;
  const value = config[name];
  return { name: field, label, type, values: entry.show(value), options: options?.(value, limits) };
}

function passwordFields({ password }: Config): Field[] {
  const label = 'Password Required to Enter?';
  return [
    { name: guarded, label, type: 'boolean', values: [password === '' ? '0' : '1'] },
    { name: secret, label: 'Password', type: 'text-private', values: password === '' ? [] : [password] },
  ];
}

/**
 * The configuration with what a form says; fields that do not exist are passed over (XEP-0068 §3), and what it does not say
 * stays. Throws StanzaError `not-acceptable` with a text that names the field (§10.1.3).
 */
export function changed(config: Config, form: Form, limits: Limits): Config {
  const changes: Partial<Record<keyof Config, unknown>> = {};
  for (const sent of form.names) {
    const other = otherNames[sent];
    const name = byField.get(other ?? sent);
    if (name === undefined || (other !== undefined && form.has(other))) continue;
    const values = form.values(sent);
    // A text or a list without a value is empty; of a number or a choice nothing is said then.
    if (values.length === 0 && !mayBeEmpty(name)) continue;
    changes[name] = entries[name].read(values, sent, limits);
  }
  return { ...config, ...(changes as Partial<Config>), password: passwordIn(config, form) };
}

function mayBeEmpty(name: Plain): boolean {
  const { type } = entries[name];
  return type === 'text-single' ? name !== 'history' : type === 'list-multi' || type === 'jid-multi';
}

/** §10.1.3: a room that is to have a password has one that is not blank. */
function passwordIn({ password }: Config, form: Form): string {
  const protect = form.values(guarded).length === 0 ? undefined : isSet(form.values(guarded), guarded);
  if (protect === false) return '';
  const given = form.has(secret)
    ? short(one(form.values(secret), secret), secret, fixed.roomName.value)
    : password;
  if (protect === true && given.trim() === '')
    throw wrong(secret, 'a room that is protected needs a password');
  return given;
}

export function staffIn(form: Form): Staff {
  const list = (field: string) => {
    if (!form.has(field)) return undefined;
    const found = addresses(form.values(field), field, fixed.roomStaff.value);
    // Nobody can be asked for what a whole domain did.
    const domain = found.find((address) => !address.includes('@'));
    if (domain !== undefined) throw wrong(field, `${domain} is nobody's address`);
    return found;
  };
  return { admins: list(admins), owners: list(owners) };
}
