import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Actor } from '../e2e/actor.ts';
import { poll } from '../e2e/child.ts';
import { openTarget, type Target } from '../e2e/server.ts';
import { logged, openFinch, openGajim, openProfanity, type Client } from './client.ts';

interface Maker {
  readonly name: string;
  open(target: Target, user: string): Promise<Client>;
  /** Its log says so when it has asked everything that it asks at a login. */
  readonly settled: RegExp;
  /** Its way of saying that something failed. */
  readonly complaint: RegExp;
  /** Complaints about the machine that the test runs on. */
  readonly excused: RegExp;
}

const makers: readonly Maker[] = [
  {
    name: 'profanity',
    open: openProfanity,
    settled: /RECV: <a h="\d+"/,
    complaint: /: ERR: \S|type="error"|Stream error/,
    // Files of a first start; glib's word for a name that nobody gave.
    excused: /no such file|GLib-CRITICAL|\[OMEMO\] cannot publish/,
  },
  {
    name: 'finch',
    open: openFinch,
    settled: /Sending[^\n]*<presence>/,
    complaint: /type=["']error["']|returned error|Connection error/,
    excused: /dbus:|dnssrv:|File \S+ does not exist/,
  },
  {
    name: 'gajim',
    open: openGajim,
    settled: /Request finished: /,
    complaint: /\((?:W|E|C)\) gajim|Traceback|type="error"/,
    excused: /AV dependency|color-scheme|Notifications D-Bus|UPnP|portal|dbus/i,
  },
];

/** Lines of the log in which the client says that something failed. */
function complaints(client: Client, { complaint, excused }: Maker): string[] {
  return client
    .log()
    .split('\n')
    .filter((line) => complaint.test(line) && !excused.test(line));
}

void describe('clients of other makers', () => {
  let target: Target;
  before(async () => {
    target = await openTarget({ tls: 'starttls' });
    await target.users(['romeo', ...makers.map(({ name }) => name)]);
  });
  after(() => target?.[Symbol.asyncDispose]());

  for (const maker of makers)
    void it(
      `${maker.name} logs in, is written to, and its log has no error`,
      { timeout: 90_000 },
      async () => {
        await using client = await maker.open(target, maker.name);
        await logged(client, maker.settled);
        const romeo = await Actor.login(target, { user: 'romeo', resource: maker.name, way: 'starttls' });
        romeo.send(
          `<message type='chat' to='${maker.name}@${target.domain}' id='hello'><body>hello ${maker.name}</body></message>`,
        );
        await logged(client, new RegExp(`hello ${maker.name}`));
        // Its answers to the login have come by now: a message never overtakes them.
        await poll(
          async () => {
            const before = client.log().length;
            await new Promise((resolve) => setTimeout(resolve, 500));
            return client.log().length === before ? true : undefined;
          },
          () => `${maker.name} does not come to rest`,
        );
        assert.deepEqual(complaints(client, maker), []);
        await romeo.close();
      },
    );
});
