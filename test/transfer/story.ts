import { authenticate, bind, expectElement, open } from '../e2e/stream.ts';
import { Wire } from '../e2e/wire.ts';
import { attr, children, show, text, type Element } from '../e2e/xml.ts';

/** A client that logs in with the password it has and says what it is told to. */
export class Guest {
  readonly wire: Wire;
  readonly full: string;
  #n = 0;

  private constructor(wire: Wire, full: string) {
    this.wire = wire;
    this.full = full;
  }

  static async login(
    port: number,
    domain: string,
    name: string,
    password: string,
    mechanism?: string,
    resource = 'old',
  ): Promise<Guest> {
    const wire = await Wire.tcp(port);
    const features = await open(wire, domain);
    await authenticate(wire, domain, features, name, password, mechanism);
    return new Guest(wire, await bind(wire, resource));
  }

  /** Sends a request and resolves with its answer; what comes meanwhile is left out. */
  async ask(type: 'get' | 'set', payload: string, to?: string): Promise<Element> {
    const id = `q${++this.#n}`;
    this.wire.write(`<iq type='${type}' id='${id}'${to ? ` to='${to}'` : ''}>${payload}</iq>`);
    for (;;) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      const answer = await expectElement(this.wire, 'iq', 'message', 'presence', 'r');
      if (answer.localName === 'iq' && attr(answer, 'id') === id) return answer;
    }
  }

  /** The same, where it has to work. */
  async does(type: 'get' | 'set', payload: string, to?: string): Promise<Element> {
    const answer = await this.ask(type, payload, to);
    if (attr(answer, 'type') !== 'result') throw new Error(`refused: ${show(answer)}`);
    return answer;
  }

  say(xml: string): void {
    this.wire.write(xml);
  }

  /** The next stanza with this name, whatever comes before it. */
  async next(name: string): Promise<Element> {
    for (;;) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      const found = await expectElement(this.wire, 'iq', 'message', 'presence', 'r');
      if (found.localName === name) return found;
    }
  }

  async leave(): Promise<void> {
    this.wire.write('</stream:stream>');
    await this.wire.until(
      () => (this.wire.closed ? true : undefined),
      () => 'the stream did not close',
    );
  }
}

export { attr, children, show, text };

/** One pixel. */
export const photo =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';

/** What the people of every exporting server did, before they moved. Juliet is away when Romeo writes at last. */
export async function live(port: number, domain: string): Promise<void> {
  const juliet = await Guest.login(port, domain, 'juliet', 'R0m30');
  const romeo = await Guest.login(port, domain, 'romeo', 'J<li&t "é"');
  juliet.say('<presence/>');
  romeo.say('<presence/>');
  await juliet.does(
    'set',
    `<query xmlns='jabber:iq:roster'><item jid='romeo@${domain}' name='Romeo &amp; co'><group>Friends</group><group>Verona</group></item></query>`,
  );
  juliet.say(`<presence type='subscribe' to='romeo@${domain}'/>`);
  while (attr(await romeo.next('presence'), 'type') !== 'subscribe');
  romeo.say(
    `<presence type='subscribed' to='juliet@${domain}'/><presence type='subscribe' to='juliet@${domain}'/>`,
  );
  while (attr(await juliet.next('presence'), 'type') !== 'subscribe');
  juliet.say(`<presence type='subscribed' to='romeo@${domain}'/>`);
  juliet.say(`<presence type='subscribe' to='mercutio@${domain}'/>`);
  romeo.say(`<presence type='subscribe' to='nurse@${domain}'/>`);
  await juliet.does(
    'set',
    `<vCard xmlns='vcard-temp'><FN>Juliet Capulet</FN><PHOTO><TYPE>image/png</TYPE><BINVAL>${photo}</BINVAL></PHOTO></vCard>`,
  );
  await juliet.does(
    'set',
    `<query xmlns='jabber:iq:private'><exodus xmlns='exodus:prefs'><defaultnick>Jule</defaultnick></exodus></query>`,
  );
  await juliet.does(
    'set',
    `<block xmlns='urn:xmpp:blocking'><item jid='tybalt@example.com'/><item jid='spam.example.com'/></block>`,
  );
  await juliet.does(
    'set',
    `<pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='http://jabber.org/protocol/nick'><item id='current'><nick xmlns='http://jabber.org/protocol/nick'>Jule</nick></item></publish></pubsub>`,
  );
  await juliet.does(
    'set',
    `<pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='urn:xmpp:bookmarks:1'><item id='garden@rooms.example.org'><conference xmlns='urn:xmpp:bookmarks:1' name='Garden' autojoin='true'><nick>Jule</nick></conference></item></publish><publish-options><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE' type='hidden'><value>http://jabber.org/protocol/pubsub#publish-options</value></field><field var='pubsub#persist_items'><value>true</value></field><field var='pubsub#access_model'><value>whitelist</value></field></x></publish-options></pubsub>`,
  );
  juliet.say(
    `<message type='chat' to='romeo@${domain}' id='m1'><body>Wherefore art thou &lt;Romeo&gt;?</body></message>`,
  );
  await romeo.next('message');
  romeo.say(`<message type='chat' to='juliet@${domain}' id='m2'><body>Call me but love</body></message>`);
  await juliet.next('message');
  await juliet.leave();
  await romeo.does(
    'set',
    `<query xmlns='jabber:iq:private'><storage xmlns='storage:bookmarks'><conference jid='verona@rooms.example.org' name='Verona'><nick>R</nick></conference></storage></query>`,
  );
  await romeo.does('get', `<query xmlns='jabber:iq:roster'/>`);
  romeo.say(`<message type='chat' to='juliet@${domain}' id='m3'><body>Neither, fair saint</body></message>`);
  romeo.say(
    `<message type='chat' to='juliet@${domain}' id='m4'><body>if either thee dislike</body></message>`,
  );
  await romeo.does('get', `<query xmlns='jabber:iq:roster'/>`);
  await romeo.leave();
}
