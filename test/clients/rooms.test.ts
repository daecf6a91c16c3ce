import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { openBrowser, Person } from '../e2e/browser.ts';
import { poll } from '../e2e/child.ts';
import { openTarget, type Target } from '../e2e/server.ts';
import { logged, openProfanity, type Client } from './client.ts';

/** One person in the room, whatever client it has. */
interface Guest {
  readonly nick: string;
  say(text: string): Promise<void> | void;
  /** Resolves when its client shows that. */
  reads(nick: string, text: string): Promise<unknown>;
}

const seen = (client: Client, pattern: RegExp) =>
  poll(
    () => pattern.exec(client.screen()) ?? undefined,
    () => `${client.name} never showed ${String(pattern)}:\n${client.screen()}`,
  );

function profanity(client: Client): Guest {
  return {
    nick: 'profanity',
    say: (text) => client.type(text),
    reads: (nick, text) => seen(client, new RegExp(`${nick}: +${text}`)),
  };
}

function converse(person: Person): Guest {
  return {
    nick: 'Converse',
    say: (text) => person.say(text),
    reads: async (nick, text) => {
      await person.reads(text);
      await person.until(
        `[...document.querySelectorAll('.chat-msg')].some((one) =>
          one.querySelector('.chat-msg__author')?.textContent.includes(${JSON.stringify(nick)}) &&
          one.querySelector('.chat-msg__text')?.textContent.includes(${JSON.stringify(text)}))`,
        `${nick} beside '${text}'`,
      );
    },
  };
}

interface Told {
  readonly event: string;
  readonly nick?: string;
  readonly body?: string;
  readonly roster?: readonly string[];
  readonly rooms?: readonly string[];
}

/** The client of occupant.py. */
function openSlixmpp(t: TestContext, target: Target, user: string, room: string) {
  const script = join(import.meta.dirname, 'occupant.py');
  const place = ['127.0.0.1', String(target.ports.xmpp), `${user}@${target.domain}`, 'secret', room];
  const child = spawn('/usr/bin/python3', [script, ...place, 'Slix'], { stdio: ['pipe', 'pipe', 'pipe'] });
  t.after(() => child.kill());
  let [said, complaints] = ['', ''];
  child.stdout.on('data', (data: Buffer) => (said += String(data)));
  child.stderr.on('data', (data: Buffer) => (complaints += String(data)));
  const told = () =>
    said
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as Told);
  const tells = (what: string, fits: (one: Told) => boolean) =>
    poll(
      () => told().find(fits),
      () => `slixmpp never told of ${what}:\n${said}${complaints}`,
    );
  const guest: Guest = {
    nick: 'Slix',
    say: (text) => void child.stdin.write(`${text}\n`),
    reads: (nick, text) => tells(`'${text}'`, (one) => one.nick === nick && one.body === text),
  };
  return { ...guest, tells, complaints: () => complaints, leave: () => child.stdin.end() };
}

test('profanity, slixmpp and Converse.js together in one room', { timeout: 180_000 }, async (t) => {
  const target = await openTarget({ tls: 'starttls' });
  t.after(() => target[Symbol.asyncDispose]());
  await target.users(['web', 'terminal', 'script']);
  const room = `tea@conference.${target.domain}`;
  const browser = await openBrowser();
  t.after(() => browser.close());

  // Who comes first makes the room, and has it as it is usually.
  const person = await Person.login(browser, target, 'web');
  t.after(() => person.picture('room-last').catch(() => undefined));
  await person.tells(`void probe.api.rooms.open('${room}', { nick: 'Converse' }, true)`);
  await person.page.waitForSelector('converse-muc textarea.chat-textarea');
  await using terminal = await openProfanity(target, 'terminal');
  await logged(terminal, /RECV: <a h="\d+"/);
  terminal.type(`/join ${room} nick profanity`);
  await seen(terminal, /You have joined the room|Converse/);
  const slix = openSlixmpp(t, target, 'script', room);
  const { rooms } = await slix.tells('rooms', ({ event }) => event === 'found');
  assert.deepEqual(rooms, [room]);
  const { roster } = await slix.tells('its joining', ({ event }) => event === 'joined');
  assert.deepEqual(roster, ['Converse', 'Slix', 'profanity']);

  const guests = [converse(person), profanity(terminal), slix];
  for (const guest of guests) {
    const text = `good evening from ${guest.nick}`;
    // oxlint-disable no-await-in-loop -- one after the other, as people speak
    await guest.say(text);
    await Promise.all(guests.map((one) => one.reads(guest.nick, text)));
    // oxlint-enable no-await-in-loop
  }
  await person.until(
    `[...document.querySelectorAll('converse-muc-sidebar .badge')].map((one) => one.textContent.trim()).join() === 'O,MO'`,
    'what it is itself: an owner and a moderator',
  );
  await person.picture('room-converse');
  slix.leave();
  await poll(
    () => (/ {3}Slix$/m.test(terminal.screen()) ? undefined : true),
    () => `profanity still shows who has left:\n${terminal.screen()}`,
  );
  await person.until(
    `document.querySelector('converse-muc').textContent.includes('Slix has left the groupchat')`,
    'the word that somebody left',
  );
  await person.picture('room-converse-left');
  assert.doesNotMatch(slix.complaints(), /Traceback/);
  // It looks at the room before there is one; everything else that it asks is answered.
  const refusals = person
    .refusals()
    .filter(({ asked, answer }) => asked.includes(room) && !answer.includes('<item-not-found '));
  assert.deepEqual(refusals, []);
  assert.deepEqual(person.complaints, []);

  // The name of another room can be typed, and it is found at this server.
  await person.tells(`void document.querySelector('.show-add-muc-modal').click()`);
  await person.page.fill('.modal.show input[name=chatroom]', 'supper');
  await person.page.fill('.modal.show input[name=nickname]', 'Converse');
  await person.page.press('.modal.show input[name=nickname]', 'Enter');
  await person.until(
    `probe.state.chatboxes.get('supper@conference.${target.domain}')?.get('hidden') === false`,
    'the other room',
  );
  await person.until(
    `document.querySelector('converse-muc-heading, .chat-head-chatroom')?.textContent.includes('supper')`,
    'the other room on the screen',
  );
});
