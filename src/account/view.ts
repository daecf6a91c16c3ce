import { domainOf } from '../placement/placement.ts';
import { NS } from '../xmpp/namespaces.ts';
import { formatDate } from '../xmpp/datetime.ts';
import { attribute } from '../xmpp/serialise.ts';
import { bounce, incoming, subscription, uncopied, type Row } from './rows.ts';
import type { Session } from './session.ts';

/** What a session sees of a stored message: the message itself, or a carbon copy of it. */
export interface Seen {
  readonly text: string;
  readonly copy: boolean;
}

/**
 * Whether and how `session` sees `row`, by what the session is now (RFC 6121 §8.5, XEP-0280 §5–§7). The same answer
 * serves a message that was just committed and one that is read back.
 */
export function view(row: Row, session: Session, spooled: boolean): Seen | undefined {
  if (row.kind === subscription) return spooled ? undefined : subscriptionView(row, session);
  if (row.kind === bounce)
    return row.target === session.resource ? original(row, session, spooled) : undefined;
  if (row.direction === incoming) {
    if (row.target === session.resource || (row.target === '' && session.ready))
      return original(row, session, spooled);
    // Out of the spool everybody who is ready sees it: the resource that it was for is not there.
    if (spooled) return session.ready ? original(row, session, true) : undefined;
    return session.carbons && row.kind !== uncopied && row.session !== session.id
      ? copy('received', row, session)
      : undefined;
  }
  if (spooled || row.session === session.id || !session.carbons || row.kind === uncopied) return undefined;
  return copy('sent', row, session);
}

/** RFC 6121 §3.1.3: a request goes to available resources; §3.1.6 and others: the rest to interested ones. */
function subscriptionView(row: Row, session: Session): Seen | undefined {
  if (row.direction !== incoming) return undefined;
  const wanted = row.target === 'subscribe' ? session.available : session.interested;
  return wanted ? { text: row.xml, copy: false } : undefined;
}

function original(row: Row, session: Session, delayed: boolean): Seen {
  // A bounce may be a presence or an old iq: only messages are in the archive.
  if (!row.xml.startsWith('<message')) return { text: row.xml, copy: false };
  return { text: stamped(row, session.account.address, delayed), copy: false };
}

function copy(what: Copied, row: Row, session: Session): Seen {
  return { text: wrapped(what, stamped(row, session.account.address, false), session), copy: true };
}

export type Copied = 'sent' | 'received';

/** XEP-0280 §7 and §8: the copy of a message, wrapped by the account itself. */
export function wrapped(what: Copied, message: string, session: Session): string {
  const { address } = session.account;
  const inner = message.replace('<message', `<message xmlns="${NS.client}"`);
  const type = /^<message[^>]*( type="[a-z]+")/.exec(message)?.[1] ?? '';
  return (
    `<message from="${attribute(address)}" to="${attribute(session.full)}"${type}>` +
    `<${what} xmlns="${NS.carbons}"><forwarded xmlns="${NS.forward}">${inner}</forwarded></${what}></message>`
  );
}

/** With the archive id that it has in this account (XEP-0359 §3.2), and with the delay of the spool (XEP-0203). */
export function stamped(
  row: Pick<Row, 'id' | 'shown' | 'sent' | 'xml'>,
  address: string,
  delayed: boolean,
): string {
  const id =
    row.shown === 1 ? `<stanza-id xmlns="${NS.sid}" by="${attribute(address)}" id="${row.id}"/>` : '';
  const delay = delayed
    ? `<delay xmlns="${NS.delay}" from="${attribute(domainOf(address))}" stamp="${formatDate(row.sent)}"/>`
    : '';
  const { xml } = row;
  return xml.endsWith('/>')
    ? `${xml.slice(0, -2)}>${id}${delay}</message>`
    : `${xml.slice(0, -'</message>'.length)}${id}${delay}</message>`;
}
