import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Actor, roster, settle } from './actor.ts';
import { openTarget, type Target } from './server.ts';
import { attr, child, children, type Element } from './xml.ts';

/**
 * RFC 6121 appendix A, every row that can occur between two accounts of one server: the user is in each of the nine
 * states of §A.1 and sends each of the four stanzas (§A.2: routed? new state); the contact is in the mirrored state and
 * receives it (§A.3: delivered? new state).
 */
const states = [
  'None',
  'None+Out',
  'None+In',
  'None+Out+In',
  'To',
  'To+In',
  'From',
  'From+Out',
  'Both',
] as const;
type State = (typeof states)[number];

/** [stanza, from state, routed and delivered, the user's new state]; the contact's new state mirrors it. */
type Row = readonly [string, State, boolean, State];
const table: readonly Row[] = [
  // §A.2.1 and §A.3.1. Where it changes nothing the RFC lets it be routed, but it is not delivered to the contact:
  // a request that is pending already, or one that the contact's server answers itself.
  ['subscribe', 'None', true, 'None+Out'],
  ['subscribe', 'None+Out', false, 'None+Out'],
  ['subscribe', 'None+In', true, 'None+Out+In'],
  ['subscribe', 'None+Out+In', false, 'None+Out+In'],
  ['subscribe', 'To', false, 'To'],
  ['subscribe', 'To+In', false, 'To+In'],
  ['subscribe', 'From', true, 'From+Out'],
  ['subscribe', 'From+Out', false, 'From+Out'],
  ['subscribe', 'Both', false, 'Both'],
  // §A.2.2 and §A.3.2
  ['unsubscribe', 'None', false, 'None'],
  ['unsubscribe', 'None+Out', true, 'None'],
  ['unsubscribe', 'None+In', false, 'None+In'],
  ['unsubscribe', 'None+Out+In', true, 'None+In'],
  ['unsubscribe', 'To', true, 'None'],
  ['unsubscribe', 'To+In', true, 'None+In'],
  ['unsubscribe', 'From', false, 'From'],
  ['unsubscribe', 'From+Out', true, 'From'],
  ['unsubscribe', 'Both', true, 'From'],
  // §A.2.3 and §A.3.3; in None and To it is an approval in advance (§3.4), which subscription.txt plays
  ['subscribed', 'None', false, 'None'],
  ['subscribed', 'None+Out', false, 'None+Out'],
  ['subscribed', 'None+In', true, 'From'],
  ['subscribed', 'None+Out+In', true, 'From+Out'],
  ['subscribed', 'To', false, 'To'],
  ['subscribed', 'To+In', true, 'Both'],
  ['subscribed', 'From', false, 'From'],
  ['subscribed', 'From+Out', false, 'From+Out'],
  ['subscribed', 'Both', false, 'Both'],
  // §A.2.4 and §A.3.4
  ['unsubscribed', 'None', false, 'None'],
  ['unsubscribed', 'None+Out', false, 'None+Out'],
  ['unsubscribed', 'None+In', true, 'None'],
  ['unsubscribed', 'None+Out+In', true, 'None+Out'],
  ['unsubscribed', 'To', false, 'To'],
  ['unsubscribed', 'To+In', true, 'To'],
  ['unsubscribed', 'From', true, 'None'],
  ['unsubscribed', 'From+Out', true, 'None+Out'],
  ['unsubscribed', 'Both', true, 'To'],
];

interface Shown {
  subscription: string;
  ask: boolean;
  pendingIn: boolean;
}
const shown: Record<State, Shown> = {
  None: { subscription: 'none', ask: false, pendingIn: false },
  'None+Out': { subscription: 'none', ask: true, pendingIn: false },
  'None+In': { subscription: 'none', ask: false, pendingIn: true },
  'None+Out+In': { subscription: 'none', ask: true, pendingIn: true },
  To: { subscription: 'to', ask: false, pendingIn: false },
  'To+In': { subscription: 'to', ask: false, pendingIn: true },
  From: { subscription: 'from', ask: false, pendingIn: false },
  'From+Out': { subscription: 'from', ask: true, pendingIn: false },
  Both: { subscription: 'both', ask: false, pendingIn: false },
};
const mirror: Record<State, State> = {
  None: 'None',
  'None+Out': 'None+In',
  'None+In': 'None+Out',
  'None+Out+In': 'None+Out+In',
  To: 'From',
  'To+In': 'From+Out',
  From: 'To',
  'From+Out': 'To+In',
  Both: 'Both',
};

async function enter(target: Target, user: string, resource: string): Promise<Actor> {
  const actor = await Actor.login(target, { user, resource });
  await actor.ask('get', "<query xmlns='jabber:iq:roster'/>");
  actor.send('<presence/>');
  return actor;
}

/** Brings two fresh accounts into this state, as seen by the first. */
async function bring(user: Actor, contact: Actor, state: State): Promise<void> {
  const { subscription, ask, pendingIn } = shown[state];
  const link = async (from: Actor, to: Actor, approved: boolean): Promise<void> => {
    from.send(`<presence type='subscribe' to='${to.bare}'/>`);
    await to.expect(`<presence type='subscribe' from='${from.bare}'/>`);
    if (approved) to.send(`<presence type='subscribed' to='${from.bare}'/>`);
    await settle([user, contact]);
  };
  // Both have the other in their lists, so that every state is a state of an item.
  for (const [one, other] of [
    [user, contact],
    [contact, user],
  ] as const)
    await one.ask('set', `<query xmlns='jabber:iq:roster'><item jid='${other.bare}'/></query>`);
  const to = ['to', 'both'].includes(subscription);
  const from = ['from', 'both'].includes(subscription);
  if (to || ask) await link(user, contact, to);
  if (from || pendingIn) await link(contact, user, from);
}

/** What an account's list and its pending requests say about the other. */
async function state(target: Target, name: string, other: string): Promise<string> {
  const item = (await roster(target, { user: name, resource: 'list' })).find(
    (one) => attr(one, 'jid') === other,
  );
  // A request that waits comes again with the initial presence of the next resource (§3.1.3).
  const next = await enter(target, name, 'next');
  await next.expect(`<presence from='${next.full}'/>`);
  await settle([next]);
  const pendingIn = next.inbox.some(
    (one) => attr(one, 'type') === 'subscribe' && attr(one, 'from') === other,
  );
  await next.close();
  const got: Shown = {
    subscription: (item && attr(item, 'subscription')) ?? 'none',
    ask: item !== undefined && attr(item, 'ask') === 'subscribe',
    pendingIn,
  };
  return states.find((one) => JSON.stringify(shown[one]) === JSON.stringify(got)) ?? JSON.stringify(got);
}

/** Subscriptions that the pushes in this inbox told of. */
function pushed(inbox: readonly Element[], jid: string): string[] {
  return inbox
    .filter((one) => one.localName === 'iq' && attr(one, 'type') === 'set')
    .flatMap((one) => children(child(one, 'query', 'jabber:iq:roster') ?? one, 'item'))
    .filter((one) => attr(one, 'jid') === jid)
    .map((one) => `${attr(one, 'subscription')}${attr(one, 'ask') ? '+ask' : ''}`);
}

const brief = (one: State): string => `${shown[one].subscription}${shown[one].ask ? '+ask' : ''}`;

void describe('RFC 6121 appendix A', { concurrency: 4 }, () => {
  let target: Target;
  before(async () => {
    target = await openTarget();
    await target.users(table.flatMap((_, row) => [`user${row}`, `contact${row}`]));
  });
  after(async () => {
    await target?.[Symbol.asyncDispose]();
  });

  table.forEach(([stanza, from, delivered, to], row) => {
    void it(`${stanza} in ${from}: ${delivered ? 'delivered' : 'not delivered'}, ${to}`, async () => {
      const user = await enter(target, `user${row}`, 'desk');
      const contact = await enter(target, `contact${row}`, 'desk');
      await bring(user, contact, from);
      await settle([user, contact]);
      user.forget();
      contact.forget();
      user.send(`<presence type='${stanza}' to='${contact.bare}'/>`);
      await settle([user, contact]);

      const came = contact.inbox.filter(
        (one) => one.localName === 'presence' && attr(one, 'type') === stanza,
      );
      assert.equal(came.length, delivered ? 1 : 0, 'times the contact got it');
      for (const one of came) assert.equal(attr(one, 'from'), user.bare, '§3: sent by the bare address');
      const users = pushed(user.inbox, contact.bare);
      const contacts = pushed(contact.inbox, user.bare);
      if (brief(from) !== brief(to)) assert.equal(users.at(-1), brief(to), "the user's last roster push");
      const [before_, after_] = [mirror[from], mirror[to]];
      if (brief(before_) !== brief(after_))
        assert.equal(contacts.at(-1), brief(after_), "the contact's last roster push");
      await user.close();
      await contact.close();
      assert.equal(await state(target, `user${row}`, contact.bare), to, 'new state of the user');
      assert.equal(await state(target, `contact${row}`, user.bare), after_, 'new state of the contact');
    });
  });
});
