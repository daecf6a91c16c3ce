import { el } from '../xmpp/element.ts';
import { NS } from '../xmpp/namespaces.ts';
import { tailOf } from './face.ts';
import type { Room } from './room.ts';

/** The room itself says something to whoever is there (XEP-0045 §10.2.1): no archive has it. Call it as an effect. */
export function notice({ address, company }: Room, codes: readonly number[]): void {
  const statuses = codes.map((code) => el('status', NS.mucUser, { code: String(code) }));
  const x = el('x', NS.mucUser, {}, statuses);
  company.say(0, tailOf(el('message', NS.client, { from: address, type: 'groupchat' }, [x])));
}
