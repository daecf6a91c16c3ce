import type { Element } from '../xmpp/element.ts';
import { NS } from '../xmpp/namespaces.ts';
import { textOf } from '../xmpp/serialise.ts';
import type { Account } from './account.ts';
import { waitingKey } from './csi.ts';
import type { Feature, Handler } from './iq.ts';
import { keep } from './record.ts';
import { wrapped, type Copied } from './view.ts';

/** Copies of a session's conversations for the account's other sessions (XEP-0280 §4); view.ts makes them. */
export const carbons: Feature = {
  account: handlers(),
  // Announced for the server too (§3), so a request sent there is answered.
  server: handlers(),
  accountFeatures: [NS.carbons],
  serverFeatures: [NS.carbons],
};

function handlers(): Record<string, Handler> {
  return {
    [`set enable ${NS.carbons}`]: turn(true),
    [`set disable ${NS.carbons}`]: turn(false),
  };
}

/** §10.1: saying it again is no error. */
function turn(on: boolean): Handler {
  return ({ session }) => {
    session.carbons = on;
    keep(session);
    return undefined;
  };
}

/** Copies of a message that is not stored, to the account's other resources (XEP-0280 §7, §8); `except` has it itself. */
export function copyPassing(what: Copied, account: Account, message: Element, except: string): void {
  for (const session of account.sessions) {
    if (!session.carbons || session.resource === except) continue;
    const key = session.lull === undefined ? undefined : waitingKey(message, account.address);
    const text = wrapped(what, textOf(message), session);
    if (key === undefined) session.send(text);
    else session.sendLater(`${what} ${message.attrs['to']} ${key}`, text);
  }
}
