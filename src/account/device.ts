import { createHmac, createSecretKey } from 'node:crypto';

/**
 * A client's installation, as its account knows it: the same for every login with the same id (XEP-0388 §2.3), while
 * neither the id nor another account of the same installation can be told from it (XEP-0386 §3.2.1).
 */
export function deviceOf(secret: Uint8Array, address: string, agent: string): string {
  return createHmac('sha256', createSecretKey(secret))
    .update(JSON.stringify(['device', address, agent]))
    .digest('base64url')
    .slice(0, length);
}

/** 72 bits: more than enough for the clients of one account. */
const length = 12;
