/**
 * Moments as XEP-0082 DateTime. The house counts them in milliseconds since the Unix epoch.
 */

/** `2026-11-20T13:51:18.042Z`: UTC, always three digits of a second. Years 0 to 9999, else RangeError. */
export function formatDate(ms: number): string {
  const text = new Date(ms).toISOString();
  if (text.length !== 24) throw new RangeError('a year of more than four digits');
  return text;
}

const form = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:Z|([+-])(\d\d):(\d\d))$/;

/**
 * Reads a DateTime (XEP-0082 §3.2): the time zone is mandatory, digits behind the third of a fraction are cut off.
 * Undefined for any other form and for days, hours or zones that do not exist; leap seconds do not, as XML Schema
 * (the XEP's reference) has none.
 */
export function parseDate(text: string): number | undefined {
  const found = form.exec(text);
  if (found === null) return undefined;
  const [year, month, day, hour, minute, second] = found.slice(1, 7).map(Number) as Six;
  const fraction = Number((found[7] ?? '').slice(0, 3).padEnd(3, '0'));
  const away = found[8] === undefined ? 0 : Number(found[9]) * 60 + Number(found[10]);
  if (hour > 23 || minute > 59 || second > 59 || Number(found[10] ?? 0) > 59 || away > 14 * 60)
    return undefined;
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) return undefined;
  const local = date.getTime() + ((hour * 60 + minute) * 60 + second) * 1000 + fraction;
  return local - (found[8] === '-' ? -away : away) * 60_000;
}

type Six = [number, number, number, number, number, number];
