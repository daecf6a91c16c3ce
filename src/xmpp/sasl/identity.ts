import { Jid } from '../jid.ts';

/** Who wants in, and as whom. */
export type Identity = { readonly username: string } | 'invalid-authzid' | undefined;

/**
 * The account behind a SASL user name, which in XMPP is a local part (RFC 6120 §6.3.8): its normal form. Undefined where
 * it cannot be one. `authzid` must be '' or this account's bare address: nobody acts for somebody else here.
 */
export function identify(authcid: string, authzid: string, domain: string): Identity {
  const jid = authcid === '' ? undefined : Jid.of(authcid, domain);
  if (authzid !== '' && (jid === undefined || Jid.parse(authzid)?.full !== jid.full))
    return 'invalid-authzid';
  return jid === undefined ? undefined : { username: jid.local };
}
