import { outboxRows, readLetters } from '../post/outbox.ts';
import type { Letter, Office } from '../post/post.ts';
import type { Store } from '../store/store.ts';
import type { StanzaCondition } from '../xmpp/error.ts';
import { StanzaError } from '../xmpp/error.ts';
import { Jid } from '../xmpp/jid.ts';
import type { Element } from '../xmpp/element.ts';
import { parseStored } from '../xmpp/parser.ts';
import { NS } from '../xmpp/namespaces.ts';
import { errorReply } from '../xmpp/stanza.ts';
import type { Env } from './env.ts';
import { receiveDurable } from './arrive.ts';
import { answerAbsent } from './component/absent.ts';
import { isComponent } from './component/known.ts';
import { keepForComponent } from './component/component.ts';
import { unreachable } from './iqroute.ts';
import { storeBounce } from './message.ts';
import { Owed } from './owed.ts';
import type { Partition } from './partition.ts';
import { isApproval, receiveApproval } from './pubsub/authorize.ts';
import { receiveBetween, Repeats } from './pubsub/between.ts';
import { sendPassing } from './route.ts';
import { subscription } from './rows.ts';
import { between, returnSubscription } from './subscription.ts';
import { isVisit, receiveVisit } from './visit.ts';
import { Work } from './work.ts';

/** What the post needs of accounts: letters taken in, letters settled, and what nobody stores. `at`: what is served here. */
export function openOffice(env: Env, at: (id: number) => Partition | undefined): Office {
  const owed = new Owed(env, at);
  const repeats = new Repeats(env, at);
  return {
    serves: (id, epoch) => {
      const partition = at(id);
      return partition?.serving === true && partition.epoch === epoch;
    },
    epochOf: (id) => at(id)?.epoch,
    take: (id, letter, done) => {
      const partition = at(id);
      if (partition === undefined) return;
      takeLetter(partition, letter, done).catch((error: unknown) => {
        env.log.warn({ err: error }, 'a letter could not be taken in');
        done('later');
      });
    },
    settle: (letter, settlement, done, answer) => {
      const partition = at(letter.partition);
      if (partition === undefined) return;
      settleLetter(partition, letter, settlement, done, answer).catch((error: unknown) => {
        env.log.warn({ err: error }, 'a letter could not be settled');
        done(false);
      });
    },
    arrive: (id, recipient, stanza) => {
      const partition = at(id);
      const to = Jid.parse(stanza.attrs['to'] ?? recipient);
      if (partition === undefined || to === undefined) return;
      if (stanza.ns === NS.between) {
        receiveBetween(partition, stanza);
        return;
      }
      if (stanza.name === 'iq' && isVisit(stanza, to)) receiveVisit(partition, stanza, to);
      else if (stanza.name === 'message' && env.hosts.has(to.full) && isApproval(stanza))
        receiveApproval(partition, stanza, to);
      else
        sendPassing(partition, to, stanza, () => {
          const from = stanza.attrs['type'] === 'probe' ? Jid.parse(stanza.attrs['from'] ?? '') : undefined;
          if (from !== undefined && isComponent(env, from.domain)) answerAbsent(partition, from, to);
          else tellSender(partition, new StanzaError('service-unavailable'), stanza);
        });
    },
    lost: (stanza) => {
      if (stanza.ns === NS.between) {
        repeats.add(stanza);
        return;
      }
      if (stanza.name === 'presence') {
        owed.add(stanza);
        return;
      }
      const answer = stanza.name === 'iq' ? unreachable(stanza) : undefined;
      const back = Jid.parse(answer?.attrs['to'] ?? '');
      const home = back === undefined ? undefined : env.partitionOf(back.bare);
      const partition = home === undefined ? undefined : at(home);
      if (answer !== undefined && back !== undefined && partition !== undefined)
        sendPassing(partition, back, answer);
    },
  };
}

/** A request for a resource that is not there is answered; everything else that nobody stores is dropped. */
function tellSender(partition: Partition, error: StanzaError, stanza: Parameters<Office['lost']>[0]): void {
  const { type, from } = stanza.attrs;
  const back = Jid.parse(from ?? '');
  if (stanza.name === 'iq' && (type === 'get' || type === 'set') && back !== undefined)
    sendPassing(partition, back, errorReply(stanza, error));
}

async function takeLetter(
  partition: Partition,
  letter: Letter,
  done: (settlement: string) => void,
): Promise<void> {
  const recipient = await partition.account(letter.recipient);
  if (recipient === undefined) {
    done('service-unavailable');
    return;
  }
  recipient.mailbox.run(async () => {
    const work = new Work(recipient);
    const { source, n, k } = letter;
    const to = Jid.parse(letter.to)!;
    try {
      await receiveDurable(work, recipient, parseStored(letter.xml), to, letter.kind, { source, n, k }, true);
    } catch (error) {
      done(error instanceof StanzaError ? error.condition : 'later');
      return;
    }
    work.after(() => done('delivered'));
    work.onFailure(() => done('later'));
    work.commit();
  });
}

async function settleLetter(
  partition: Partition,
  letter: Letter,
  settlement: string,
  done: (stored: boolean) => void,
  answer: Element | undefined,
): Promise<void> {
  const sender = await partition.account(letter.sender);
  if (sender === undefined) {
    // Removed meanwhile, and its outbox with it.
    done(true);
    return;
  }
  sender.mailbox.run(async () => {
    const work = new Work(sender);
    work.write(outboxRows.remove, [partition.id, letter.account, letter.id]);
    const stanza = settlement === 'delivered' ? undefined : parseStored(letter.xml);
    if (stanza !== undefined && sender.component) returnToComponent(work, stanza, settlement, letter);
    else if (stanza !== undefined && letter.kind === subscription) {
      await returnSubscription(work, sender, stanza, Jid.parse(letter.recipient)!, letter);
    } else if (stanza !== undefined && stanza.attrs['type'] !== 'error') {
      const error = errorReply(stanza, new StanzaError(settlement as StanzaCondition));
      const resource = Jid.parse(stanza.attrs['from'] ?? '')?.resource ?? '';
      storeBounce(work, error, letter.recipient, resource, {
        source: letter.source,
        n: letter.n,
        k: letter.k + 1,
      });
    }
    work.after(() => {
      done(true);
      const to = Jid.parse(answer?.attrs['to'] ?? '');
      if (answer !== undefined && to !== undefined) sendPassing(partition, to, answer);
    });
    work.onFailure(() => done(false));
    work.commit();
  });
}

/** Its own letter came back to a component; of the steps of a subscription only a request is answered (RFC 6121 §3.1.3). */
function returnToComponent(work: Work, stanza: Element, settlement: string, letter: Letter): void {
  const { type, from = '' } = stanza.attrs;
  const { source, n, k, recipient } = letter;
  const origin = { source, n, k: k + 1 };
  if (letter.kind === subscription) {
    if (type !== 'subscribe') return;
    const refusal = between('unsubscribed', recipient, from);
    keepForComponent(work, work.account, refusal, recipient, origin, false);
  } else if (type !== 'error') {
    const error = errorReply(stanza, new StanzaError(settlement as StanzaCondition));
    keepForComponent(work, work.account, error, recipient, origin, false);
  }
}

/** What accounts of a partition have left to be handed over. */
export async function lettersOf(store: Store, partition: number): Promise<readonly Letter[]> {
  return asSent(await readLetters(store, outboxRows.ofAccounts, partition, ({ sender }) => sender!));
}

/**
 * Letters in the order of their ids, but those of one session to one recipient in that in which it sent them: one that could
 * not be stored with its recipient's part went to the outbox late, with a later id (invariant 5).
 */
function asSent(letters: readonly Letter[]): readonly Letter[] {
  const lines = new Map<string, number[]>();
  for (const [place, { account, recipient, source }] of letters.entries()) {
    const line = `${account} ${source} ${recipient}`;
    const places = lines.get(line);
    if (places === undefined) lines.set(line, [place]);
    else places.push(place);
  }
  const sorted = [...letters];
  for (const places of lines.values()) {
    const own = places.map((place) => letters[place]!).toSorted((a, b) => a.n - b.n || a.k - b.k);
    for (const [i, place] of places.entries()) sorted[place] = own[i]!;
  }
  return sorted;
}
