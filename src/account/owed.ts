import { fixed } from '../base/fixed.ts';
import type { Element } from '../xmpp/element.ts';
import { Jid } from '../xmpp/jid.ts';
import type { Account } from './account.ts';
import { isBlocked } from './blocks.ts';
import { broadcastOf, unavailable } from './broadcast.ts';
import type { Env } from './env.ts';
import { isRoom } from './hall/send.ts';
import type { Partition } from './partition.ts';
import { withRoster } from './roster.ts';
import { sendPassing } from './route.ts';

/**
 * Presence that could not be handed to the server of its recipient: it went away, or serves that account no more. It is
 * said again until it can be (DESIGN §3, classes), not as it was but as it is then: so the newer one wins. Whoever takes
 * over a partition says the presence of its sessions anew, and needs nothing of this.
 */
export class Owed {
  readonly #env: Env;
  readonly #serving: (partition: number) => Partition | undefined;
  readonly #stanzas = new Map<string, Element>();
  #waiting = false;

  constructor(env: Env, serving: (partition: number) => Partition | undefined) {
    this.#env = env;
    this.#serving = serving;
  }

  add(stanza: Element): void {
    const { type, from = '', to = '' } = stanza.attrs;
    if (type !== undefined && type !== 'unavailable' && type !== 'probe') return;
    const key = `${type === 'probe' ? 'probe ' : ''}${from} ${to}`;
    this.#stanzas.delete(key);
    this.#stanzas.set(key, stanza);
    if (this.#stanzas.size > fixed.owed.value)
      for (const oldest of this.#stanzas.keys()) {
        this.#stanzas.delete(oldest);
        break;
      }
    if (this.#waiting) return;
    this.#waiting = true;
    this.#env.clock.after(fixed.owedRetry.value, () => {
      this.#waiting = false;
      const stanzas = [...this.#stanzas.values()];
      this.#stanzas.clear();
      for (const owed of stanzas) this.#again(owed);
    });
  }

  #again(stanza: Element): void {
    const from = Jid.parse(stanza.attrs['from'] ?? '');
    const to = Jid.parse(stanza.attrs['to'] ?? '');
    const home = from === undefined ? undefined : this.#env.partitionOf(from.bare);
    const partition = home === undefined ? undefined : this.#serving(home);
    if (from === undefined || to === undefined || partition === undefined) return;
    const account = partition.accounts.peek(from.bare);
    if (account !== undefined)
      account.mailbox.run(() => account.inOrder(() => say(account, stanza, from, to)));
    // Nobody is there any more.
    else if (stanza.attrs['type'] === 'unavailable') sendPassing(partition, to, stanza);
  }
}

function say(account: Account, stanza: Element, from: Jid, to: Jid): void {
  const { partition } = account;
  const { type } = stanza.attrs;
  if (isRoom(partition.env, to)) {
    // Who is in now was not when this was said; who is not any more need not come in.
    const inside = account.sessions.some(
      ({ full, directed, stays }) =>
        full === from.full && directed?.has(to.full) === true && stays?.get(to.bare)?.leaving !== true,
    );
    if (inside === (type === undefined)) sendPassing(partition, to, stanza);
    return;
  }
  const sessions = account.sessions.filter(
    ({ full, available }) => available && (from.resource === '' || full === from.full),
  );
  if (type === 'probe') {
    if (sessions.length > 0) sendPassing(partition, to, stanza);
    return;
  }
  withRoster(account, (roster) => {
    const hidden = account.blocks !== undefined && isBlocked(account, to);
    const sees = to.bare === account.address || roster.get(to.bare)?.from === true;
    const shown = sees && !hidden ? sessions.map((session) => broadcastOf(session).element(to.full)) : [];
    const directed =
      type === undefined && !hidden && sessions.some((session) => session.directed?.has(to.full));
    if (shown.length === 0)
      shown.push(directed || type === 'unavailable' ? stanza : unavailable(from.full).element(to.full));
    for (const presence of shown) sendPassing(partition, to, presence);
  });
}
