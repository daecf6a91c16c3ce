import type { Hash, Keys } from './keys.ts';

/** SASL conditions, RFC 6120 §6.5. */
export type SaslCondition =
  | 'aborted'
  | 'account-disabled'
  | 'credentials-expired'
  | 'encryption-required'
  | 'incorrect-encoding'
  | 'invalid-authzid'
  | 'invalid-mechanism'
  | 'malformed-request'
  | 'mechanism-too-weak'
  | 'not-authorized'
  | 'temporary-auth-failure';

/** What the server does after a message of the client. */
export type Step =
  | { readonly kind: 'challenge'; readonly data: Uint8Array }
  /** `data` is undefined where the mechanism has nothing to add; `username` is a local part in normal form. */
  | { readonly kind: 'success'; readonly username: string; readonly data?: Uint8Array | undefined }
  /** Final. `text` is safe to show and tells nobody whether the account exists. */
  | { readonly kind: 'failure'; readonly condition: SaslCondition; readonly text?: string | undefined };

/**
 * The server's side of one authentication. `step` takes the client's messages, decoded, one after the other; the
 * first is the initial response. Rejects only with what the credentials callback rejects with.
 */
export interface Exchange {
  step(data: Uint8Array): Promise<Step> | Step;
}

/** Stored keys of an account, undefined where there is none. `username` is a local part in normal form. */
export type Credentials = (username: string, hash: Hash) => Promise<Keys | undefined> | Keys | undefined;

/** Refuses. */
export function refuse(condition: SaslCondition, text?: string): Step {
  return { kind: 'failure', condition, text };
}
