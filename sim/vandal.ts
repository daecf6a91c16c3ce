import { NS } from '../src/xmpp/namespaces.ts';
import { connect } from './wire.ts';
import { domain, type World } from './world.ts';

const open = `<open xmlns="${NS.framing}" to="${domain}" version="1.0"/>`;

/** Texts that no client should send. */
const rubbish: readonly (readonly string[])[] = [
  ['<'],
  ['\u0000\uffff'],
  [open, '<iq'],
  [open, `<auth xmlns="${NS.sasl}" mechanism="SCRAM-SHA-256">====</auth>`],
  [
    open,
    `<auth xmlns="${NS.sasl}" mechanism="SCRAM-SHA-256">biwsbj11c2VyMSxyPXg=</auth>`,
    `<abort xmlns="${NS.sasl}"/>`,
  ],
  [open, `<resume xmlns="${NS.sm}" previd="1-aaaaaaaaaaaaaaaaaaaa" h="4294967295"/>`],
  [open, `<message xmlns="${NS.client}" to="user1@${domain}"><body>x</body></message>`],
  ['<!DOCTYPE x [<!ENTITY y "z">]><x>&y;</x>'],
  [open, open, open],
];

/** Somebody who says what no client should (invariant 11): at worst that connection ends. */
export class Vandal {
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  come(): void {
    const { random, scheduler } = this.#world;
    const muxes = [...this.#world.muxes.values()].filter(({ life }) => life.alive);
    if (muxes.length === 0) return;
    const mux = random.pick(muxes);
    const nothing = { frame: () => {}, closed: () => {} };
    const clock = scheduler.clock();
    const line = connect(clock, random, mux, (transport) => mux.mux.accept(transport, true), nothing);
    for (const text of random.pick(rubbish)) line.send(text);
    clock.after(random.int(5_000), () => line.cut());
  }
}
