import { Actor } from '../e2e/actor.ts';
import { archive, type Kept } from '../e2e/archive.ts';
import type { Doors } from '../e2e/loyal.ts';
import type { Target } from '../e2e/server.ts';
import { reader, type Load } from './load.ts';

/** Every acknowledged message of the load's books is in both archives, once, in order. Returns what is not so. */
export async function compare(doors: Doors, load: Load): Promise<string[]> {
  const archives = new Map<string, Kept[]>();
  for (const { user, bare } of load.clients) {
    const target = { domain: doors.domain, ports: { xmpp: doors.port() } } as Target;
    const actor = await Actor.login(target, { user, resource: reader });
    const kept = await archive(actor, undefined, load.read.get(bare));
    archives.set(bare, kept);
    if (kept.length > 0) load.read.set(bare, kept.at(-1)!.id);
    await actor.close();
  }
  const bareOf = (address: string) => address.split('/')[0]!;
  const wrong: string[] = [];
  const same = (what: string, have: readonly string[], want: readonly string[]) => {
    const at = want.findIndex((body, n) => body !== have[n]);
    if (at >= 0 || have.length > want.length)
      wrong.push(
        `${what}: ${have.length} of ${want.length} messages, other at ${at < 0 ? want.length : at}:` +
          ` '${have[at] ?? have[want.length]}' instead of '${want[at]}'`,
      );
  };
  for (const { bare } of load.clients) {
    const said = load.said.get(bare)!;
    const own = archives.get(bare)!.filter(({ from }) => bareOf(from) === bare);
    same(
      `archive of ${bare}, said`,
      own.map(({ body }) => body),
      said.map(({ body }) => body),
    );
    for (const peer of load.clients)
      if (peer.bare !== bare)
        same(
          `archive of ${peer.bare}, heard from ${bare}`,
          archives
            .get(peer.bare)!
            .filter(({ from }) => bareOf(from) === bare)
            .map(({ body }) => body),
          said.filter(({ to }) => to === peer.bare).map(({ body }) => body),
        );
  }
  return wrong;
}
