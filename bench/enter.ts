import type { Person } from './client.ts';
import { Refused } from './insist.ts';
import { attribute } from './scan.ts';

const MUC = 'http://jabber.org/protocol/muc';

/** Goes into the room with the user's name; the subject ends it (XEP-0045 §7.1). Throws Refused. */
export async function enter(person: Person, room: string): Promise<void> {
  const subject = (text: string) => text.startsWith('<message') && text.includes('<subject');
  const refused = (text: string) => text.startsWith('<presence') && attribute(text, 'type') === 'error';
  const answer = await person.ask(
    `<presence to='${room}/${person.user}'><x xmlns='${MUC}'><history maxstanzas='0'/></x></presence>`,
    (text) => (subject(text) || refused(text)) && (attribute(text, 'from') ?? '').startsWith(room),
  );
  if (refused(answer))
    throw new Refused(
      `${person.user} does not get into ${room}: ${answer}`,
      /<error[^>]* type=.wait/.test(answer),
    );
}

/**
 * Makes the room, and unlocks it with as many of `fields` as the server's form has, or with an empty form where there are
 * none: an instant room (XEP-0045 §10.1.2, §10.1.3).
 */
export async function create(
  owner: Person,
  room: string,
  fields: Record<string, readonly string[]> = {},
): Promise<void> {
  await enter(owner, room);
  const ns = `${MUC}#owner`;
  let filled = '';
  if (Object.keys(fields).length > 0) {
    const form = await owner.iq('get', `<query xmlns='${ns}'/>`, room);
    filled = `<field var='FORM_TYPE' type='hidden'><value>${MUC}#roomconfig</value></field>`;
    for (const [name, values] of Object.entries(fields)) {
      if (!form.includes(name)) continue;
      filled += `<field var='${name}'>${values.map((value) => `<value>${value}</value>`).join('')}</field>`;
    }
  }
  const form = `<x xmlns='jabber:x:data' type='submit'>${filled}</x>`;
  await owner.iq('set', `<query xmlns='${ns}'>${form}</query>`, room);
}
