import { softwareName } from '../base/version.ts';
import { formatDate } from '../xmpp/datetime.ts';
import { el } from '../xmpp/element.ts';
import { NS } from '../xmpp/namespaces.ts';
import type { Feature } from './iq.ts';

/** What everybody may ask of the service: that it is there, what it is (XEP-0092, XEP-0202). A room tells that it is there. */
export const service: Feature = {
  room: { [`get ping ${NS.ping}`]: () => undefined },
  service: {
    [`get ping ${NS.ping}`]: () => undefined,
    [`get query ${NS.version}`]: ({ partition }) =>
      el('query', NS.version, {}, [
        el('name', NS.version, {}, [softwareName]),
        el('version', NS.version, {}, [partition.env.version]),
      ]),
    [`get time ${NS.time}`]: ({ partition }) =>
      el('time', NS.time, {}, [
        el('tzo', NS.time, {}, ['+00:00']),
        el('utc', NS.time, {}, [formatDate(partition.env.clock.now())]),
      ]),
  },
  roomFeatures: [NS.ping],
  serviceFeatures: [NS.ping, NS.version, NS.time],
};
