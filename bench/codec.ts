import { decodePacket, encodePacket } from '../src/link/codec.ts';
import type { Packet, Returned } from '../src/mesh/mesh.ts';
import { parseStored } from '../src/xmpp/parser.ts';

/**
 * CPU per frame to code and decode what crosses between processes, in packets of eight: `node bench/codec.ts`.
 * Each message crosses a wire three to six times.
 */
const text =
  '<message to="bob@example.org" type="chat" id="m-4711" xml:lang="en" from="alice@example.org/desk"><body>Are you coming to the meeting at ten? I&apos;ll bring the &quot;figures&quot;.</body><active xmlns="http://jabber.org/protocol/chatstates"/><request xmlns="urn:xmpp:receipts"/><origin-id xmlns="urn:xmpp:sid:0" id="m-4711"/></message>';
const head = { partition: 3, epoch: 17 };
const make: Record<string, (i: number) => Returned> = {
  stanza: (i) => ({
    service: 'account',
    frame: {
      t: 'stanza',
      ...head,
      session: 4_503_599_627_371_520 + i,
      generation: 1,
      n: i,
      stanza: parseStored(text),
    },
  }),
  out: (i) => ({
    service: 'mux',
    frame: {
      t: 'out',
      ...head,
      session: 4_503_599_627_371_520,
      m: i,
      text,
      feed: 'a',
      pos: 1.7e15 + i,
      answers: 0,
    },
  }),
  letter: (i) => ({
    service: 'post',
    frame: {
      t: 'letter',
      ...head,
      letter: {
        partition: 3,
        account: 4_503_599_627_370_500,
        sender: 'alice@example.org',
        id: 1.7e15 + i,
        to: 'bob@example.org',
        recipient: 'bob@example.org',
        source: 4_503_599_627_371_520,
        n: i,
        k: 0,
        kind: 1,
        created: 1.7e12,
        xml: text,
      },
    },
  }),
  accepted: (i) => ({
    service: 'mux',
    frame: { t: 'accepted', ...head, session: 4_503_599_627_371_520, n: i },
  }),
};

const rounds = 4000;
for (const [name, one] of Object.entries(make)) {
  for (const round of [1, 2, 3]) {
    const packets: Packet[] = Array.from({ length: rounds }, (_, i) => ({
      channel: 1,
      first: i * 8 + 1,
      frames: Array.from({ length: 8 }, (_unused, k) => one(i * 8 + k)),
      heard: 1,
      received: i,
    }));
    const begin = process.cpuUsage();
    const texts = packets.map((packet) => encodePacket(packet));
    const encoded = process.cpuUsage(begin);
    const middle = process.cpuUsage();
    for (const packet of texts) decodePacket(packet);
    const decoded = process.cpuUsage(middle);
    const per = ({ user, system }: NodeJS.CpuUsage) => ((user + system) / rounds / 8).toFixed(2);
    if (round === 3)
      console.log(
        `${name.padEnd(9)} encode ${per(encoded)} µs, decode ${per(decoded)} µs, ${Math.round(texts[0]!.length / 8)} bytes a frame`,
      );
  }
}
