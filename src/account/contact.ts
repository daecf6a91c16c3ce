import { buildForm } from '../xmpp/forms.ts';
import { NS } from '../xmpp/namespaces.ts';
import type { Env } from './env.ts';
import type { Feature } from './iq.ts';

/** Contact addresses (XEP-0157): a form in the disco#info of the domain. */
export const contact: Feature = {
  serverForms: ({ contact: given = {}, domains }: Env) => {
    // The account that the first start makes; whoever has set anything has chosen what is shown.
    const [first] = domains;
    const all =
      Object.keys(given).length > 0 ? given : { admin: [`xmpp:admin@${encodeURI(first ?? 'localhost')}`] };
    const fields = Object.entries(all)
      .filter(([, addresses]) => addresses.length > 0)
      .map(([kind, values]) => ({ name: `${kind}-addresses`, type: 'list-multi' as const, values }));
    return fields.length === 0 ? [] : [buildForm('result', NS.serverInfo, fields)];
  },
};
