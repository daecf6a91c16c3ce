import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Actor, roster } from './actor.ts';
import { archive, type Kept } from './archive.ts';
import { poll } from './child.ts';
import { random } from './dice.ts';
import { Loyal } from './loyal.ts';
import { openTarget, type Target } from './server.ts';
import { attr } from './xml.ts';

const kills = Number(process.env['KILLS'] ?? 30);
const people = 20;
const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000);
const standIn = process.env['TARGET'] === 'prosody';

/**
 * The kill loop: clients talk and change their contact lists while the server is killed with no warning, again and
 * again. Invariants 2, 4, 5 and 6 as users see them: what was acknowledged is there, once, in order, on both sides.
 */
void describe(
  `kill -9, ${kills} times (SEED=${seed})`,
  standIn && kills > 0 ? { todo: 'Prosody keeps sessions in memory only' } : {},
  () => {
    let target: Target;
    const clients: Loyal[] = [];
    /** Bodies in the order in which each client sent them. */
    const sent = new Map<string, string[]>();
    const archives = new Map<string, Kept[]>();
    const names = Array.from({ length: people }, (_, n) => `kill${n}`);
    const dice = random(seed);

    before(async () => {
      target = await openTarget();
      await target.users(names);
      const doors = { domain: target.domain, port: () => target.ports.xmpp };
      for (const name of names) clients.push(new Loyal(doors, name));
      await Promise.all(clients.map((one) => one.start()));
    });
    after(async () => {
      await Promise.all(clients.map((one) => one.stop()));
      await target?.[Symbol.asyncDispose]();
    });

    void it('comes back each time, and its clients with it', { timeout: 300_000 }, async (t) => {
      t.diagnostic(`seed ${seed}`);
      let talking = true;
      const down = { all: 0, worker: 0 };
      const back: number[] = [];
      const talk = async (one: Loyal, own: () => number): Promise<void> => {
        const bodies: string[] = [];
        sent.set(one.bare, bodies);
        while (talking) {
          const peer = clients[Math.floor(own() * people)]!;
          if (peer === one) continue;
          if (own() < 0.05) {
            const type = own() < 0.5 ? 'subscribe' : 'unsubscribe';
            one.send(`<presence type='${type}' to='${peer.bare}'/>`);
          } else if (one.unacked < 200) {
            const body = `${one.user} ${bodies.length}`;
            bodies.push(body);
            one.send(`<message type='chat' to='${peer.bare}' id='${body}'><body>${body}</body></message>`);
          }
          if (own() < 0.2) one.requestAck();
          await pause(20 + own() * 60);
        }
      };
      const talks = clients.map((one, n) => talk(one, random(seed + n + 1)));
      for (let n = 0; n < kills; n++) {
        // Every other time everybody is back first; else the next blow falls into the rush of the resumptions.
        if (n % 4 < 2) {
          const since = performance.now();
          await poll(
            () => (clients.every((one) => one.connected) ? true : undefined),
            () => `not all came back: ${target.log().slice(-2000)}`,
            60_000,
          );
          back.push((performance.now() - since) / 1000);
        }
        await pause(200 + dice() * 1500);
        const what = n % 2 === 0 ? 'all' : 'worker';
        const began = performance.now();
        await target.kill(what);
        if (what === 'all' || standIn) await target.start();
        else await target.ready();
        down[what] += (performance.now() - began) / 1000;
      }
      talking = false;
      await Promise.all(talks);
      await poll(
        () => {
          for (const one of clients) one.requestAck();
          return clients.every((one) => one.connected && one.unacked === 0) ? true : undefined;
        },
        () =>
          `not all is acknowledged: ${clients.map((one) => `${one.user}:${one.unacked}`).join(' ')}\n${target.log().slice(-3000)}`,
        60_000,
      );
      const total = [...sent.values()].reduce((sum, one) => sum + one.length, 0);
      const resumed = clients.reduce((sum, one) => sum + one.resumed, 0);
      t.diagnostic(`${total} messages, ${kills} kills, ${resumed} resumptions`);
      t.diagnostic(`seconds from there until all were back: ${back.map((one) => one.toFixed(1)).join(' ')}`);
      const each = (sum: number): string => (sum / Math.max(1, kills / 2)).toFixed(2);
      t.diagnostic(
        `seconds until ready: ${each(down.all)} after all was killed, ${each(down.worker)} after the worker`,
      );
      assert.deepEqual(
        clients.flatMap((one) => one.refusals),
        [],
        'every session could be resumed',
      );
    });

    void it(
      'has every acknowledged message in both archives, once, in order',
      { timeout: 120_000 },
      async () => {
        for (const one of clients) {
          const actor = await Actor.login(target, { user: one.user, resource: 'reader' });
          archives.set(one.bare, await archive(actor));
          await actor.close();
        }
        for (const one of clients) {
          const own = archives.get(one.bare)!.filter((kept) => of(kept.from, one));
          assert.deepEqual(
            own.map((kept) => kept.body),
            sent.get(one.bare),
            `what ${one.user} said, in its own archive`,
          );
          for (const peer of clients) {
            if (peer === one) continue;
            const wanted = own.filter((kept) => of(kept.to, peer)).map((kept) => kept.body);
            const there = archives
              .get(peer.bare)!
              .filter((kept) => of(kept.from, one))
              .map((kept) => kept.body);
            assert.deepEqual(
              there,
              wanted,
              `what ${one.user} said to ${peer.user}, in the archive of ${peer.user}`,
            );
          }
        }
      },
    );

    void it('delivered each at least once, and never under two ids', () => {
      for (const one of clients) {
        const heard = new Map<string, Set<string>>();
        for (const { body, stanzaId } of one.heard)
          heard.set(body, (heard.get(body) ?? new Set()).add(stanzaId));
        for (const kept of archives.get(one.bare) ?? []) {
          if (of(kept.from, one)) continue;
          assert.deepEqual([...(heard.get(kept.body) ?? [])], [kept.id], `'${kept.body}' at ${one.user}`);
        }
      }
    });

    void it("left nobody's contact list at odds with the other side's", { timeout: 60_000 }, async () => {
      const lists = new Map<string, Map<string, string>>();
      const asked: string[] = [];
      for (const one of clients) {
        const items = await roster(target, { user: one.user, resource: 'list' });
        lists.set(
          one.bare,
          new Map(items.map((item) => [attr(item, 'jid') ?? '', attr(item, 'subscription') ?? 'none'])),
        );
        for (const item of items)
          if (attr(item, 'ask')) asked.push(`${one.user} waits for ${attr(item, 'jid')}`);
      }
      assert.deepEqual(asked, [], 'every request was answered');
      const mirror: Record<string, string> = { none: 'none', to: 'from', from: 'to', both: 'both' };
      for (const one of clients)
        for (const peer of clients) {
          if (one === peer) continue;
          const here = lists.get(one.bare)!.get(peer.bare) ?? 'none';
          const there = lists.get(peer.bare)!.get(one.bare) ?? 'none';
          assert.equal(there, mirror[here], `${one.user} has ${peer.user} as '${here}'`);
        }
    });
  },
);

/** True where the address is one of this client's: `kill1` is not `kill10`. */
function of(address: string, one: Loyal): boolean {
  return address.split('/')[0] === one.bare;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
