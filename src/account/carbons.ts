import { NS } from '../xmpp/namespaces.ts';
import type { Handler, Feature } from './iq.ts';
import { keep } from './record.ts';

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
