import { softwareName } from '../base/version.ts';
import { el } from '../xmpp/element.ts';
import { NS } from '../xmpp/namespaces.ts';
import type { Feature } from './iq.ts';

/** XEP-0092 without the operating system, which helps only attackers (§5). */
export const version: Feature = {
  server: {
    [`get query ${NS.version}`]: ({ account }) =>
      el('query', NS.version, {}, [
        el('name', NS.version, {}, [softwareName]),
        el('version', NS.version, {}, [account.partition.env.version]),
      ]),
  },
  serverFeatures: [NS.version],
};
