import type { Element } from '../xmpp/element.ts';
import type { Connection } from './connection.ts';
import type { Session } from './session.ts';

/** Client state indication (XEP-0352 §4.2): there is no answer, and what it means the owner decides (§5.1: in order). */
export function indicate(conn: Connection, session: Session, element: Element): void {
  const { name } = element;
  if (name === 'active' || name === 'inactive') session.indicate(name === 'inactive');
  else conn.fail('unsupported-stanza-type');
}
