import { writeBody, type Condition } from './body.ts';
import { xml, type Exchange } from './exchange.ts';

const statuses: Partial<Record<Condition, number>> = {
  'bad-request': 400,
  'policy-violation': 403,
  'item-not-found': 404,
};

/** A terminal binding error (§17.2); for clients of the first days as a status of HTTP (§17.1). */
export function refuse(exchange: Exchange, condition: Condition, legacy = false): void {
  const status = legacy ? statuses[condition] : undefined;
  if (status === undefined) exchange.answer(writeBody({ type: 'terminate', condition }, ''), xml);
  else exchange.answer('', xml, undefined, status);
}
