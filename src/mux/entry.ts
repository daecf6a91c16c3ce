import type { Bound, Resumed, Unbound, Unresumed } from '../link/frames.ts';
import type { Connection, Login } from './connection.ts';
import type { Session } from './session.ts';

/**
 * How a client hears what became of its bind or resume: as the answer to its iq (bind.ts) or nonza (manage.ts), or inside
 * the success that SASL2 holds back until then (sasl2.ts).
 */
export interface Entry {
  bound(conn: Connection, login: Login, session: Session, frame: Bound): void;
  unbound(conn: Connection, login: Login, frame: Unbound): void;
  resumed(conn: Connection, login: Login, session: Session, frame: Resumed): void;
  unresumed(conn: Connection, login: Login, frame: Unresumed): void;
}
