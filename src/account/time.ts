import { formatDate } from '../xmpp/datetime.ts';
import { el, type Element } from '../xmpp/element.ts';
import { NS } from '../xmpp/namespaces.ts';
import type { Feature, Request } from './iq.ts';

/** XEP-0202. The server lives in UTC: where it stands is nobody's business. */
export const time: Feature = {
  server: { [`get time ${NS.time}`]: tell },
  serverFeatures: [NS.time],
};

function tell({ account }: Request): Element {
  const now = account.partition.env.clock.now();
  return el('time', NS.time, {}, [
    el('tzo', NS.time, {}, ['+00:00']),
    el('utc', NS.time, {}, [formatDate(now)]),
  ]);
}
