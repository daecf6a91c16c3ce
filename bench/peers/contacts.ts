import { Client, type Hooks, type Target } from '../client.ts';
import { attribute } from '../scan.ts';
import { block } from './peer.ts';

const deaf: Hooks = { message() {}, acked() {}, lost() {} };

/**
 * Makes the contacts of `Running.accounts` by what people do: everybody in a block asks everybody else, and all
 * approve (RFC 6121 §3.1). Works with any server; ends when each contact list shows all of them both ways.
 */
export async function befriend(
  target: Target,
  password: string,
  count: number,
  contacts: number,
): Promise<void> {
  const blocks = Math.ceil(count / (contacts + 1));
  let next = 0;
  const worker = async () => {
    while (next < blocks) await acquaint(target, password, next++ * (contacts + 1), count, contacts);
  };
  await Promise.all(Array.from({ length: 4 }, worker));
}

async function acquaint(
  target: Target,
  password: string,
  from: number,
  count: number,
  contacts: number,
): Promise<void> {
  const members = [from, ...block(from, count, contacts)];
  const clients = members.map((index) => new Client(target, `u${index}`, index, deaf));
  await Promise.all(
    clients.map(async (client) => {
      await client.login(password, 'bench');
      await client.roster();
      await client.ask('<presence/>', (text) => text.startsWith('<presence'));
    }),
  );
  // Each stage starts for all in one go, so nobody can miss what another one sends in it.
  for (const type of ['subscribe', 'subscribed']) {
    const waits = clients.flatMap((client) => {
      const others = block(client.index, count, contacts);
      const stanzas = others.map((other) => `<presence to='u${other}@${target.domain}' type='${type}'/>`);
      return others.length === 0 ? [] : [client.ask(stanzas.join(''), counted(type, others.length))];
    });
    await Promise.all(waits);
  }
  for (const client of clients) {
    const expected = block(client.index, count, contacts).length;
    const found = await client.roster();
    if (found !== expected) throw new Error(`${client.user} has ${found} of ${expected} contacts`);
  }
  await Promise.all(clients.map((client) => client.close()));
}

/** Matches the `n`-th presence of this type. */
function counted(type: string, n: number): (text: string) => boolean {
  let seen = 0;
  return (text) => {
    if (text.startsWith('<presence') && attribute(text, 'type') === type) seen += 1;
    return seen === n;
  };
}
