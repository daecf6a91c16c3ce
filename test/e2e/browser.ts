import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Browser, type BrowserContext, chromium, type Page, type Route } from 'playwright-core';
import { poll } from './child.ts';
import type { Target } from './server.ts';

const artifacts = join(dirname(dirname(dirname(fileURLToPath(import.meta.url)))), 'artifacts');

/** The system's Chromium; as root it needs no sandbox, and none of its own services may look for the network. */
export function openBrowser(): Promise<Browser> {
  mkdirSync(artifacts, { recursive: true });
  const off = ['gpu', 'quic', 'background-networking', 'component-update', 'sync', 'dev-shm-usage'];
  return chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: ['--no-sandbox', '--no-first-run', ...off.map((one) => `--disable-${one}`)],
  });
}

/**
 * The page's own script with one plugin more, which lets a test see what Converse.js keeps to itself; `bosh`: and with the
 * other way to the server.
 */
async function changed(route: Route, way: 'ws' | 'bosh'): Promise<void> {
  const answer = await route.fetch();
  const begin = 'await converse.initialize({';
  const plugin = `converse.plugins.add('probe', { initialize() { globalThis.probe = this._converse; } });`;
  const text = await answer.text();
  if (!text.includes(begin)) throw new Error('start.js begins otherwise');
  const body = text.replace(begin, `${plugin}\n${begin} whitelisted_plugins: ['probe'],`);
  await route.fulfill({
    response: answer,
    body:
      way === 'ws' ? body : body.replace(/websocket_url: .*/, 'bosh_service_url: `${location.origin}/bosh`,'),
  });
}

/** In the page: the texts of all messages. */
const texts = "[...document.querySelectorAll('.chat-msg__text')].map((one) => one.textContent ?? '')";

/** One person at the web client. */
export class Person {
  readonly page: Page;
  readonly #context: BrowserContext;

  private constructor(context: BrowserContext, page: Page) {
    this.#context = context;
    this.page = page;
  }

  static async login(
    browser: Browser,
    target: Target,
    user: string,
    way: 'ws' | 'bosh' = 'ws',
  ): Promise<Person> {
    const context = await browser.newContext({ viewport: { width: 1200, height: 800 } });
    const page = await context.newPage();
    page.setDefaultTimeout(20_000);
    // Kept so that a test can cut the connection as a lost network does.
    await page.addInitScript(`
      globalThis.openSockets = [];
      globalThis.WebSocket = class extends WebSocket {
        constructor(...given) {
          super(...given);
          openSockets.push(this);
        }
      };`);
    await page.route('**/start.js', (route) => changed(route, way));
    // Browsers give a page the cryptography that SCRAM needs only from localhost or over TLS.
    await page.goto(target.page.replace('127.0.0.1', 'localhost'));
    await page.fill('input[name=jid]', `${user}@${target.domain}`);
    await page.fill('input[name=password]', 'secret');
    await page.press('input[name=password]', 'Enter');
    await page.waitForSelector('#converse-roster', { state: 'attached' });
    return new Person(context, page);
  }

  /** Evaluates in the page, where `probe` is Converse.js with its interfaces and its models. */
  tells<Told>(expression: string): Promise<Told> {
    return this.page.evaluate(expression);
  }

  /** Waits until an expression (see `tells`) is true. */
  async until(expression: string, what: string): Promise<void> {
    await this.#until(expression, what);
  }

  async picture(name: string): Promise<void> {
    await this.page.screenshot({ path: join(artifacts, `${name}.png`) });
  }

  async ask(address: string): Promise<void> {
    await this.#press('#converse-roster .add-contact');
    await this.page.fill('.add-xmpp-contact input[name=jid]', address);
    await this.page.press('.add-xmpp-contact input[name=name]', 'Enter');
  }

  /** Accepts a request in the list of contacts and answers the dialog that then comes. */
  async accept(address: string): Promise<void> {
    await this.page.waitForSelector(`#converse-roster [data-jid="${address}"]`, { state: 'attached' });
    await this.#press('#converse-roster .accept-xmpp-request');
    await this.page.click('.modal.show button[type=submit], .modal.show input[type=submit]');
  }

  /**
   * Asks back after accepting. Converse.js 14 means to do that itself, but its dialog calls a method that contacts do
   * not have (`subscribe` for `subscribeToPresence`), so the test does what it meant.
   */
  async askBack(address: string): Promise<void> {
    await this.page.evaluate(
      `[...document.querySelectorAll('converse-roster-contact')]
        .find((one) => one.model.get('jid') === ${JSON.stringify(address)}).model.subscribeToPresence()`,
    );
  }

  /** Waits until the list shows this contact as available. */
  async sees(address: string): Promise<void> {
    const entry = `#converse-roster [data-jid="${address}"]`;
    await this.page.waitForSelector(`${entry} .contact-name--online`, { state: 'attached' });
  }

  async openChat(address: string): Promise<void> {
    await this.#press(`#converse-roster .open-chat[data-jid="${address}"]`);
    await this.page.waitForSelector('textarea.chat-textarea');
  }

  async say(text: string): Promise<void> {
    await this.page.fill('textarea.chat-textarea', text);
    await this.page.press('textarea.chat-textarea', 'Enter');
    await this.reads(text);
  }

  async reads(text: string): Promise<void> {
    await this.#until(
      `${texts}.some((one) => one.includes(${JSON.stringify(text)}))`,
      `'${text}' to stand there`,
    );
  }

  /** How often this text stands in the open chats. */
  count(text: string): Promise<number> {
    return this.page.evaluate(`${texts}.filter((one) => one.trim() === ${JSON.stringify(text)}).length`);
  }

  /** Closes the WebSocket under the page; resolves when the page has opened another. */
  async cut(): Promise<void> {
    const before = await this.page.evaluate('openSockets.at(-1).close(); openSockets.length');
    const again = `openSockets.length > ${String(before)} && openSockets.at(-1).readyState === WebSocket.OPEN`;
    await this.#until(again, 'another connection');
  }

  async leave(): Promise<void> {
    await this.#context.close();
  }

  /** Asked from outside: the page's own policy forbids to evaluate text in it, which polling inside would. */
  async #until(expression: string, what: string): Promise<void> {
    await poll(
      async () => ((await this.page.evaluate(expression)) === true ? true : undefined),
      () => `the page waited in vain for ${what}`,
    );
  }

  /** Clicks what may be inside a closed menu. */
  async #press(selector: string): Promise<void> {
    const found = await this.page.waitForSelector(selector, { state: 'attached' });
    await found.dispatchEvent('click');
  }
}
