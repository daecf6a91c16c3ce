import { Scram, type Binding } from './scram.ts';
import { expectElement } from './stream.ts';
import type { Wire } from './wire.ts';
import { children, text, type Element } from './xml.ts';

const sasl = 'urn:ietf:params:xml:ns:xmpp-sasl';

/** Everything up to what decides; with the condition and the text of a failure. */
export async function says(wire: Wire, mechanism: string, first: string, ...more: string[]): Promise<string> {
  const encode = (said: string) => (said === '' ? '=' : Buffer.from(said).toString('base64'));
  wire.write(`<auth xmlns='${sasl}' mechanism='${mechanism}'>${encode(first)}</auth>`);
  let told = '';
  for (;;) {
    const answer = await expectElement(wire, 'challenge', 'success', 'failure');
    const name = answer.localName!;
    if (name === 'challenge') {
      told += `${Buffer.from(text(answer), 'base64').toString()} `;
      wire.write(`<response xmlns='${sasl}'>${encode(more.shift() ?? '')}</response>`);
    } else return told + (name === 'success' ? name : children(answer).map(shown).join(' '));
  }
}
const shown = (one: Element) => (one.localName === 'text' ? text(one) : one.localName!);

/** By SCRAM, as far as that goes. */
export async function proves(
  wire: Wire,
  mechanism: string,
  user: string,
  how: { password?: string; binding?: Binding } = {},
) {
  const scram = new Scram(mechanism, user, how.password ?? 'secret', '', how.binding);
  wire.write(`<auth xmlns='${sasl}' mechanism='${mechanism}'>${btoa(scram.first)}</auth>`);
  let answer = await expectElement(wire, 'challenge', 'failure');
  if (answer.localName === 'challenge') {
    wire.write(`<response xmlns='${sasl}'>${btoa(scram.answer(atob(text(answer))))}</response>`);
    answer = await expectElement(wire, 'success', 'failure');
    if (answer.localName === 'success') scram.check(atob(text(answer)));
  }
  const end = answer.localName === 'success' ? 'success' : children(answer).map(shown).join(' ');
  return { end, challenge: scram.challenge };
}
