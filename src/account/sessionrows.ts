import { sql, type Op } from '../store/store.ts';
import type { Session } from './session.ts';

/** The statements on a session's rows. `inbound` stands apart because it is written in nearly every batch. */
export const sessionRows = {
  add: sql`insert into session (partition, id, account, resource, token, generation, enabled_n, record, pos, rpos, started)
    values ($1, $2, $3, $4, null, $5, null, $6, $7, $8, $9)`,
  addInbound: sql`insert into inbound (partition, session, n) values ($1, $2, 0)`,
  inbound: sql`update inbound set n = $3 where partition = $1 and session = $2`,
  record: sql`update session set record = $3, generation = $4 where partition = $1 and id = $2`,
  enable: sql`update session set token = $3, enabled_n = $4 where partition = $1 and id = $2`,
  position: sql`update session set pos = $3, rpos = $4 where partition = $1 and id = $2`,
  end: sql`update session set ended = 1, token = null where partition = $1 and id = $2`,
  remove: sql`delete from session where partition = $1 and id = $2`,
  removeInbound: sql`delete from inbound where partition = $1 and session = $2`,
  removeAnswers: sql`delete from answer where partition = $1 and session = $2`,
  ofAccount: sql`select s.id, s.resource, s.token, s.generation, s.enabled_n, s.record, s.pos, s.rpos, s.started, s.ended, i.n
    from session s join inbound i on i.partition = s.partition and i.session = s.id
    where s.partition = $1 and s.account = $2 order by s.id`,
  ofPartition: sql`select s.id, a.address, case when s.token is null then 0 else 1 end as resumable
    from session s join account a on a.partition = s.partition and a.id = s.account where s.partition = $1`,
  answer: sql`insert into answer (partition, session, n, xml) values ($1, $2, $3, $4)`,
  answers: sql`select n, xml from answer where partition = $1 and session = $2 order by n`,
  removeAnswer: sql`delete from answer where partition = $1 and session = $2 and n <= $3`,
};

export interface SessionRow {
  readonly id: number;
  readonly resource: string;
  readonly token: Uint8Array | null;
  readonly generation: number;
  readonly enabled_n: number | null;
  readonly record: string;
  readonly pos: number;
  readonly rpos: number;
  readonly started: number;
  readonly ended: number;
  readonly n: number;
}

/** Sets `in_n`: the effects of everything up to n are in this batch or before it. */
export function inboundOp(session: Session, n: number): Op {
  return { statement: sessionRows.inbound, params: [session.partition.id, session.id, n], key: session.id };
}

/** Writes the session record as it is now. */
export function recordOp(session: Session): Op {
  session.recordDirty = false;
  return {
    statement: sessionRows.record,
    params: [session.partition.id, session.id, session.record(), session.generation],
    key: session.id,
  };
}
