import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Browser } from 'playwright-core';
import { openBrowser, Person } from './browser.ts';
import { poll } from './child.ts';
import { openTarget, type Target } from './server.ts';

/** A green square of 40 pixels. */
const square = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAACgAAAAoCAIAAAADnC86AAAAMElEQVR42u3NQQkAAAgEsItiFKMa1RKCn8H+S02/iFgsFovFYrFYLBaLxWKxWHxnAcFBQFtZn51XAAAAAElFTkSuQmCC',
  'base64',
);

/** XEP-0363 as the server's own web client does it: its page is at `localhost`, the files are at another origin. */
void describe('a picture in Converse.js', { skip: process.env['TARGET'] === 'prosody' }, () => {
  let target: Target;
  let browser: Browser;
  before(async () => {
    target = await openTarget();
    await target.users(['pic-one', 'pic-two']);
    browser = await openBrowser();
  });
  after(async () => {
    await browser?.close();
    await target?.[Symbol.asyncDispose]();
  });

  void it('is sent by one and shown to the other', { timeout: 90_000 }, async () => {
    const [one, two] = [
      await Person.login(browser, target, 'pic-one'),
      await Person.login(browser, target, 'pic-two'),
    ];
    const complaints: string[] = [];
    for (const { page } of [one, two])
      page.on('console', (said) => {
        if (/Content.Security|CORS|blocked/i.test(said.text())) complaints.push(said.text());
      });
    await one.ask(`pic-two@${target.domain}`);
    await two.accept(`pic-one@${target.domain}`);
    await one.sees(`pic-two@${target.domain}`);
    await one.openChat(`pic-two@${target.domain}`);
    await two.openChat(`pic-one@${target.domain}`);
    await one.page.waitForSelector('.toggle-file-upload, .fileupload', { state: 'attached' });
    await one.page.setInputFiles('input.fileupload', {
      name: 'très vert.png',
      mimeType: 'image/png',
      buffer: square,
    });
    for (const person of [one, two]) {
      const picture = await person.page.waitForSelector(
        'converse-chat-message img.chat-image, .chat-msg img[src*="/upload/"]',
      );
      assert.match((await picture.getAttribute('src')) ?? '', /\/upload\/[\w-]{27}\/tr%C3%A8s%20vert\.png$/);
      // As text: the page's own policy does not matter to what is evaluated from outside.
      await poll(
        async () =>
          (await person.page.evaluate(
            `[...document.querySelectorAll('img')].some((one) => one.src.includes('/upload/') && one.naturalWidth === 40)`,
          )) === true || undefined,
        () => `the browser does not show it: ${complaints.join()}`,
      );
    }
    await one.picture('upload-sent');
    await two.picture('upload-received');
    assert.deepEqual(complaints, []);
  });
});
