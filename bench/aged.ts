import type { Pool } from '../cluster/pool.ts';

/** Rows that come to the archives in a second: of accounts, and of rooms. */
export interface Pace {
  readonly messages: number;
  readonly rooms: number;
}

/** How many rows there are in the archives. */
export async function rows(pool: Pool): Promise<Pace> {
  const said = await pool.postgres.primary.psql(
    'select (select count(*) from message), (select count(*) from room_message)',
    'muster',
  );
  const [messages = 0, rooms = 0] = said.trim().split('|').map(Number);
  return { messages, rooms };
}

/** What there is of other days. */
export interface Aged {
  readonly texts: number;
  readonly stubs: number;
}

export async function aged(pool: Pool): Promise<Aged> {
  const count = (sign: string) =>
    `(select count(*) from message m join account a on a.partition = m.partition and a.id = m.account
      where a.local like 'aged%' and m.xml ${sign} '') +
     (select count(*) from room_message m join room r on r.partition = m.partition and r.id = m.room
      where r.address like 'aged%' and m.xml ${sign} '')`;
  const told = await pool.postgres.primary.psql(`select ${count('<>')}, ${count('=')}`, 'muster');
  const [texts = 0, stubs = 0] = told.trim().split('|').map(Number);
  return { texts, stubs };
}

/** Days after which retention takes a message's text in the long run, and after which its stub (account/retention.ts). */
export const days = { text: 1, stub: 8 } as const;

/**
 * The archives as they are where people have talked at this pace for long: in each second to come as many texts grow too
 * old as messages are written, and as many stubs. They are of accounts and rooms in which nobody is, one a partition, and
 * look like the newest message that there is.
 */
export async function age(pool: Pool, pace: Pace, seconds: number): Promise<Aged> {
  const { primary } = pool.postgres;
  const count = async (kind: string) =>
    Number(await primary.psql(`select count(*) from partition where name like '${kind}/%'`, 'muster'));
  const accounts = Math.ceil((pace.messages * seconds) / (await count('account')));
  const rooms = Math.ceil((pace.rooms * seconds) / (await count('room')));
  const now = `(extract(epoch from now()) * 1000)::bigint`;
  const time = (age: number, each: number) =>
    `(${now} - ${age * 86_400_000} + (i * ${(seconds * 1000) / Math.max(1, each)})::bigint)`;
  const messages = (age: number, xml: string, shown: number) =>
    `insert into message (partition, account, id, source, n, k, direction, kind, peer, target, session, shown, pending,
       sent, posted, xml)
     select a.partition, a.id, ${time(age, accounts)} * 1000, 0, i, 0, t.direction, t.kind, t.peer, t.target, null,
       ${shown}, 0, ${time(age, accounts)}, 0, ${xml}
     from (select * from message where xml <> '' order by id desc limit 1) t,
       (select * from account where local like 'aged%') a, generate_series(1, ${accounts}) i`;
  const said = (age: number, xml: string, above: number) =>
    `insert into room_message (partition, room, pos, source, n, k, jid, nick, kind, sent, xml)
     select r.partition, r.id, ${above} + i, 0, ${above} + i, 0, t.jid, t.nick, t.kind, ${time(age, rooms)}, ${xml}
     from (select * from room_message where xml <> '' and kind < 2 order by sent desc limit 1) t,
       (select * from room where address like 'aged%') r, generate_series(1, ${rooms}) i`;
  const script = [
    `insert into account (partition, id, local, address, created, disabled, watermark, roster_ver, keyed)
     select p.id, 1000000000 + p.id, 'aged' || p.id, 'aged' || p.id || '@${pool.domain}', a.created, 0, 0, 0, a.keyed
     from (select * from account limit 1) a, partition p where p.name like 'account/%'`,
    `insert into room (partition, id, address, creator, created, locked, config, host)
     select p.id, 1000000000 + p.id, 'aged' || p.id || '@conference.${pool.domain}', r.creator, r.created, 0, r.config,
       r.host from (select * from room limit 1) r, partition p where p.name like 'room/%'`,
    messages(days.stub, `''`, 0),
    messages(days.text, 't.xml', 1),
    said(days.stub, `''`, 0),
    said(days.text, 't.xml', rooms),
    'vacuum analyze',
    'checkpoint',
  ];
  // oxlint-disable-next-line no-await-in-loop -- one after the other
  for (const statement of script) await primary.psql(statement, 'muster');
  return aged(pool);
}
