/**
 * Channel bindings that a server takes and does not name in its list (XEP-0440): `tls-unique` (RFC 5929 §3) is weaker than
 * the others, and TLS 1.3 has none of that name, but slixmpp 1.8 and older clients ask for nothing else, in TLS 1.3 for
 * the same message. Where they are refused they try without any and say that they could (`y`), which no server may take.
 */
const unnamed = new Set(['tls-unique']);

/** The types that are offered, of those that there are. */
export function offeredTypes(types: Iterable<string>): string[] {
  return [...types].filter((type) => !unnamed.has(type));
}
