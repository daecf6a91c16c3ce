import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Actor } from './actor.ts';
import { inRoom, Pair } from './pair.ts';
import { openTarget, type Target } from './server.ts';
import { attr, child, children } from './xml.ts';

const muc = 'http://jabber.org/protocol/muc';
const data = 'jabber:x:data';

/** Invariant 11, of rooms: an innocent pair talks in one all the while. */
void describe('what rooms must withstand', () => {
  let target: Target;
  let pair: Pair;
  let park: string;
  let mallory: Actor;
  let host: string;
  let lair: string;
  before(async () => {
    // What is behind the pace of a connection is attacked, too.
    target = await openTarget({ set: ['limits.pace=10000'] });
    await target.users(['innocent-a', 'innocent-b', 'mallory']);
    host = `conference.${target.domain}`;
    lair = `lair@${host}`;
    park = `park@${host}`;
    const one = await enter('innocent-a', park, 'one');
    assert.equal(attr(await one.ask('set', configuration(''), park), 'type'), 'result');
    const other = await enter('innocent-b', park, 'other');
    await one.expect(`<presence from='${park}/other'/>`);
    pair = new Pair(one, other, inRoom(park), 120);
  });
  after(async () => {
    await pair?.close();
    await target?.[Symbol.asyncDispose]();
  });

  const join = (address: string, inside = ''): string =>
    `<presence to='${address}'><x xmlns='${muc}'>${inside}</x></presence>`;
  const configuration = (fields: string): string =>
    `<query xmlns='${muc}#owner'><x xmlns='${data}' type='submit'>${field('FORM_TYPE', `${muc}#roomconfig`)}${fields}</x></query>`;
  const admin = (items: string): string => `<query xmlns='${muc}#admin'>${items}</query>`;
  const field = (name: string, value: string): string =>
    `<field var='${name}'><value>${value}</value></field>`;

  /** In the room, and nothing of it waits in the inbox. */
  async function enter(user: string, room: string, nick: string): Promise<Actor> {
    const actor = await Actor.login(target, { user, resource: 'room' });
    actor.send(join(`${room}/${nick}`));
    await actor.expect(`<message type='groupchat' from='${room}{any}'><subject/></message>`);
    actor.forget(() => true);
    return actor;
  }

  /** An attack: afterwards the server still runs in the same processes and the pair went on talking. */
  function attack(name: string, run: () => Promise<void>): void {
    void it(name, async () => {
      const pids = await target.pids();
      const { said } = pair;
      mallory = await enter('mallory', lair, 'mallory');
      const made = await mallory.ask('set', configuration(field('muc#roomconfig_persistentroom', '1')), lair);
      assert.equal(attr(made, 'type'), 'result');
      await run();
      await pair.check(said);
      assert.deepEqual(await target.pids(), pids, 'a process was restarted');
      const trouble = target
        .log()
        .split('\n')
        .filter((line) => /unexpected|failed|could not/.test(line));
      assert.deepEqual(trouble, [], 'something failed that was not to');
      mallory.wire.cut();
    });
  }

  /** Everything that was sent before has had its effect: the room still answers. */
  async function answered(): Promise<void> {
    const answer = await mallory.ask('get', "<query xmlns='http://jabber.org/protocol/disco#info'/>", lair);
    assert.equal(attr(answer, 'type'), 'result');
  }

  async function refused(type: 'get' | 'set', payload: string, to = lair): Promise<string> {
    const answer = await mallory.ask(type, payload, to);
    assert.equal(attr(answer, 'type'), 'error', payload.slice(0, 200));
    return children(child(answer, 'error')!)[0]?.localName ?? '';
  }

  attack('addresses and nicknames that are none', async () => {
    const addresses = [
      '@',
      `${host}/nick`,
      `${lair}/`,
      `${lair}/   `,
      `${lair}/&#x2028;&#xFEFF;`,
      `${lair}/${'n'.repeat(1024)}`,
      `${'r'.repeat(1024)}@${host}/x`,
      `a b@${host}/x`,
      `@${host}/x`,
      `&quot;&amp;&apos;@${host}/x`,
      `${lair}/a/b/c@d`,
      `${lair}/&lt;x/&gt;&quot;&apos;&amp;`,
      `${lair}/\u{1F600}\u202E`,
      `\u0130@${host}/x`,
    ];
    for (const to of addresses)
      for (const xml of [
        join(to),
        `<presence to='${to}'/>`,
        `<presence to='${to}' type='unavailable'/>`,
        `<message to='${to}' type='groupchat'><body>x</body></message>`,
        `<message to='${to}' type='chat'><body>x</body></message>`,
        `<iq to='${to}' type='get' id='i'><ping xmlns='urn:xmpp:ping'/></iq>`,
      ])
        mallory.send(xml);
    await answered();
  });

  attack('stanzas of types that are none, without ids, with others’ names', async () => {
    for (const type of ['', 'probe', 'subscribe', 'subscribed', 'unsubscribe', 'error', 'groupchat', 'x'])
      for (const to of [host, lair, `${lair}/mallory`, `${lair}/nobody`]) {
        mallory.send(`<presence type='${type}' to='${to}'/>`);
        mallory.send(`<message type='${type}' to='${to}'><body>x</body></message>`);
        mallory.send(`<iq type='${type}' to='${to}' id='t'><x xmlns='x'/></iq>`);
      }
    for (const to of [host, lair, `${lair}/mallory`]) {
      mallory.send(`<iq type='get' to='${to}'><query xmlns='${muc}#admin'/></iq>`);
      mallory.send(`<iq type='result' to='${to}' id='none'/>`);
      mallory.send(`<iq type='error' to='${to}' id='none'/>`);
      mallory.send(`<iq type='set' to='${to}' id='none'/>`);
    }
    const again = await enter('mallory', lair, 'mallory');
    mallory.wire.cut();
    mallory = again;
    await answered();
  });

  attack('requests that ask for nothing that there is', async () => {
    const wrong: readonly string[] = [
      admin(''),
      admin('<item/>'),
      admin("<item affiliation='emperor' jid='x@y'/>"),
      admin("<item role='emperor' nick='mallory'/>"),
      admin("<item affiliation='owner' jid=''/>"),
      admin("<item affiliation='member' jid='@@/'/>"),
      admin(`<item affiliation='member' jid='x@${target.domain}' nick='${'n'.repeat(2000)}'/>`),
      admin(
        `<item affiliation='outcast' jid='x@${target.domain}'><reason>${'r'.repeat(2000)}</reason></item>`,
      ),
      admin(`<item affiliation='none' jid='mallory@${target.domain}'/>`),
      configuration(field('muc#roomconfig_maxusers', '-1')),
      configuration(field('muc#roomconfig_maxusers', '99999999999999999999')),
      configuration(field('muc#roomconfig_publicroom', 'perhaps')),
      configuration(field('muc#roomconfig_whois', 'nobody')),
      configuration(field('muc#roomconfig_roomname', 'x'.repeat(100_000))),
      configuration(field('muc#roomconfig_roomsecret', 'x'.repeat(100_000))),
      configuration(`<field var='muc#roomconfig_roomname'>${'<value>x</value>'.repeat(900)}</field>`),
      configuration(
        `<field var='muc#roomconfig_roomowners'>${Array.from({ length: 1001 }, (_, n) => `<value>o${n}@${target.domain}</value>`).join('')}</field>`,
      ),
      `<query xmlns='${muc}#owner'><destroy jid='@'/></query>`,
      `<query xmlns='${muc}#owner'><destroy><reason>${'x'.repeat(50_000)}</reason></destroy></query>`,
      `<query xmlns='${muc}#owner'/>`,
      `<query xmlns='${muc}#owner'><x xmlns='${data}' type='perhaps'/></query>`,
      "<query xmlns='jabber:iq:register'><x xmlns='jabber:x:data' type='submit'/></query>",
      "<query xmlns='urn:xmpp:mam:2'><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>urn:xmpp:mam:2</value></field><field var='with'><value>@@</value></field></x></query>",
      "<query xmlns='urn:xmpp:mam:2'><set xmlns='http://jabber.org/protocol/rsm'><max>-5</max></set></query>",
      "<query xmlns='urn:xmpp:mam:2'><set xmlns='http://jabber.org/protocol/rsm'><after>1 or 1=1</after></set></query>",
      `<query xmlns='urn:xmpp:mam:2' queryid='${'q'.repeat(100_000)}'/>`,
      "<moderate xmlns='urn:xmpp:message-moderate:1' id='99999999999999999999'><retract xmlns='urn:xmpp:message-retract:1'/></moderate>",
      '<query xmlns="wrong"/>',
      `<query xmlns='${muc}#admin'/><query xmlns='${muc}#admin'/>`,
    ];
    for (const payload of wrong) await refused('set', payload);
    for (const query of ['disco#items', 'disco#info'])
      await refused(
        'get',
        `<query xmlns='http://jabber.org/protocol/${query}' node='${'x'.repeat(100_000)}'/>`,
      );
    await answered();
  });

  attack('history that is none', async () => {
    for (const history of [
      "maxstanzas='-1'",
      "maxstanzas='1e9'",
      "seconds='x'",
      "since='yesterday'",
      "since='9999999-01-01T00:00:00Z'",
      `maxchars='${'9'.repeat(1000)}'`,
    ]) {
      mallory.send(`<presence to='${lair}/again'><x xmlns='${muc}'><history ${history}/></x></presence>`);
      mallory.send(`<presence to='${lair}/mallory'><x xmlns='${muc}'><history ${history}/></x></presence>`);
    }
    mallory.send(join(`${lair}/mallory`, '<history/>'.repeat(900)));
    mallory.send(join(`${lair}/mallory`, `<password>${'p'.repeat(200_000)}</password>`));
    await answered();
  });

  attack('payloads as deep and as big as a stanza may be', async () => {
    const deep = '<a>'.repeat(60) + '</a>'.repeat(60);
    const big = 'x'.repeat(200_000);
    for (let n = 0; n < 20; n++) {
      mallory.send(`<presence to='${lair}/mallory'><status>${big}</status></presence>`);
      mallory.send(`<presence to='${lair}/mallory'><x xmlns='deep'>${deep}</x></presence>`);
      mallory.send(`<message type='groupchat' to='${lair}'><x xmlns='deep'>${deep}</x></message>`);
      mallory.send(`<message type='groupchat' to='${lair}'><body>${big}</body></message>`);
      mallory.send(`<message type='groupchat' to='${lair}'><subject>${big}</subject></message>`);
      mallory.send(`<message type='chat' to='${lair}/mallory'><body>${big}</body></message>`);
    }
    await answered();
  });

  attack('5,000 rooms at once', async () => {
    for (let n = 0; n < 5000 && !mallory.wire.closed; n += 100)
      await mallory.wire.push(Array.from({ length: 100 }, (_, i) => join(`r${n + i}@${host}/x`)).join(''));
    // `limits.roomsEach`.
    const made = mallory.inbox.filter((one) => one.localName === 'message').length;
    assert.ok(made < 1000, `${made} rooms`);
    const late = await Actor.login(target, { user: 'mallory', resource: 'late' });
    const answer = await late.ask('get', "<ping xmlns='urn:xmpp:ping'/>", lair);
    assert.equal(attr(answer, 'type'), 'result');
    await late.close();
  });

  attack('a flood in the innocent room', async () => {
    mallory.send(join(`${park}/mallory`));
    await mallory.expect(`<message type='groupchat' from='${park}{any}'><subject/></message>`);
    for (let n = 0; n < 50 && !mallory.wire.closed; n++)
      await mallory.wire.push(
        Array.from({ length: 40 }, (_, i) => {
          const nick = `m${n * 40 + i}`;
          return `<presence to='${park}/${nick}'><status>${'x'.repeat(1000)}</status></presence>
            <iq type='get' id='${nick}' to='${park}/one'><ping xmlns='urn:xmpp:ping'/></iq>
            <iq type='set' id='r${nick}' to='${park}'><query xmlns='jabber:iq:register'><x xmlns='${data}' type='submit'>${field('FORM_TYPE', `${muc}#register`)}${field('muc#register_roomnick', nick)}</x></query></iq>
            <presence to='${park}/${nick}' type='unavailable'/>${join(`${park}/${nick}`)}`;
        }).join(''),
      );
  });

  attack('archive queries without end', async () => {
    const query = `<iq type='set' id='q' to='${lair}'><query xmlns='urn:xmpp:mam:2'/></iq>`;
    for (let n = 0; n < 50 && !mallory.wire.closed; n++) await mallory.wire.push(query.repeat(50));
    await mallory.wire.until(
      () => (mallory.wire.closed || mallory.inbox.length >= 2000 ? true : undefined),
      () => `${mallory.inbox.length} answers`,
    );
  });
});
