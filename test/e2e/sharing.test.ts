import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Browser } from 'playwright-core';
import { Actor } from './actor.ts';
import { openBrowser, Person } from './browser.ts';
import { poll } from './child.ts';
import { openTarget, type Target } from './server.ts';

/** Squares of 16 pixels. */
const [red, blue] = [
  'iVBORw0KGgoAAAANSUhEUgAAABAAAAAQCAIAAACQkWg2AAAAFklEQVR42mM4ISdHEmIY1TCqYfhqAADkYgQQ6ZuA8QAAAABJRU5ErkJggg==',
  'iVBORw0KGgoAAAANSUhEUgAAABAAAAAQCAIAAACQkWg2AAAAFklEQVR42mOQszlBEmIY1TCqYfhqAACDBSIQ9OB7HgAAAABJRU5ErkJggg==',
].map((text) => Buffer.from(text, 'base64')) as [Buffer, Buffer];
const room = 'tea@rooms.example.org';

/** Nodes that a browser asks for before anybody has made them: XEP-0060 §6.5.9 wants `item-not-found` then. */
const unmade = new Map([
  ['urn:xmpp:reactions:popular:0', 'nobody has reacted to anything'],
  ['eu.siacs.conversations.axolotl.devicelist', 'asked before the first device is published'],
  ['urn:xmpp:omemo:2:devices', 'the same in the newer form'],
]);

/** True of errors that the standards want. XEP-0054 §3.3: so is answered who asks for a vCard that there is not. */
function isWanted({ asked, answer }: { asked: string; answer: string }): boolean {
  if (asked.includes('<vCard ')) return answer.includes('<service-unavailable ');
  const node = /<items [^>]*node="([^"]*)"/.exec(asked)?.[1] ?? '';
  return answer.includes('<item-not-found ') && unmade.has(node);
}

/** What a person is and remembers, in the web client of two people (pictures in artifacts/; uploads: picture.test.ts). */
void describe('Converse.js: avatars, bookmarks, corrections, markers', () => {
  let target: Target;
  let browser: Browser;
  before(async () => {
    target = await openTarget();
    await target.users(['share-one', 'share-two']);
    browser = await openBrowser();
  });
  after(async () => {
    await browser?.close();
    await target?.[Symbol.asyncDispose]();
  });

  void it('two people share them', { timeout: 120_000 }, async (t) => {
    const people: Person[] = [];
    t.after(async () => {
      for (const [n, person] of people.entries())
        await person.picture(`sharing-last-${n}`).catch(() => undefined);
    });
    const enter = async (user: string) => {
      const person = await Person.login(browser, target, user);
      people.push(person);
      return person;
    };
    const [a, b] = [`share-one@${target.domain}`, `share-two@${target.domain}`];
    const [one, two] = [await enter('share-one'), await enter('share-two')];
    await one.ask(b);
    await two.accept(a);
    await one.sees(b);
    await two.askBack(a);
    await two.sees(a);
    assert.equal(await two.face(a), null, 'initials first');

    // An avatar from the dialog, and another: a photo in the vCard, which presence tells of (XEP-0153).
    for (const [n, picture] of [red, blue].entries()) {
      await one.profile(picture, 'The First');
      const shown = `data:image/png;base64,${picture.toString('base64')}`;
      await poll(
        async () => ((await two.face(a)) === shown ? true : undefined),
        () => `the other does not see picture ${n}`,
      );
      await two.picture(`sharing-avatar-${n}`);
    }

    // A bookmark (XEP-0402): both browsers of the person are told, and nobody else.
    const elsewhere = await enter('share-one');
    await one.tells(
      `probe.api.bookmarks.set({ jid: '${room}', name: 'Tea', autojoin: false, nick: 'One' }, true)`,
    );
    // Converse.js 14 listens for a form of the event that no server sends, so its list is looked at after its next login.
    await poll(
      () => elsewhere.heard.some((text) => text.includes('pubsub#event') && text.includes(room)) || undefined,
      () => 'the other browser was not told of the bookmark',
    );
    await elsewhere.leave();
    const again = await enter('share-one');
    await again.until(
      `probe.state.bookmarks?.find((mark) => mark.get('jid') === '${room}')?.get('name') === 'Tea'`,
      'the bookmark of the other browser',
    );
    await again.picture('sharing-bookmark');
    await again.leave();

    // A correction, as people make it: arrow up, and say it again (XEP-0308).
    await one.openChat(b);
    await two.openChat(a);
    await one.say('helo');
    await two.reads('helo');
    // It has arrived, says the other's client (XEP-0184), and a tick stands beside it.
    await one.page.waitForSelector('.chat-msg__receipt', { state: 'attached' });
    await one.picture('sharing-receipt');
    await one.page.press('textarea.chat-textarea', 'ArrowUp');
    await one.page.fill('textarea.chat-textarea', 'hello');
    await one.page.press('textarea.chat-textarea', 'Enter');
    await two.reads('hello');
    assert.equal(await two.count('helo'), 0, 'the first text is gone');
    assert.equal(await two.count('hello'), 1);

    // Converse.js asks for no marks, but makes them (XEP-0333): for a message of the same person's phone, which is
    // available, since `displayed` goes to the bare address.
    const phone = await Actor.login(target, { user: 'share-one', resource: 'phone' });
    phone.send('<presence/>');
    phone.send(
      `<message type='chat' to='${b}' id='marked'><body>from the phone</body><markable xmlns='urn:xmpp:chat-markers:0'/></message>`,
    );
    await two.reads('from the phone');
    for (const mark of ['received', 'displayed'])
      await phone.expect(
        `<message type='chat'><${mark} xmlns='urn:xmpp:chat-markers:0' id='marked'/></message>`,
      );
    await phone.close();
    await one.picture('sharing-chat');
    await two.picture('sharing-chat-there');

    assert.ok(
      !two.heard.some((text) => text.includes(room)),
      'the other person heard nothing of the bookmark',
    );
    for (const person of people) {
      assert.deepEqual(person.complaints, []);
      assert.deepEqual(
        person.refusals().filter((one) => !isWanted(one)),
        [],
      );
    }
  });
});
