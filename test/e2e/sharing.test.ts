import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Browser } from 'playwright-core';
import { Actor } from './actor.ts';
import { openBrowser, Person } from './browser.ts';
import { openTarget, type Target } from './server.ts';

/** A red square of 8 pixels. */
const square =
  'iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAEUlEQVR42mP4z8CAFTEMLQkAKP8/wQ7hqWsAAAAASUVORK5CYII=';
const room = 'tea@rooms.example.org';

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

  void it('two people share them', { timeout: 120_000 }, async () => {
    const errors: string[] = [];
    const enter = async (user: string) => {
      const person = await Person.login(browser, target, user);
      person.page.on('console', (said) => {
        if (said.type() === 'error') errors.push(`${user}: ${said.text()}`);
      });
      return person;
    };
    const [a, b] = [`share-one@${target.domain}`, `share-two@${target.domain}`];
    const [one, two] = [await enter('share-one'), await enter('share-two')];
    await one.ask(b);
    await two.accept(a);
    await one.sees(b);
    await two.askBack(a);
    await two.sees(a);

    // An avatar: a photo in the vCard, which presence tells of (XEP-0153), and PEP, too (XEP-0398).
    await one.tells(
      `probe.api.vcard.set('${a}', { fullname: 'One', image: '${square}', image_type: 'image/png' })`,
    );
    await two.until(
      `probe.state.vcards.find((card) => card.get('jid') === '${a}')?.get('image')?.replaceAll(/\\s/g, '') === '${square}'`,
      'the avatar of the other',
    );
    await two.picture('sharing-avatar');

    // A bookmark, in another browser of the same person, and not with anybody else (XEP-0402). Converse.js 14 asks for them at
    // its login: it listens for changes in a form that no server with these bookmarks sends.
    await one.tells(
      `probe.api.bookmarks.set({ jid: '${room}', name: 'Tea', autojoin: false, nick: 'One' }, true)`,
    );
    await one.until(
      `probe.state.bookmarks?.find((mark) => mark.get('jid') === '${room}') !== undefined`,
      'its own bookmark',
    );
    const elsewhere = await enter('share-one');
    await elsewhere.until(
      `probe.state.bookmarks?.find((mark) => mark.get('jid') === '${room}')?.get('name') === 'Tea'`,
      'the bookmark of the other browser',
    );
    assert.equal(
      await two.tells(`probe.state.bookmarks?.find((mark) => mark.get('jid') === '${room}') === undefined`),
      true,
    );
    await elsewhere.leave();

    // A correction, as people make it: arrow up, and say it again (XEP-0308).
    await one.openChat(b);
    await two.openChat(a);
    await one.tells(
      `globalThis.heard = []; openSockets.at(-1).addEventListener('message', ({ data }) => heard.push(data))`,
    );
    await one.say('helo');
    await two.reads('helo');
    await one.page.press('textarea.chat-textarea', 'ArrowUp');
    await one.page.fill('textarea.chat-textarea', 'hello');
    await one.page.press('textarea.chat-textarea', 'Enter');
    await two.reads('hello');
    assert.equal(await two.count('helo'), 0, 'the first text is gone');
    assert.equal(await two.count('hello'), 1);

    // It has arrived, says the other's client (XEP-0184).
    await one.until(
      'heard.some((text) => text.includes(\'<received xmlns="urn:xmpp:receipts"\'))',
      'a receipt',
    );
    // Converse.js asks for no marks, but makes them (XEP-0333): for a message of the same person's phone.
    const phone = await Actor.login(target, { user: 'share-one', resource: 'phone' });
    phone.send(
      `<message type='chat' to='${b}' id='marked'><body>from the phone</body><markable xmlns='urn:xmpp:chat-markers:0'/></message>`,
    );
    await two.reads('from the phone');
    await phone.expect(
      `<message type='chat'><received xmlns='urn:xmpp:chat-markers:0' id='marked'/></message>`,
    );
    await phone.close();
    await one.picture('sharing-corrected');
    await two.picture('sharing-corrected-there');
    assert.deepEqual(errors, []);
  });
});
