import type { Jid } from '../../xmpp/jid.ts';
import type { Partition } from '../partition.ts';
import { answerProbe } from '../probe.ts';
import { sendPassing } from '../route.ts';
import { between } from '../subscription.ts';

/**
 * A component probes somebody of whom nothing is in memory: answered also then (RFC 6121 §4.3.2), because it asks for
 * its own users and nobody asks for it.
 */
export function answerAbsent(partition: Partition, source: Jid, to: Jid): void {
  Promise.resolve(partition.account(to.bare)).then(
    (account) => {
      if (account !== undefined) account.mailbox.run(() => answerProbe(account, source));
      else sendPassing(partition, source, between('unsubscribed', to.bare, source.full));
    },
    (error: unknown) => partition.env.log.warn({ err: error }, 'an account could not be read'),
  );
}
