import { fixed } from '../base/fixed.ts';
import type { Element } from '../xmpp/element.ts';
import { StanzaError } from '../xmpp/error.ts';
import { parseForm } from '../xmpp/forms.ts';
import { Jid } from '../xmpp/jid.ts';
import { NS } from '../xmpp/namespaces.ts';
import { serialise } from '../xmpp/serialise.ts';
import type { Feature, Handler, Request } from './iq.ts';
import { Pushes, type Registration } from './pushes.ts';

/** Push notifications (XEP-0357): clients say where; pushes.ts says what and when. */
export const push: Feature = {
  account: handlers(),
  // Announced for the server too, because some clients look there.
  server: handlers(),
  accountFeatures: [NS.push],
  serverFeatures: [NS.push],
};

function handlers(): Record<string, Handler> {
  return { [`set enable ${NS.push}`]: enable, [`set disable ${NS.push}`]: disable };
}

/** §5. The same service and node again: the newest request counts. */
function enable({ account, session, work, payload }: Request): undefined {
  const { jid, node } = addressOf(payload);
  const form = optionsOf(payload);
  const most = account.partition.env.limits.pushes;
  work.step(() => {
    account.push ??= new Pushes(account, [], account.head);
    const others = account.push.list.filter((one) => one.jid !== jid || one.node !== node);
    const added: Registration = { jid, node, form, session: session.id };
    account.push.change(work, [...others, added].slice(-most));
  });
  return undefined;
}

/** §6: without a node all of that service. */
function disable({ account, work, payload }: Request): undefined {
  const { jid, node } = addressOf(payload);
  work.step(() => {
    const list = account.push?.list ?? [];
    const kept = list.filter((one) => one.jid !== jid || (node !== undefined && one.node !== node));
    if (kept.length < list.length) account.push?.change(work, kept);
  });
  return undefined;
}

function addressOf({ attrs }: Element): { readonly jid: string; readonly node: string | undefined } {
  const { jid, node } = attrs;
  if (jid === undefined) throw new StanzaError('bad-request', 'no push service is named');
  const address = Jid.parse(jid);
  if (address === undefined) throw new StanzaError('jid-malformed');
  if ((node?.length ?? 0) > fixed.pushNode.value)
    throw new StanzaError('not-acceptable', 'the name of the node is too long');
  return { jid: address.full, node };
}

/** §5: publish options as a form; kept as it is, and its fields are the service's matter. */
function optionsOf(payload: Element): string | undefined {
  const form = parseForm(payload);
  if (form === undefined) return undefined;
  if (form.of !== NS.pubsubPublishOptions)
    throw new StanzaError('bad-request', 'the form does not hold publish options');
  const text = serialise(payload.child('x', NS.dataForms)!.with({ type: 'submit' }), NS.client);
  if (text.length > fixed.pushForm.value) throw new StanzaError('not-acceptable', 'the form is too long');
  return text;
}
