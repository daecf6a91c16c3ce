import type { Element } from './element.ts';
import type { StreamError } from './error.ts';
import { NS } from './namespaces.ts';
import { attribute, serialise, text } from './serialise.ts';

/** What a server says of a stream it opens (RFC 6120 §4.7). */
export interface Opening {
  /** The served domain. */
  from: string;
  /** Nobody can guess it (RFC 6120 §4.7.3). */
  id: string;
  /** The client's address, where it said one. */
  to?: string | undefined;
  /** Default language of human-readable text. */
  lang?: string | undefined;
}

/** The server's stream header on TCP. A component's stream is older than versions (XEP-0114 §3). */
export function header(
  opening: Opening,
  content: typeof NS.client | typeof NS.component = NS.client,
): string {
  const version = content === NS.client ? ' version="1.0"' : '';
  return (
    `<?xml version="1.0"?><stream:stream xmlns="${content}" xmlns:stream="${NS.stream}"` +
    `${about(opening)}${version}>`
  );
}

/** Ends a stream on TCP. */
export const footer = '</stream:stream>';

/** The same on WebSocket (RFC 7395 §3.4). */
export function openFrame(opening: Opening): string {
  return `<open xmlns="${NS.framing}"${about(opening)} version="1.0"/>`;
}

/** RFC 7395 §3.6; with `elsewhere` the client is told to reconnect there (§3.6.1). */
export function closeFrame(elsewhere?: string): string {
  const where = elsewhere === undefined ? '' : ` see-other-uri="${attribute(elsewhere)}"`;
  return `<close xmlns="${NS.framing}"${where}/>`;
}

function about({ from, id, to, lang = 'en' }: Opening): string {
  const whom = to === undefined ? '' : ` to="${attribute(to)}"`;
  return ` id="${attribute(id)}" from="${attribute(from)}"${whom} xml:lang="${attribute(lang)}"`;
}

/** `<stream:features/>` (RFC 6120 §4.3.2). */
export function features(offered: readonly Element[]): string {
  let out = '<stream:features>';
  for (const feature of offered) out += serialise(feature, NS.client);
  return `${out}</stream:features>`;
}

/** `<stream:error/>` (RFC 6120 §4.9.2), with what `detail` adds, such as the new host. */
export function streamError(
  { condition, text: why }: Pick<StreamError, 'condition' | 'text'>,
  detail = '',
): string {
  const empty = detail === '' ? '/>' : `>${text(detail)}</${condition}>`;
  const said = why === undefined ? '' : `<text xmlns="${NS.streams}" xml:lang="en">${text(why)}</text>`;
  return `<stream:error><${condition} xmlns="${NS.streams}"${empty}${said}</stream:error>`;
}

/**
 * A child of a TCP stream, as `serialise`, `features` or `streamError` wrote it, as a frame of its own, where
 * nothing is inherited (RFC 7395 §3.3.3).
 */
export function framed(stanza: string): string {
  let end = 1;
  for (let code = stanza.charCodeAt(end); code !== 0x20 && code !== 0x3e && code !== 0x2f;)
    code = stanza.charCodeAt(++end);
  if (stanza.startsWith('stream:', 1))
    return `${stanza.slice(0, end)} xmlns:stream="${NS.stream}"${stanza.slice(end)}`;
  if (stanza.startsWith(' xmlns="', end)) return stanza;
  return `${stanza.slice(0, end)} xmlns="${NS.client}"${stanza.slice(end)}`;
}
