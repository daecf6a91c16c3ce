import { parseDate } from './datetime.ts';
import { el, type Element } from './element.ts';
import { StanzaError } from './error.ts';
import { buildForm, parseForm, type Form } from './forms.ts';
import { Jid } from './jid.ts';
import { NS } from './namespaces.ts';

/** What a query asks for (XEP-0313 §4.1). */
export interface Filter {
  /** Bare address of the other side. */
  readonly peer: string | undefined;
  /** Where a resource was named too: the whole address that `from` or `to` has. */
  readonly full: string | undefined;
  /** Only what lies between these ids, in an archive whose ids are microseconds since the epoch. */
  readonly above: number;
  readonly below: number;
  /** The same as it was said: ids, and milliseconds since the epoch, both ends of which belong to the results (§4.1.2). */
  readonly after: number | undefined;
  readonly before: number | undefined;
  readonly start: number | undefined;
  readonly end: number | undefined;
  /** Only these, in order. */
  readonly ids: readonly number[] | undefined;
  /** The archive must know these, or the query fails. */
  readonly known: readonly number[];
}

/** XEP-0313 §7: understood although rooms' messages are never in an account's archive. */
export const groupchatField = `${NS.mam}#groupchat-field`;

export const everything: Filter = {
  peer: undefined,
  full: undefined,
  above: 0,
  below: Number.MAX_SAFE_INTEGER,
  after: undefined,
  before: undefined,
  start: undefined,
  end: undefined,
  ids: undefined,
  known: [],
};

const fields = new Set(['with', 'start', 'end', 'before-id', 'after-id', 'ids', 'include-groupchat']);

/**
 * The filter in a `<query/>`. Throws StanzaError: `bad-request` for a malformed form, `feature-not-implemented` for a
 * field nobody knows (§4.1.5), `item-not-found` for an id that is none of ours (§4.1.3), `policy-violation` for more
 * than `idsMax` ids. A field without a value is as good as left out (XEP-0004 §3.3).
 */
export function readFilter(query: Element, idsMax: number): Filter {
  const form = parseForm(query);
  if (form === undefined) return everything;
  if (form.type !== 'submit') throw new StanzaError('bad-request', 'the form is not submitted');
  if (form.of !== NS.mam) throw new StanzaError('bad-request', `FORM_TYPE is not ${NS.mam}`);
  const unknown = form.names.find((name) => !fields.has(name));
  if (unknown !== undefined)
    throw new StanzaError('feature-not-implemented', 'a field that is not supported');
  form.flag('include-groupchat');

  const peer = addressIn(form);
  const start = momentIn(form, 'start');
  const end = momentIn(form, 'end');
  const after = idIn(form, 'after-id');
  const before = idIn(form, 'before-id');
  const ids = idsIn(form, idsMax);
  return {
    peer: peer?.bare,
    full: peer?.resource === '' ? undefined : peer?.full,
    // §4.1.2: both ends belong to the results. The id holds the time, to the microsecond, that the results tell.
    above: Math.max(after ?? 0, start === undefined ? 0 : start * 1000 - 1),
    below: Math.min(before ?? everything.below, end === undefined ? everything.below : (end + 1) * 1000),
    after,
    before,
    start,
    end,
    ids,
    known: [after, before].filter((id) => id !== undefined),
  };
}

/** The form that shows what can be asked (§4.1.5). */
export function queryForm(): Element {
  const form = buildForm('form', NS.mam, [
    { name: 'with', type: 'jid-single' },
    { name: 'start', type: 'text-single' },
    { name: 'end', type: 'text-single' },
    { name: 'before-id', type: 'text-single' },
    { name: 'after-id', type: 'text-single' },
    { name: 'include-groupchat', type: 'boolean' },
  ]);
  // §4.1.5: a list whose entries the client brings (XEP-0122 §3.2.2).
  const open = el('validate', validation, { datatype: 'xs:string' }, [el('open', validation)]);
  const ids = el('field', NS.dataForms, { var: 'ids', type: 'list-multi' }, [open]);
  return form.withChildren([...form.children, ids]);
}

const validation = 'http://jabber.org/protocol/xdata-validate';

/** An archive id as clients see it; undefined for what cannot be one. */
function parseId(text: string): number | undefined {
  if (!/^[1-9]\d{0,15}$/.test(text)) return undefined;
  const id = Number(text);
  return Number.isSafeInteger(id) ? id : undefined;
}

/** Throws `item-not-found` for what cannot be an id (§4.1.3, §4.3.2). */
export function idOf(text: string): number {
  const id = parseId(text);
  if (id === undefined) throw new StanzaError('item-not-found', 'the archive has no such message');
  return id;
}

function addressIn(form: Form): Jid | undefined {
  const text = form.value('with')?.trim() ?? '';
  if (text === '') return undefined;
  const jid = Jid.parse(text);
  if (jid === undefined) throw new StanzaError('bad-request', 'with is not an address');
  return jid;
}

function momentIn(form: Form, name: 'start' | 'end'): number | undefined {
  const text = form.value(name)?.trim() ?? '';
  if (text === '') return undefined;
  const moment = parseDate(text);
  if (moment === undefined) throw new StanzaError('bad-request', `${name} is not a time of XEP-0082`);
  return moment;
}

function idIn(form: Form, name: 'before-id' | 'after-id'): number | undefined {
  const text = form.value(name) ?? '';
  return text === '' ? undefined : idOf(text);
}

function idsIn(form: Form, most: number): readonly number[] | undefined {
  const texts = form.values('ids').filter((text) => text !== '');
  if (texts.length === 0) return undefined;
  if (texts.length > most) throw new StanzaError('policy-violation', `more than ${most} ids`);
  return [...new Set(texts.map(idOf))].sort((a, b) => a - b);
}
