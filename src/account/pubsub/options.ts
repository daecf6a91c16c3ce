import type { Element } from '../../xmpp/element.ts';
import { buildForm, parseForm } from '../../xmpp/forms.ts';
import { NS } from '../../xmpp/namespaces.ts';
import { refusal } from './errors.ts';
import type { Subscription } from './nodes.ts';

/** Subscription options (XEP-0060 §6.3): whether to deliver, the one that there is. */
const deliver = 'pubsub#deliver';

/** Does this subscriber want notifications now? */
export function wants({ options }: Subscription): boolean {
  const [value] = options[deliver] ?? [];
  return value !== '0' && value !== 'false';
}

/** The form that shows them. */
export function optionsForm(type: 'form' | 'result', subscription?: Subscription): Element {
  const on = subscription === undefined || wants(subscription);
  return buildForm(type, NS.pubsubSubscribeOptions, [
    { name: deliver, type: 'boolean', label: 'Enable delivery?', values: [on ? '1' : '0'] },
  ]);
}

/** What the form inside `<options/>` asks for; undefined where it was cancelled. Throws `invalid-options`. */
export function optionsIn(options: Element): Subscription['options'] | undefined {
  const form = parseForm(options);
  if (form?.type === 'cancel') return undefined;
  if (form === undefined || form.type !== 'submit' || form.of !== NS.pubsubSubscribeOptions)
    throw refusal('bad-request', 'invalid-options');
  const chosen: Record<string, readonly string[]> = {};
  for (const name of form.names) {
    // XEP-0068 §3: what is not known is passed over.
    if (name !== deliver) continue;
    const values = form.values(name);
    if (values.length !== 1 || !/^(0|1|true|false)$/.test(values[0]!))
      throw refusal('bad-request', 'invalid-options');
    chosen[name] = values;
  }
  return chosen;
}
