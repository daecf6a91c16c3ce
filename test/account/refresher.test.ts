import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Refresher } from '../../src/account/refresher.ts';
import type { Session } from '../../src/account/session.ts';
import { fixed } from '../../src/base/fixed.ts';
import { TestClock } from '../mux/rig.ts';
import { Rig, type Client } from './rig.ts';

const step = 50;
const time = fixed.refreshTime.value;

/** A clock on which work takes time. */
class BusyClock extends TestClock {
  spent = 0;
  override mono(): number {
    return super.mono() + this.spent;
  }
}

describe('the sessions of a server that takes over', () => {
  let rig: Rig;
  let client: Client;
  before(async () => {
    rig = await Rig.open();
    client = await rig.login('alice', 'phone');
  });
  after(() => rig.close());

  /** How many have their turn in each step, where each costs `cost` ms; until all have had it, or `most` ms. */
  function turns(count: number, cost: number, most: number): number[] {
    const clock = new BusyClock();
    const refresher = new Refresher(clock);
    for (let n = 0; n < fixed.refreshBurst.value; n++) refresher.refresh(client.session);
    let looks = 0;
    const mailbox = {
      run: () => {
        looks += 1;
        clock.spent += cost;
      },
    };
    for (let n = 0; n < count; n++) refresher.refresh({ account: { mailbox } } as unknown as Session);
    assert.equal(looks, 0, 'the first ones did not wait, the others do');
    const each: number[] = [];
    for (let ms = 0; looks < count && ms < most; ms += step) {
      const seen = looks;
      clock.run(step);
      each.push(looks - seen);
    }
    refresher.close();
    return each;
  }

  it('have their turn in time, evenly', () => {
    const each = turns(10_000, 0, time * 2);
    assert.ok(each.length * step <= time + 500, `${each.length} steps`);
    assert.ok(Math.max(...each) <= 1.01 * 10_000 * (step / time), `${Math.max(...each)} in one step`);
  });

  it('leave half of the time to others, where they would need more', () => {
    const each = turns(10_000, 2, time);
    const late = each.slice(each.length / 2);
    // 2 ms each: 25 of them are half of a step's time.
    assert.ok(Math.max(...late) <= 50, `${Math.max(...late)} in one step`);
    assert.ok(late.reduce((sum, n) => sum + n, 0) / late.length >= 15);
  });
});
