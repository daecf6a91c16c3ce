import assert from 'node:assert/strict';
import { existsSync, mkdirSync } from 'node:fs';
import { test } from 'node:test';
import { chromium } from 'playwright-core';
import { directory, start } from './muster.ts';

const browserPath = '/usr/bin/chromium';
const artifacts = new URL('../../artifacts/', import.meta.url).pathname;

test(
  'the printed password logs the administrator in with the web client, which asks no other host',
  { timeout: 120_000 },
  async (t) => {
    assert.ok(existsSync(browserPath), 'Chromium is missing; run: apt-get install -y chromium');
    const { info } = await start(t, directory(t));
    const browser = await chromium.launch({
      executablePath: browserPath,
      args: [
        '--no-sandbox',
        '--disable-gpu',
        '--disable-quic',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
      ],
    });
    t.after(() => browser.close());
    const page = await browser.newPage({ viewport: { width: 1000, height: 700 } });
    const refused: string[] = [];
    const elsewhere: string[] = [];
    page.on('console', (message) => {
      if (/Content.Security.Policy|Refused to/i.test(message.text())) refused.push(message.text());
      else if (message.type() === 'error') t.diagnostic(message.text());
    });
    const missing: string[] = [];
    page.on('response', (answer) => {
      if (answer.status() >= 400) missing.push(`${answer.status()} ${new URL(answer.url()).pathname}`);
    });
    const { host } = new URL(info.web);
    const watch = (url: string) => {
      if (!/^(data|blob):/.test(url) && new URL(url).host !== host) elsewhere.push(url);
    };
    page.on('request', (asked) => watch(asked.url()));
    page.on('websocket', (socket) => watch(socket.url()));

    const wasm = page.waitForResponse((answer) => answer.url().endsWith('.wasm'));
    await page.goto(info.web);
    await page.locator('input[name="jid"]').fill('admin');
    await page.locator('input[name="password"]').fill(info.admin!.password);
    await page.locator('button[type="submit"]').click();
    await page.locator('converse-user-profile').waitFor();
    await page.locator('#converse-roster').waitFor();
    assert.equal((await wasm).status(), 200);
    await page.evaluate('Promise.all(document.getAnimations().map((one) => one.finished))');
    mkdirSync(artifacts, { recursive: true });
    await page.screenshot({ path: `${artifacts}/web-in.png` });
    await browser.close(); // before the server, so that it does not see it go
    assert.deepEqual(missing, []);
    assert.deepEqual(refused, []);
    assert.deepEqual(elsewhere, []);
  },
);
