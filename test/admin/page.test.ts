import assert from 'node:assert/strict';
import { existsSync, mkdirSync } from 'node:fs';
import { test } from 'node:test';
import { chromium } from 'playwright-core';
import { openHttp } from '../../src/admin/http.ts';
import { quiet } from '../../src/base/log.ts';
import { openMetrics } from '../../src/base/metrics.ts';

const browserPath = '/usr/bin/chromium';
const artifacts = new URL('../../artifacts/', import.meta.url).pathname;

test(
  'the web client loads from this server alone, without a complaint of the browser',
  { timeout: 90_000 },
  async (t) => {
    assert.ok(existsSync(browserPath), 'Chromium is missing; run: apt-get install -y chromium');
    const http = await openHttp({
      listen: { host: '127.0.0.1', port: 0, tls: 'off' },
      certificate: undefined,
      config: { community: 'Test Community', domains: ['example.org'], registration: 'closed' },
      metrics: openMetrics(8),
      ready: () => true,
      log: quiet,
    });
    t.after(() => http.close());
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
    const complaints: string[] = [];
    const elsewhere: string[] = [];
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text());
    });
    page.on('pageerror', (error) => complaints.push(String(error)));
    page.on('request', (asked) => {
      const { protocol, host } = new URL(asked.url());
      if (protocol !== 'data:' && protocol !== 'blob:' && host !== new URL(http.url).host)
        elsewhere.push(asked.url());
    });
    page.on('response', (answer) => {
      if (answer.status() >= 400) complaints.push(`${answer.status()} ${answer.url()}`);
    });
    await page.goto(http.url);
    await page.locator('input[name="jid"]').waitFor();
    await page.locator('input[name="password"]').waitFor();
    await page.evaluate(
      `Promise.all([document.fonts.ready, ...document.getAnimations().map((one) => one.finished)])`,
    );
    mkdirSync(artifacts, { recursive: true });
    await page.screenshot({ path: `${artifacts}/web-login.png` });

    const button = page.locator('button[type="submit"]');
    const colour = await button.evaluate('(element) => getComputedStyle(element).backgroundColor');
    assert.notEqual(
      colour,
      'rgba(0, 0, 0, 0)',
      'the button looks like one: the theme is known to the style sheet',
    );
    assert.equal(await page.title(), 'Test Community');
    assert.deepEqual(elsewhere, []);
    assert.deepEqual(complaints, []);
  },
);
