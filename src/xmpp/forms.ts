import { el } from './element.ts';
import type { Element } from './element.ts';
import { StanzaError } from './error.ts';
import { NS } from './namespaces.ts';

/** XEP-0004 §3.2. */
export type FormType = 'form' | 'submit' | 'cancel' | 'result';

/** XEP-0004 §3.3. */
export type FieldType =
  | 'boolean'
  | 'fixed'
  | 'hidden'
  | 'jid-multi'
  | 'jid-single'
  | 'list-multi'
  | 'list-single'
  | 'text-multi'
  | 'text-private'
  | 'text-single';

/** One field to show or to fill in. */
export interface Field {
  readonly name: string;
  readonly type?: FieldType | undefined;
  readonly label?: string | undefined;
  readonly values?: readonly string[] | undefined;
  readonly options?: readonly { readonly value: string; readonly label?: string | undefined }[] | undefined;
  readonly required?: boolean | undefined;
}

/** What somebody sent: values by field name, in order. */
export class Form {
  readonly type: FormType;
  /** The value of `FORM_TYPE` (XEP-0068), '' for none. */
  readonly of: string;
  readonly #fields: ReadonlyMap<string, readonly string[]>;

  constructor(type: FormType, fields: ReadonlyMap<string, readonly string[]>) {
    this.type = type;
    this.of = fields.get('FORM_TYPE')?.[0] ?? '';
    this.#fields = fields;
  }

  /** Names of the fields, `FORM_TYPE` excepted. */
  get names(): string[] {
    return [...this.#fields.keys()].filter((name) => name !== 'FORM_TYPE');
  }

  /** True where the field was sent, be it empty. */
  has(name: string): boolean {
    return this.#fields.has(name);
  }

  /** All values of a field; none where it was not sent. */
  values(name: string): readonly string[] {
    return this.#fields.get(name) ?? [];
  }

  /** The one value of a field, undefined where it has none. Throws StanzaError `bad-request` for several. */
  value(name: string): string | undefined {
    const values = this.values(name);
    if (values.length > 1) throw new StanzaError('bad-request', `more than one value of ${name}`);
    return values[0];
  }

  /** A boolean field (XML Schema: 0, 1, true, false). Throws StanzaError `bad-request` for another value. */
  flag(name: string): boolean | undefined {
    const value = this.value(name);
    if (value === undefined) return undefined;
    if (value === '1' || value === 'true') return true;
    if (value === '0' || value === 'false') return false;
    throw new StanzaError('bad-request', `${name} is neither true nor false`);
  }
}

/**
 * The data form directly inside `parent`, undefined where there is none. Throws StanzaError `bad-request` where there
 * are two, where its type is unknown, or where a field has no name or comes twice.
 */
export function parseForm(parent: Element): Form | undefined {
  const found = parent.elements('x', NS.dataForms);
  if (found.length > 1) throw new StanzaError('bad-request', 'more than one form');
  const x = found[0];
  if (x === undefined) return undefined;
  const type = x.attrs['type'];
  if (type !== 'form' && type !== 'submit' && type !== 'cancel' && type !== 'result')
    throw new StanzaError('bad-request', 'unknown type of form');
  const fields = new Map<string, string[]>();
  for (const field of x.elements('field')) {
    const name = field.attrs['var'];
    if (name === undefined) {
      if (field.attrs['type'] === 'fixed') continue;
      throw new StanzaError('bad-request', 'a field without a name');
    }
    if (fields.has(name)) throw new StanzaError('bad-request', `field ${name} comes twice`);
    fields.set(
      name,
      field.elements('value').map((value) => value.text()),
    );
  }
  return new Form(type, fields);
}

/** A form to be filled in, submitted or shown. `of` is its `FORM_TYPE`, '' for none. */
export function buildForm(
  type: FormType,
  of: string,
  fields: readonly Field[] = [],
  words: { title?: string; instructions?: string } = {},
): Element {
  const children: Element[] = [];
  if (words.title !== undefined) children.push(el('title', NS.dataForms, {}, [words.title]));
  if (words.instructions !== undefined)
    children.push(el('instructions', NS.dataForms, {}, [words.instructions]));
  if (of !== '')
    children.push(build({ name: 'FORM_TYPE', type: type === 'submit' ? undefined : 'hidden', values: [of] }));
  for (const field of fields) children.push(build(field));
  return el('x', NS.dataForms, { type }, children);
}

function build({ name, type, label, values = [], options = [], required = false }: Field): Element {
  const children = values.map((value) => el('value', NS.dataForms, {}, [value]));
  for (const option of options)
    children.push(
      el('option', NS.dataForms, { label: option.label }, [el('value', NS.dataForms, {}, [option.value])]),
    );
  if (required) children.push(el('required', NS.dataForms));
  return el('field', NS.dataForms, { var: name, type, label }, children);
}
