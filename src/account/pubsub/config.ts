import { StanzaError } from '../../xmpp/error.ts';
import type { Field, Form } from '../../xmpp/forms.ts';

/** XEP-0060 §4.5. */
export type AccessModel = 'open' | 'presence' | 'roster' | 'authorize' | 'whitelist';
/** Of whom: of an account (XEP-0163), or of the service below the domain. */
export type Kind = 'pep' | 'service';

/** The configuration of a node (XEP-0060 §16.4.4). Values are shared between nodes and never changed. */
export interface Config {
  readonly title: string;
  readonly description: string;
  readonly language: string;
  /** Namespace of the payload; '' for any. */
  readonly type: string;
  readonly access: AccessModel;
  readonly groups: readonly string[];
  readonly publishers: 'publishers' | 'subscribers' | 'open';
  readonly persist: boolean;
  /** 0 stands for `max`: as many as the service keeps. */
  readonly items: number;
  /** Seconds; 0 for ever. */
  readonly expire: number;
  readonly full: 'retract-oldest' | 'discard-oldest' | 'reject';
  readonly last: 'never' | 'on_sub' | 'on_sub_and_presence';
  readonly payloads: boolean;
  readonly notifications: boolean;
  readonly notifyConfig: boolean;
  readonly notifyDelete: boolean;
  readonly notifyRetract: boolean;
  readonly notifySub: boolean;
  readonly presenceBased: boolean;
  readonly purgeOffline: boolean;
  readonly message: 'headline' | 'normal' | 'chat';
  readonly reply: 'owner' | 'publisher';
}

const usual: Config = {
  title: '',
  description: '',
  language: '',
  type: '',
  access: 'open',
  groups: [],
  publishers: 'publishers',
  persist: true,
  items: 0,
  expire: 0,
  full: 'retract-oldest',
  last: 'on_sub',
  payloads: true,
  notifications: true,
  notifyConfig: false,
  notifyDelete: false,
  notifyRetract: false,
  notifySub: false,
  presenceBased: false,
  purgeOffline: false,
  message: 'headline',
  reply: 'owner',
};

/** What a node gets where nobody says otherwise. XEP-0163 §7: an account's is for who sees its presence. */
export const defaults: Readonly<Record<Kind, Config>> = {
  pep: { ...usual, access: 'presence', items: 1, last: 'on_sub_and_presence', notifyRetract: true },
  service: { ...usual, notifyDelete: true, notifyRetract: true, notifyConfig: true },
};

/** A field of the form: how a value is shown and read. `read` throws StanzaError for what cannot be. */
interface Entry<Value> {
  readonly name: string;
  readonly label: string;
  readonly type: Field['type'];
  readonly options?: readonly string[];
  show(value: Value): readonly string[];
  read(values: readonly string[], name: string): Value;
}

type Entries = { readonly [Name in keyof Config]: Entry<Config[Name]> };

const entries: Entries = {
  title: text('title', 'A friendly name for the node', 'text-single'),
  description: text('description', 'A description of the node', 'text-single'),
  language: text('language', 'The default language of the node', 'text-single'),
  type: text('type', 'The namespace of the payloads, where only one is allowed', 'text-single'),
  access: choice('access_model', 'Who may subscribe and retrieve items', [
    'open',
    'presence',
    'roster',
    'authorize',
    'whitelist',
  ]),
  groups: {
    name: 'roster_groups_allowed',
    label: 'The roster groups allowed to subscribe and retrieve items',
    type: 'text-multi',
    show: (value) => value,
    read: (values) => {
      if (values.length > 64 || values.some((group) => group.length > 1023))
        throw new StanzaError('not-acceptable', 'too many groups');
      return [...new Set(values)];
    },
  },
  publishers: choice('publish_model', 'Who may publish', ['publishers', 'subscribers', 'open']),
  persist: flag('persist_items', 'Keep items in storage'),
  items: {
    name: 'max_items',
    label: 'How many items to keep, or max',
    type: 'text-single',
    show: (value) => [value === 0 ? 'max' : String(value)],
    read: (values, name) => count(one(values, name), name, 1),
  },
  expire: {
    name: 'item_expire',
    label: 'Seconds after which items are removed, or max',
    type: 'text-single',
    show: (value) => [value === 0 ? 'max' : String(value)],
    read: (values, name) => count(one(values, name), name, 0),
  },
  full: choice('publish_node_full', 'What happens when the node is full', [
    'retract-oldest',
    'discard-oldest',
    'reject',
  ]),
  last: choice('send_last_published_item', 'When to send the last published item', [
    'never',
    'on_sub',
    'on_sub_and_presence',
  ]),
  payloads: flag('deliver_payloads', 'Deliver payloads with notifications'),
  notifications: flag('deliver_notifications', 'Deliver notifications'),
  notifyConfig: flag('notify_config', 'Notify subscribers when the configuration changes'),
  notifyDelete: flag('notify_delete', 'Notify subscribers when the node is deleted'),
  notifyRetract: flag('notify_retract', 'Notify subscribers when items are removed'),
  notifySub: flag('notify_sub', 'Notify owners about new subscribers'),
  presenceBased: flag('presence_based_delivery', 'Deliver notifications to available users only'),
  purgeOffline: flag('purge_offline', 'Purge items when the publisher goes offline'),
  message: choice('notification_type', 'The type of the message of a notification', [
    'headline',
    'normal',
    'chat',
  ]),
  reply: choice('itemreply', 'To whom subscribers reply', ['owner', 'publisher']),
};

const names = Object.keys(entries) as (keyof Config)[];
const byField: ReadonlyMap<string, keyof Config> = new Map(
  names.map((name) => [`pubsub#${entries[name].name}`, name]),
);

/** The fields of a form that shows it. */
export function fieldsOf(config: Config, only: readonly (keyof Config)[] = names): Field[] {
  return only.map((name) => {
    const entry = entries[name] as Entry<never>;
    const { name: field, label, type, options } = entry;
    return {
      name: `pubsub#${field}`,
      label,
      type,
      values: entry.show(config[name] as never),
      ...(options === undefined ? {} : { options: options.map((value) => ({ value })) }),
    };
  });
}

/**
 * The configuration with what a form says. Throws StanzaError `bad-request` or `not-acceptable` for what cannot be, also
 * for fields that do not exist where `strict`.
 */
export function changed(config: Config, form: Form, strict: boolean): Config {
  const changes: Partial<Record<keyof Config, unknown>> = {};
  for (const field of form.names) {
    const name = byField.get(field);
    if (name === undefined) {
      if (strict) throw new StanzaError('not-acceptable', `there is no ${field}`);
      continue;
    }
    changes[name] = entries[name].read(form.values(field), field);
  }
  return { ...config, ...(changes as Partial<Config>) };
}

/** Is everything that the form asks for as it is? Undefined where it asks for something that does not exist. */
export function meets(config: Config, form: Form): boolean | undefined {
  let met = true;
  for (const field of form.names) {
    const name = byField.get(field);
    if (name === undefined) return undefined;
    if (!same(entries[name].read(form.values(field), field), config[name])) met = false;
  }
  return met;
}

/** The text that a row keeps: what differs from the defaults of the kind. */
export function configText(config: Config, kind: Kind): string {
  const base = defaults[kind];
  return JSON.stringify(
    Object.fromEntries(
      names.filter((name) => !same(config[name], base[name])).map((name) => [name, config[name]]),
    ),
  );
}

/** What a row keeps; nodes of the same configuration share one value. */
export function configOf(text: string, kind: Kind): Config {
  if (text === '{}') return defaults[kind];
  const key = `${kind} ${text}`;
  let config = known.get(key);
  if (config === undefined) {
    config = { ...defaults[kind], ...(JSON.parse(text) as Partial<Config>) };
    if (known.size >= most) known.clear();
    known.set(key, config);
  }
  return config;
}

const known = new Map<string, Config>();
const most = 1000;

function same(a: unknown, b: unknown): boolean {
  return Array.isArray(a) && Array.isArray(b)
    ? a.length === b.length && a.every((value, i) => value === b[i])
    : a === b;
}

function one(values: readonly string[], name: string): string {
  if (values.length !== 1) throw new StanzaError('bad-request', `${name} has one value`);
  return values[0]!;
}

function text(name: string, label: string, type: Field['type']): Entry<string> {
  return {
    name,
    label,
    type,
    show: (value) => (value === '' ? [] : [value]),
    read: (values) => {
      const value = values.join('\n');
      if (value.length > 1023) throw new StanzaError('not-acceptable', `${name} is too long`);
      return value;
    },
  };
}

function flag(name: string, label: string): Entry<boolean> {
  return {
    name,
    label,
    type: 'boolean',
    show: (value) => [value ? '1' : '0'],
    read: (values, field) => {
      const value = one(values, field);
      if (value === '1' || value === 'true') return true;
      if (value === '0' || value === 'false') return false;
      throw new StanzaError('bad-request', `${field} is neither true nor false`);
    },
  };
}

function choice<Value extends string>(name: string, label: string, options: readonly Value[]): Entry<Value> {
  return {
    name,
    label,
    type: 'list-single',
    options,
    show: (value) => [value],
    read: (values, field) => {
      const value = one(values, field);
      const found = options.find((option) => option === value);
      if (found === undefined) throw new StanzaError('not-acceptable', `${field} cannot be that`);
      return found;
    },
  };
}

/** A number, or `max`, which is 0. */
function count(value: string, name: string, least: number): number {
  if (value === 'max') return 0;
  if (!/^\d{1,9}$/.test(value) || Number(value) < least)
    throw new StanzaError('not-acceptable', `${name} is no such number`);
  return Number(value);
}
