import { fixed } from '../../base/fixed.ts';

/**
 * The name of a file as its URL and its downloads have it: no separators, no control and direction characters, nothing that
 * a file system or a browser takes for something else; its extension is kept.
 */
export function cleanName(name: string): string {
  const clean = name
    .toWellFormed()
    .normalize('NFC')
    // oxlint-disable-next-line no-control-regex -- these are meant
    .replaceAll(/[\u0000-\u001F\u007F-\u009F\u200B-\u200F\u2028-\u202E\u2060-\u206F\uFEFF\uFFF9-\uFFFF]/g, '')
    .replaceAll(/[/\\:*?"<>|]/g, '_')
    .replace(/^[. ]+/, '')
    .replace(/[. ]+$/, '');
  return shortened(clean === '' ? 'file' : clean);
}

function shortened(name: string): string {
  const most = fixed.uploadName.value;
  if (Buffer.byteLength(name) <= most) return name;
  const extension = /\.[\w-]{1,16}$/.exec(name)?.[0] ?? '';
  let stem = '';
  let bytes = extension.length;
  for (const letter of name.slice(0, name.length - extension.length)) {
    bytes += Buffer.byteLength(letter);
    if (bytes > most) break;
    stem += letter;
  }
  return stem + extension;
}

/** As a segment of a URL's path, and as the value of `filename*` (RFC 8187 §3.2.1): letters of both and nothing else. */
export function encodedName(name: string): string {
  return encodeURIComponent(name).replaceAll(
    /['()*!]/g,
    (letter) => `%${letter.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

/** A media type (RFC 9110 §8.3.1), possibly with parameters: one line of visible ASCII. */
export function isMediaType(text: string): boolean {
  return (
    text.length <= 255 && /^[\w!#$&^.+-]{1,127}\/[\w!#$&^.+-]{1,127}([ \t]*;[ \t]*[\x20-\x7e]*)?$/.test(text)
  );
}

/** Without parameters, in lower case: what two of them are compared by. */
export function essence(type: string): string {
  return type.split(';', 1)[0]!.trim().toLowerCase();
}
