import type { Limits } from '../base/limits.ts';
import { StanzaError } from '../xmpp/error.ts';
import type { Field } from '../xmpp/forms.ts';
import { Jid } from '../xmpp/jid.ts';

/** A field of the form: how a value is shown and read. `read` throws StanzaError `not-acceptable`, naming the field. */
export interface Entry<Value> {
  readonly field: string;
  readonly label: string;
  readonly type: Field['type'];
  readonly options?: (value: Value, limits: Limits) => Field['options'];
  show(value: Value): readonly string[];
  read(values: readonly string[], field: string, limits: Limits): Value;
}

export function wrong(field: string, text: string): StanzaError {
  return new StanzaError('not-acceptable', `${field}: ${text}`);
}

export function one(values: readonly string[], field: string): string {
  if (values.length > 1) throw wrong(field, 'more than one value');
  return values[0] ?? '';
}

export function short(value: string, field: string, most: number): string {
  if (value.length > most) throw wrong(field, `more than ${most} characters`);
  return value;
}

export function number(value: string, field: string, least: number, most: number): number {
  const found = /^\d{1,9}$/.test(value) ? Number(value) : -1;
  if (found < least || found > most) throw wrong(field, `a number from ${least} to ${most}`);
  return found;
}

export function isSet(values: readonly string[], field: string): boolean {
  const value = one(values, field).trim();
  if (value === '1' || value === 'true') return true;
  if (value === '0' || value === 'false') return false;
  throw wrong(field, 'neither true nor false');
}

/** Bare ones; empty lines are none. */
export function addresses(values: readonly string[], field: string, most: number): string[] {
  const found = new Set<string>();
  for (const value of values.map((text) => text.trim()).filter((text) => text !== '')) {
    const jid = Jid.parse(value);
    if (jid === undefined) throw wrong(field, 'not an address');
    found.add(jid.bare);
  }
  if (found.size > most) throw wrong(field, `more than ${most} addresses`);
  return [...found];
}

export function text(field: string, label: string, most: number): Entry<string> {
  return {
    field,
    label,
    type: 'text-single',
    show: (value) => (value === '' ? [] : [value]),
    read: (values) => short(one(values, field), field, most),
  };
}

export function flag(field: string, label: string): Entry<boolean> {
  return { field, label, type: 'boolean', show: (value) => [value ? '1' : '0'], read: isSet };
}

export function choice<Value extends string>(
  field: string,
  label: string,
  labels: Readonly<Record<Value, string>>,
): Entry<Value> {
  return {
    field,
    label,
    type: 'list-single',
    options: () => optionsOf(labels),
    show: (value) => [value],
    read: (values) => {
      const value = one(values, field);
      if (!Object.hasOwn(labels, value)) throw wrong(field, `one of ${Object.keys(labels).join(', ')}`);
      return value as Value;
    },
  };
}

export function several<Value extends string>(
  field: string,
  label: string,
  labels: Readonly<Partial<Record<Value, string>>>,
): Entry<readonly Value[]> {
  return {
    field,
    label,
    type: 'list-multi',
    options: () => optionsOf(labels),
    show: (value) => value,
    read: (values) => {
      if (!values.every((value) => Object.hasOwn(labels, value)))
        throw wrong(field, `of ${Object.keys(labels).join(', ')}`);
      // In the order of the options, so that the same choice is the same value.
      return (Object.keys(labels) as Value[]).filter((value) => values.includes(value));
    },
  };
}

function optionsOf(labels: Readonly<Record<string, string | undefined>>): NonNullable<Field['options']> {
  return Object.entries(labels).map(([value, label]) => ({ value, label }));
}
