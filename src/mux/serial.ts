const span = 2 ** 32;

/** A number as XEP-0198 §4 counts: an unsigned 32-bit integer that goes on at 0 after 2^32 − 1. */
export function wrap(count: number): number {
  const rest = count % span;
  return rest < 0 ? rest + span : rest;
}

/** The value of an `h` attribute (xs:unsignedInt); undefined where it is none. */
export function parseH(text: string | undefined): number | undefined {
  if (text === undefined || !/^\+?\d{1,10}$/.test(text)) return undefined;
  const h = Number(text);
  return h < span ? h : undefined;
}
