import { Item } from '../../src/account/item.ts';
import { change, loaded } from '../../src/account/roster.ts';
import { Work } from '../../src/account/work.ts';
import type { Rig } from './rig.ts';

/** Sets what `local` holds of a contact. */
export async function subscribe(
  rig: Rig,
  local: string,
  contact: string,
  subscription: 'none' | 'to' | 'from' | 'both',
): Promise<void> {
  const account = await rig.account(local);
  await loaded(account);
  const work = new Work(account);
  change(work, account, Item.unknown(contact).with({ subscription }));
  work.commit();
  await rig.still();
}

/** Two people of the partition see each other's presence. */
export async function befriend(rig: Rig, one: string, other: string): Promise<void> {
  await subscribe(rig, one, `${other}@example.org`, 'both');
  await subscribe(rig, other, `${one}@example.org`, 'both');
}
