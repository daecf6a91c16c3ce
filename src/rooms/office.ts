import { outboxRows } from '../post/outbox.ts';
import type { Done, Letter, Office, Settlement } from '../post/post.ts';
import type { Element } from '../xmpp/element.ts';
import { StanzaError, type StanzaCondition } from '../xmpp/error.ts';
import { Jid } from '../xmpp/jid.ts';
import { parseStored } from '../xmpp/parser.ts';
import { errorChild, errorReply } from '../xmpp/stanza.ts';
import { Echo } from './echo.ts';
import type { Env } from './env.ts';
import { tellInviter } from './invite.ts';
import type { Partition } from './partition.ts';
import { receive, receivePassing, refuse } from './receive.ts';
import type { Room } from './room.ts';
import { messageRows } from './rows.ts';
import { visit } from './visit.ts';
import { Work } from './work.ts';

/** What the post needs of rooms: letters taken in, letters settled, and what nobody stores. `at`: what is served here. */
export function openOffice(env: Env, at: (id: number) => Partition | undefined): Office {
  const echo = new Echo(env, at);
  return {
    serves: (id, epoch) => {
      const partition = at(id);
      return partition?.serving === true && partition.epoch === epoch;
    },
    epochOf: (id) => at(id)?.epoch,
    take: (id, letter, done) => {
      const partition = at(id);
      partition?.doorstep.run(letter.recipient, () =>
        takeLetter(partition, letter, done).catch((error: unknown) => {
          env.log.warn({ err: error }, 'a letter to a room could not be taken in');
          done('later');
        }),
      );
    },
    settle: (letter, settlement, done) => {
      const partition = at(letter.partition);
      if (partition !== undefined) settleLetter(partition, letter, settlement, done);
    },
    arrive: (id, recipient, stanza) => {
      const partition = at(id);
      const from = Jid.parse(stanza.attrs['from'] ?? '');
      const to = Jid.parse(stanza.attrs['to'] ?? recipient);
      if (partition === undefined || from === undefined || to === undefined) return;
      if (mayBeRefused(stanza) && partition.doorstep.crowded(to.bare)) refuseWaiting(partition, stanza, from);
      else if (stanza.name === 'iq') visit(partition, stanza, from, to);
      else partition.doorstep.run(to.bare, () => arrive(partition, stanza, from, to));
    },
    lost: (stanza) => echo.add(stanza),
  };
}

/** Whoever sent it hears that, and nothing hangs on it: not a departure, and no answer. */
function mayBeRefused({ name, attrs: { type } }: Element): boolean {
  if (name === 'presence') return type === undefined;
  return type !== 'error' && type !== 'result';
}

function refuseWaiting(partition: Partition, stanza: Element, from: Jid): void {
  const error = new StanzaError('resource-constraint', 'too much waits for this room', 'wait');
  partition.send(from, errorReply(stanza, error));
}

async function takeLetter(partition: Partition, letter: Letter, done: Done): Promise<void> {
  const stanza = parseStored(letter.xml);
  const [from, to] = [Jid.parse(stanza.attrs['from'] ?? ''), Jid.parse(letter.to)];
  if (from === undefined || to === undefined) return done('jid-malformed');
  const room = await partition.rooms.get(letter.recipient);
  const work = new Work(partition);
  work.onFailure(() => done('later'));
  // What was said and is said again, because nobody heard that it was taken in (invariant 4): it may still be in the lane.
  if (room !== undefined && stanza.name === 'message' && letter.n <= (await newestOf(room, letter.source))) {
    work.involve(room);
    work.after(() => done('delivered'));
    work.commit();
    return;
  }
  try {
    let answer: Element | undefined;
    await receive(work, partition, stanza, from, to, letter, (error) => (answer = error));
    work.step(() => work.after(() => done('delivered', answer)));
    work.commit();
  } catch (error) {
    if (!(error instanceof StanzaError)) throw error;
    done(error.condition);
  }
}

/** The newest stanza of a source that was said in the room; 0 for none. */
async function newestOf(room: Room, source: number): Promise<number> {
  const known = room.heard.get(source);
  if (known !== undefined) return known;
  const { env, id } = room.partition;
  const [row] = await env.store.query<{ n: number | null }>(messageRows.newest, [id, room.id, source]);
  const n = Math.max(row?.n ?? 0, room.heard.get(source) ?? 0);
  room.hear(source, n);
  return n;
}

async function arrive(partition: Partition, stanza: Element, from: Jid, to: Jid): Promise<void> {
  const work = new Work(partition);
  try {
    const room = await partition.rooms.get(to.bare);
    if (room === undefined) {
      if (stanza.name === 'message') throw new StanzaError('item-not-found', 'there is no such room');
      refuse(work, partition, stanza, from, to);
    } else {
      work.involve(room);
      work.step(() => receivePassing(work, room, stanza, from, to));
    }
    work.commit();
  } catch (error) {
    const { type } = stanza.attrs;
    if (type === 'error') return;
    const known = error instanceof StanzaError ? error : undefined;
    if (known === undefined)
      partition.env.log.error({ err: error }, 'a stanza for a room failed unexpectedly');
    const told = known ?? new StanzaError('internal-server-error', undefined, 'wait');
    partition.send(from, errorReply(stanza, told));
  }
}

/** A letter of a room has ended; who said something in private, or invited somebody, that nobody gets is told. */
function settleLetter(
  partition: Partition,
  letter: Letter,
  settlement: Settlement,
  done: (stored: boolean) => void,
): void {
  const work = new Work(partition);
  work.write(outboxRows.remove, [partition.id, letter.account, letter.id]);
  work.after(() => {
    done(true);
    if (settlement !== 'delivered') tellSender(partition, letter, settlement as StanzaCondition);
  });
  work.onFailure(() => done(false));
  work.commit();
}

function tellSender(partition: Partition, letter: Letter, condition: StanzaCondition): void {
  const found = partition.rooms.peek(letter.sender);
  // By that address there may be another one now.
  const room = found?.id === letter.account ? found : undefined;
  const stanza = parseStored(letter.xml);
  const nick = Jid.parse(stanza.attrs['from'] ?? '')?.resource ?? '';
  if (room !== undefined && nick === '') tellInviter(room, stanza, condition);
  const to = room?.occupants.get(letter.to)?.nick;
  const [sender] = room?.nicks.get(nick) ?? [];
  if (sender === undefined || to === undefined || stanza.attrs['type'] === 'error') return;
  // Never by the real address of the recipient.
  const attrs = { from: `${letter.sender}/${to}`, to: sender.jid.full, type: 'error' };
  partition.send(sender.jid, stanza.with(attrs).withChildren([errorChild(new StanzaError(condition))]));
}
