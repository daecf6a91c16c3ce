import assert from 'node:assert/strict';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { run } from './child.ts';
import { type Xml, xml } from '@xmpp/client';
import { openTarget, type Target } from './server.ts';
import { Peer } from './xmppjs.ts';

/** Clients that others made, as their users run them. */
void describe('slixmpp (python3-slixmpp of Debian)', () => {
  let target: Target;
  before(async () => {
    target = await openTarget({ tls: 'starttls' });
    await target.users(['slix-one', 'slix-two']);
  });
  after(async () => {
    await target?.[Symbol.asyncDispose]();
  });

  void it(
    'log in, contact, presence, chat, services, carbons, offline, archive, resume',
    { timeout: 150_000 },
    async () => {
      const script = join(dirname(fileURLToPath(import.meta.url)), 'peer.py');
      const args = [
        script,
        '127.0.0.1',
        String(target.ports.xmpp),
        target.domain,
        'slix-one',
        'slix-two',
        'secret',
      ];
      const output = await run('/usr/bin/python3', args);
      const steps = output
        .split('\n')
        .filter((line) => line.startsWith('{'))
        .map((line) => (JSON.parse(line) as { step: string }).step);
      const wanted = [
        'login',
        'contact',
        'presence',
        'chat',
        'services',
        'carbons',
        'offline',
        'archive',
        'resume',
      ];
      assert.deepEqual(steps, wanted);
    },
  );
});

void describe('@xmpp/client (npm)', () => {
  let target: Target;
  before(async () => {
    // The test server's certificate is self-signed and this client has no option to accept that.
    process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0';
    target = await openTarget();
    await target.users(['tcp-one', 'tcp-two', 'ws-one', 'ws-two']);
  });
  after(async () => {
    await target?.[Symbol.asyncDispose]();
  });

  for (const way of ['tcp', 'ws'] as const)
    void it(`over ${way}: log in, contact, presence, chat, carbons, offline, archive, resume`, async () => {
      const service = way === 'tcp' ? `xmpp://127.0.0.1:${target.ports.xmpp}` : target.websocket;
      const one = new Peer(target, `${way}-one`, 'desk', service);
      const two = new Peer(target, `${way}-two`, 'desk', service);
      await one.enter();
      await two.enter();

      await one.presence(two.bare, 'subscribe');
      await two.next('the request', (s) => s.is('presence') && s.attrs['type'] === 'subscribe');
      await two.presence(one.bare, 'subscribed');
      await two.presence(one.bare, 'subscribe');
      await one.next('the request back', (s) => s.is('presence') && s.attrs['type'] === 'subscribe');
      await one.presence(two.bare, 'subscribed');
      const online =
        (from: string) =>
        (s: Xml): boolean =>
          s.is('presence') && s.attrs['type'] === undefined && s.attrs['from'] === from;
      await one.next("two's presence", online(two.client.jid.toString()));
      await two.next("one's presence", online(one.client.jid.toString()));

      await one.say(two.bare, 'hello two');
      const said = await two.body('hello two');
      await two.say(said.attrs['from']!, 'hello one');
      await one.body('hello one');

      const phone = new Peer(target, `${way}-one`, 'phone', service);
      await phone.enter();
      await phone.ask('set', xml('enable', { xmlns: 'urn:xmpp:carbons:2' }));
      await one.say(two.client.jid.toString(), 'with a copy');
      const copy = await phone.next(
        'the carbon',
        (s) => s.getChild('sent', 'urn:xmpp:carbons:2') !== undefined,
      );
      assert.equal(copy.attrs['from'], one.bare);
      await phone.client.stop();

      await two.client.stop();
      await one.next(
        'two gone',
        (s) => s.attrs['type'] === 'unavailable' && s.attrs['from']?.includes('/') === true,
      );
      await one.say(two.bare, 'while you were out');
      const again = new Peer(target, `${way}-two`, 'desk', service);
      await again.enter();
      // This client binds by XEP-0386: what came meanwhile is in the archive (§3.2), and comes from there alone.
      const answer = await again.ask('set', xml('query', { xmlns: 'urn:xmpp:mam:2' }));
      assert.equal(answer.getChild('fin', 'urn:xmpp:mam:2')?.attrs['complete'], 'true');
      const page = again.inbox.filter((s) => s.getChild('result', 'urn:xmpp:mam:2'));
      const bodies = page.map((s) =>
        s.getChild('result')?.getChild('forwarded')?.getChild('message')?.getChildText('body'),
      );
      assert.deepEqual(bodies, ['hello two', 'hello one', 'with a copy', 'while you were out']);
      assert.equal(again.inbox.filter((s) => s.is('message') && s.getChildText('body') !== null).length, 0);

      again.cut();
      await one.say(two.bare, 'into the gap');
      await again.until('the resumption', () => again.resumed === 1);
      await again.body('into the gap');
      await one.client.stop();
      await again.client.stop();
    });
});
