import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Actor } from './actor.ts';
import { openTarget, type Target } from './server.ts';
import { show } from './xml.ts';

const muc = 'http://jabber.org/protocol/muc';
const room = 'cave@conference.localhost';
const form = 'jabber:x:data';
const carbons = 'urn:xmpp:carbons:2';

/** Rooms and their invitations, as far as accounts have a part in it. */
void describe('inviting', { timeout: 120_000, skip: process.env['TARGET'] === 'prosody' }, () => {
  let target: Target;
  before(async () => {
    target = await openTarget();
    await target.users(['alice', 'bob', 'carol', 'dave']);
  });
  after(() => target?.[Symbol.asyncDispose]());

  const online = async (user: string, resource: string): Promise<Actor> => {
    const actor = await Actor.login(target, { user, resource });
    await actor.ask('set', `<enable xmlns='${carbons}'/>`);
    actor.send('<presence/>');
    await actor.expect(`<presence from='${actor.full}'/>`);
    return actor;
  };

  const owner = async (fields = ''): Promise<Actor> => {
    const alice = await online('alice', 'home');
    alice.send(`<presence to='${room}/alice'><x xmlns='${muc}'/></presence>`);
    await alice.expect(`<presence from='${room}/alice'/>`);
    await alice.expect(`<message type='groupchat' from='${room}'><subject/></message>`);
    const type = fields === '' ? '' : `<field var='FORM_TYPE'><value>${muc}#roomconfig</value></field>`;
    const submit = `<query xmlns='${muc}#owner'><x xmlns='${form}' type='submit'>${type}${fields}</x></query>`;
    const answer = await alice.ask('set', submit, room);
    assert.match(show(answer), /type="result"/);
    return alice;
  };

  const invitation = (to: string, id: string): string =>
    `<message to='${room}' id='${id}'><x xmlns='${muc}#user'><invite to='${to}'><reason>come</reason></invite></x></message>`;
  const received = `<x xmlns='${muc}#user'><invite from='alice@localhost'><reason>come</reason></invite></x>`;
  const inArchive = async (actor: Actor, id: string): Promise<boolean> => {
    await actor.ask('set', `<query xmlns='urn:xmpp:mam:2' queryid='${id}'/>`);
    return actor.inbox.some(
      (one) => show(one).includes(`queryid="${id}"`) && show(one).includes(`id="${id}"`),
    );
  };

  void it('an invitation through the room waits for whom it is for, and is in the archive', async () => {
    const alice = await owner();
    alice.send(invitation('bob@localhost', 'm1'));
    // Behind it: what is said in the room.
    alice.send(`<message to='${room}' type='groupchat' id='said'><body>x</body></message>`);
    await alice.expect(`<message type='groupchat' from='${room}/alice' id='said'/>`);
    const bob = await online('bob', 'late');
    await bob.expect(`<message from='${room}' id='m1'>${received}</message>`);
    assert.equal(await inArchive(bob, 'm1'), true);
    // It goes to every resource of who is online, once each.
    const other = await online('bob', 'other');
    for (const one of [bob, other]) one.forget();
    alice.send(invitation('bob@localhost', 'm2'));
    await bob.expect(`<message id='m2'>${received}</message>`);
    await other.expect(`<message id='m2'>${received}</message>`);
    // To one of them it is copied for the others (XEP-0280 §6.1).
    alice.send(invitation(bob.full, 'm3'));
    await bob.expect(`<message id='m3'>${received}</message>`);
    await other.expect(
      `<message><received xmlns='${carbons}'><forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client' id='m3'/></forwarded></received></message>`,
    );
    await alice.close();
    for (const one of [bob, other]) await one.close();
  });

  void it('a refusal waits for the one who invited', async () => {
    const alice = await owner(`<field var='muc#roomconfig_persistentroom'><value>1</value></field>`);
    const carol = await online('carol', 'home');
    carol.send(invitation('dave@localhost', 'm0'));
    await carol.expect(
      `<message type='error' from='${room}' id='m0'><error type='auth'><forbidden xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>`,
    );
    alice.send(invitation('carol@localhost', 'm4'));
    await carol.expect(`<message id='m4'>${received}</message>`);
    await alice.close();
    carol.send(
      `<message to='${room}' id='d2'><x xmlns='${muc}#user'><decline to='alice@localhost'><reason>no</reason></decline></x></message>`,
    );
    carol.send(`<message to='alice@localhost' id='behind' type='chat'><body>x</body></message>`);
    const again = await online('alice', 'back');
    await again.expect(
      `<message id='d2' from='${room}'><x xmlns='${muc}#user'><decline from='carol@localhost'><reason>no</reason></decline></x></message>`,
    );
    // Who does not exist cannot come (XEP-0045 §7.8.2).
    again.send(`<presence to='${room}/alice'><x xmlns='${muc}'/></presence>`);
    await again.expect(`<message type='groupchat' from='${room}'><subject/></message>`);
    again.send(invitation('nobody@localhost', 'm5'));
    await again.expect(
      `<message type='error' from='${room}' id='m5'><x xmlns='${muc}#user'><invite to='nobody@localhost'/></x><error type='cancel'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>`,
    );
    for (const one of [again, carol]) await one.close();
  });

  void it('a direct one (XEP-0249) waits, is archived and copied like a message, and needs nothing of the room', async () => {
    const [alice, desk] = [await online('alice', 'phone'), await online('alice', 'desk')];
    const direct = `<x xmlns='jabber:x:conference' jid='${room}' reason='come' continue='true' thread='t1'/>`;
    alice.send(`<message to='dave@localhost' id='m6'>${direct}</message>`);
    await desk.expect(
      `<message><sent xmlns='${carbons}'><forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client' id='m6'>${direct}</message></forwarded></sent></message>`,
    );
    const dave = await online('dave', 'late');
    await dave.expect(`<message from='${alice.full}' id='m6'>${direct}</message>`);
    assert.equal(await inArchive(dave, 'm6'), true);
    for (const one of [alice, desk, dave]) await one.close();
  });

  void it('what an owner configured outlives a crash, visitors are given a voice, and what is ended is gone', async () => {
    const alice = await online('alice', 'home');
    const query = `<query xmlns='${muc}#owner'/>`;
    alice.send(`<presence to='${room}/alice'><x xmlns='${muc}'/></presence>`);
    await alice.expect(`<message type='groupchat' from='${room}'><subject/></message>`);
    const name = `<field var='FORM_TYPE'><value>${muc}#roomconfig</value></field><field var='muc#roomconfig_roomname'><value>A Dark Cave</value></field>`;
    await alice.ask(
      'set',
      `<query xmlns='${muc}#owner'><x xmlns='${form}' type='submit'>${name}</x></query>`,
      room,
    );
    await target.kill('worker');
    await target.ready();
    const again = await online('alice', 'again');
    assert.match(show(await again.ask('get', query, room)), /A Dark Cave/);
    // A visitor asks for voice, and is heard when a moderator lets it (§7.13, §8.6).
    const moderated = `<field var='FORM_TYPE'><value>${muc}#roomconfig</value></field><field var='muc#roomconfig_moderatedroom'><value>1</value></field>`;
    await again.ask(
      'set',
      `<query xmlns='${muc}#owner'><x xmlns='${form}' type='submit'>${moderated}</x></query>`,
      room,
    );
    again.send(`<presence to='${room}/alice'><x xmlns='${muc}'/></presence>`);
    await again.expect(`<message type='groupchat' from='${room}'><subject/></message>`);
    const dave = await online('dave', 'home');
    dave.send(`<presence to='${room}/dave'><x xmlns='${muc}'/></presence>`);
    await dave.expect(`<message type='groupchat' from='${room}'><subject/></message>`);
    const fields = `<field var='FORM_TYPE'><value>${muc}#request</value></field><field var='muc#role'><value>participant</value></field>`;
    dave.send(`<message to='${room}' id='v1'><x xmlns='${form}' type='submit'>${fields}</x></message>`);
    await again.expect(`<message from='${room}' id='v1'><x xmlns='${form}' type='form'/></message>`);
    const granted = `${fields}<field var='muc#roomnick'><value>dave</value></field><field var='muc#request_allow'><value>true</value></field>`;
    again.send(`<message to='${room}' id='v1'><x xmlns='${form}' type='submit'>${granted}</x></message>`);
    await dave.expect(
      `<presence from='${room}/dave'><x xmlns='${muc}#user'><item role='participant'/></x></presence>`,
    );
    dave.send(`<message to='${room}' type='groupchat' id='s1'><body>heard</body></message>`);
    await again.expect(`<message type='groupchat' from='${room}/dave' id='s1'/>`);
    const destroy = `<query xmlns='${muc}#owner'><destroy jid='hall@conference.localhost'/></query>`;
    assert.match(show(await again.ask('set', destroy, room)), /type="result"/);
    await dave.expect(
      `<presence type='unavailable' from='${room}/dave'><x xmlns='${muc}#user'><destroy jid='hall@conference.localhost'/></x></presence>`,
    );
    await dave.close();
    again.forget();
    assert.match(show(await again.ask('get', query, room)), /item-not-found/);
    again.send(`<presence to='${room}/alice'><x xmlns='${muc}'/></presence>`);
    const made = show(await again.expect(`<presence from='${room}/alice'/>`));
    assert.match(made, /code="201"/);
    await again.close();
  });
});
