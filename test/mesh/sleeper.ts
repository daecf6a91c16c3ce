import { systemClock as clock } from '../../src/base/clock.ts';
import { quiet as log } from '../../src/base/log.ts';
import { systemRandom as random } from '../../src/base/random.ts';
import { codec } from '../../src/link/codec.ts';
import { openMesh } from '../../src/mesh/channel.ts';
import { openNatsWire } from '../../src/mesh/nats.ts';

/** A process of its own for `frozen.test.ts`: tells its parent whom it sees come and go, and echoes. */
const [, , url = ''] = process.argv;
const self = { peer: 'sleeper/1', roles: ['accounts'], health: undefined };
const mesh = openMesh(await openNatsWire({ url, self, codec, clock, random, log }), { clock, log });
mesh.onPeer((peer, state) => process.send!(`${peer} ${state}`));
mesh.serve('post', (from, frame) => mesh.send(from, 'post', frame));
process.once('disconnect', () => void mesh.close());
