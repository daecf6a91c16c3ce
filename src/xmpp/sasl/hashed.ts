import { isUtf8 } from 'node:buffer';
import { hmac } from './keys.ts';

/** A message of HT-SHA-256-* (draft-schmaus-kitten-sasl-ht-09 §3.1), taken apart. */
export interface Hashed {
  readonly authcid: string;
  readonly proof: Uint8Array;
}

/** `authcid NUL initiator-hashed-token`; undefined where it is not that. */
export function parseHashed(data: Uint8Array): Hashed | undefined {
  const end = data.indexOf(0);
  if (end < 1 || end === data.length - 1) return undefined;
  const name = data.subarray(0, end);
  return isUtf8(name) ? { authcid: Buffer.from(name).toString(), proof: data.subarray(end + 1) } : undefined;
}

/** What a client that has the token proves with it (§3.1), and the server (§3.3). `binding`: the channel's data, if any. */
export function proofOf(by: 'Initiator' | 'Responder', token: string, binding: Uint8Array): Buffer {
  return hmac('SHA-256', Buffer.from(token), Buffer.concat([Buffer.from(by), binding]));
}

/** The channel binding that a mechanism needs (§2); undefined for none at all. */
export function bindingOf(mechanism: string): string | undefined {
  if (mechanism.endsWith('-EXPR')) return 'tls-exporter';
  return mechanism.endsWith('-ENDP') ? 'tls-server-end-point' : undefined;
}
