import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Browser } from 'playwright-core';
import { openBrowser, Person } from './browser.ts';
import { openTarget, type Target } from './server.ts';

/** The web client that the server brings, in a real browser, two people and more (pictures in artifacts/). */
void describe('Converse.js in Chromium', () => {
  let target: Target;
  let browser: Browser;
  before(async () => {
    target = await openTarget();
    await target.users(['web-one', 'web-two', 'bosh-one', 'bosh-two']);
    browser = await openBrowser();
  });
  after(async () => {
    await browser?.close();
    await target?.[Symbol.asyncDispose]();
  });

  void it(
    'log in, contact, presence, chat, carbons, offline, archive, resume',
    { timeout: 180_000 },
    async (t) => {
      const people: Person[] = [];
      t.after(async () => {
        for (const [n, person] of people.entries()) await person.picture(`last-${n}`).catch(() => undefined);
      });
      const enter = async (user: string): Promise<Person> => {
        const person = await Person.login(browser, target, user);
        people.push(person);
        return person;
      };
      const [a, b] = [`web-one@${target.domain}`, `web-two@${target.domain}`];
      let one = await enter('web-one');
      const two = await enter('web-two');
      await one.picture('1-login');

      await one.ask(b);
      await two.accept(a);
      await one.sees(b);
      // The first, who asked, accepts this on its own.
      await two.askBack(a);
      await two.sees(a);
      await two.picture('2-contact');

      await one.openChat(b);
      await two.openChat(a);
      await one.say('hello two');
      await two.reads('hello two');
      await two.say('hello one');
      await one.reads('hello one');
      await one.picture('3-chat');

      const elsewhere = await enter('web-one');
      await elsewhere.openChat(b);
      await elsewhere.reads('hello one');
      await elsewhere.picture('4-archive');
      await one.say('with a copy');
      await elsewhere.reads('with a copy');
      await elsewhere.picture('5-carbon');
      await elsewhere.leave();

      await one.leave();
      await two.say('while you were out');
      one = await enter('web-one');
      await one.openChat(b);
      await one.reads('while you were out');
      await one.picture('6-offline');

      await one.cut();
      await two.say('after the cut');
      await one.reads('after the cut');
      await one.say('still here');
      await two.reads('still here');
      await one.picture('7-resumed');
      for (const text of ['hello two', 'while you were out', 'after the cut'])
        assert.equal(await one.count(text), 1, `'${text}' stands there once`);
    },
  );

  void it('over BOSH: log in, contact, presence, chat, offline', { timeout: 120_000 }, async (t) => {
    const people: Person[] = [];
    t.after(async () => {
      for (const [n, person] of people.entries())
        await person.picture(`bosh-last-${n}`).catch(() => undefined);
    });
    const enter = async (user: string): Promise<Person> => {
      const person = await Person.login(browser, target, user, 'bosh');
      people.push(person);
      return person;
    };
    const [a, b] = [`bosh-one@${target.domain}`, `bosh-two@${target.domain}`];
    let one = await enter('bosh-one');
    const two = await enter('bosh-two');
    assert.equal(await one.page.evaluate('openSockets.length'), 0, 'no WebSocket');
    await one.ask(b);
    await two.accept(a);
    await one.sees(b);
    await one.openChat(b);
    await two.openChat(a);
    for (let n = 0; n < 3; n++) {
      await one.say(`over there ${n}`);
      await two.reads(`over there ${n}`);
      await two.say(`and back ${n}`);
      await one.reads(`and back ${n}`);
    }
    await one.picture('bosh-1-chat');
    await one.leave();
    await two.say('while you were out');
    one = await enter('bosh-one');
    await one.openChat(b);
    await one.reads('while you were out');
    for (const text of ['over there 1', 'and back 1', 'while you were out'])
      assert.equal(await one.count(text), 1, `'${text}' stands there once`);
  });
});
