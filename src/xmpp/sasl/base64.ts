const form = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/**
 * What an `<auth/>`, `<response/>` or SCRAM attribute holds; undefined (for `incorrect-encoding`) where it is not
 * base64 in its only form: no white space, full padding, no spare bits (RFC 4648 §3.5).
 */
export function decode(text: string): Buffer | undefined {
  if (!form.test(text)) return undefined;
  const bytes = Buffer.from(text, 'base64');
  return bytes.toString('base64') === text ? bytes : undefined;
}

/** As `decode`, where `=` stands for a message of no bytes (RFC 6120 §6.4.2). */
export function decodeMessage(text: string): Buffer | undefined {
  return text === '=' ? Buffer.alloc(0) : decode(text);
}

/** The other way round. */
export function encodeMessage(bytes: Uint8Array): string {
  return bytes.length === 0 ? '=' : Buffer.from(bytes).toString('base64');
}
