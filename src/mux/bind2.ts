import type { Bind2, Bound } from '../link/frames.ts';
import type { Element } from '../xmpp/element.ts';
import { NS } from '../xmpp/namespaces.ts';
import { enabled, failed } from './manage.ts';

/** What a client asks for inside SASL2 (XEP-0386 §3.2). Features that are not known are passed over. */
export function readBind(bind: Element, agent: string | undefined): Bind2 {
  const tag = bind.child('tag')?.text().trim();
  const enable = bind.child('enable', NS.sm);
  const resume = enable?.attrs['resume'];
  return {
    tag: tag === '' ? undefined : tag,
    agent,
    carbons: bind.child('enable', NS.carbons) !== undefined,
    inactive: bind.child('inactive', NS.csi) !== undefined,
    enable: enable && { resume: resume === 'true' || resume === '1' },
  };
}

/** What it is told (§3.2): stream management has an answer, carbons need none. */
export function bound(wanted: Bind2, frame: Bound): string {
  const managed =
    wanted.enable === undefined
      ? ''
      : frame.enabled === undefined
        ? failed('internal-server-error')
        : enabled(frame.enabled);
  return `<bound xmlns="${NS.bind2}">${frame.told ?? ''}${managed}</bound>`;
}
