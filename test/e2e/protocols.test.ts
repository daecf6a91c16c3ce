import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { doap, protocols } from '../../scripts/protocols.ts';
import { Actor } from './actor.ts';
import { openTarget } from './server.ts';
import { attr, child, children } from './xml.ts';

const root = new URL('../../', import.meta.url);
const rows = protocols();

void describe('docs/protocols.md', () => {
  void it('names each standard once, and files that exist', () => {
    const numbers = rows.map(({ number }) => number);
    assert.deepEqual(numbers, [...new Set(numbers)]);
    for (const { number, source, test } of rows)
      for (const path of [source, test]) assert.ok(existsSync(new URL(path, root)), `${number}: no ${path}`);
  });

  void it('says of each XEP which version was followed', () => {
    for (const { number, version } of rows)
      if (number.startsWith('XEP')) assert.match(version, /^\d+\.\d+(\.\d+)?$/, number);
  });

  void it('is what docs/muster.doap.xml says (else run: node scripts/protocols.ts)', () => {
    assert.ok(readFileSync(new URL('docs/muster.doap.xml', root), 'utf8') === doap(rows));
  });

  void it('lists what is announced, and nothing else', { timeout: 60_000 }, async () => {
    await using target = await openTarget();
    await target.users(['reader']);
    const reader = await Actor.login(target, { user: 'reader' });
    const announced = async (to: string): Promise<string[]> => {
      const answer = await reader.ask('get', "<query xmlns='http://jabber.org/protocol/disco#info'/>", to);
      const query = child(answer, 'query');
      return children(query!, 'feature').map((feature) => attr(feature, 'var')!);
    };
    const items = await reader.ask(
      'get',
      "<query xmlns='http://jabber.org/protocol/disco#items'/>",
      target.domain,
    );
    const hosts = children(child(items, 'query')!, 'item').map((item) => attr(item, 'jid')!);
    const room = `table@conference.${target.domain}`;
    reader.send(`<presence to='${room}/reader'><x xmlns='http://jabber.org/protocol/muc'/></presence>`);
    await reader.expect(`<message type='groupchat' from='${room}'><subject/></message>`);
    const places = new Map([
      ['server', target.domain],
      ['account', reader.bare],
      ['room', room],
      ...hosts.map((host) => [host.slice(0, host.indexOf('.')), host] as const),
    ]);
    for (const [by, address] of places) {
      const listed = rows.flatMap((row) =>
        row.announced.filter((one) => one.by === by).map(({ feature }) => feature),
      );
      assert.deepEqual((await announced(address)).sort(), [...new Set(listed)].sort(), `announced by ${by}`);
    }
    const known = new Set(places.keys());
    for (const { number, announced: all } of rows)
      for (const { by, feature } of all)
        assert.ok(known.has(by), `${number}: ${feature} of ${by}, which is not there`);
    await reader.close();
  });
});
