import * as ltx from 'ltx';
import { SaxesParser } from 'saxes';
import { openParser, members } from '../src/xmpp/parser.ts';
import { serialise } from '../src/xmpp/serialise.ts';
import { el } from '../src/xmpp/element.ts';
import type { Element } from '../src/xmpp/element.ts';
import { NS } from '../src/xmpp/namespaces.ts';

/**
 * CPU time per chat stanza: our parser (bytes to checked elements), bare saxes (events thrown away, text to
 * nothing) and ltx (bytes to its elements, not strict), in turns in one process. Prints microseconds and ratios.
 * `node bench/parser.ts [stanzas per round]`
 */

const header =
  `<?xml version='1.0'?><stream:stream to='example.org' version='1.0' xml:lang='en' xmlns='${NS.client}' ` +
  `xmlns:stream='${NS.stream}'>`;
const stanza =
  `<message to='juliet@example.org/balcony-4f1c' from='romeo@example.org/orchard-92ab' id='5f0e6a1c-77b3' ` +
  `type='chat' xml:lang='en'><body>Wherefore art thou, and where shall we meet tonight?</body>` +
  `<active xmlns='${NS.chatstates}'/><request xmlns='${NS.receipts}'/><origin-id xmlns='${NS.sid}' id='5f0e6a1c-77b3'/></message>`;

const count = Number(process.argv[2] ?? 50_000);
const bytes = Buffer.from(stanza);
let sink = 0;

function ours(): void {
  const parser = openParser(
    { open() {}, stanza: (element) => (sink += element.children.length), close() {}, error: fail },
    members,
  );
  parser.write(Buffer.from(header));
  for (let n = 0; n < count; n++) parser.write(bytes);
}

function saxes(): void {
  const parser = new SaxesParser({ xmlns: true, position: false });
  parser.on('opentag', (tag) => (sink += tag.local.length));
  parser.on('closetag', () => {});
  parser.on('text', (text) => (sink += text.length));
  parser.on('error', fail);
  parser.write(header);
  for (let n = 0; n < count; n++) parser.write(bytes.toString());
}

function lax(): void {
  const parser = new ltx.Parser();
  parser.on('element', (element: { children: unknown[] }) => (sink += element.children.length));
  parser.on('error', fail);
  parser.write(header);
  for (let n = 0; n < count; n++) parser.write(bytes.toString());
}

function text(): void {
  for (let n = 0; n < count; n++) sink += serialise(sample).length;
}

const sample: Element = el(
  'message',
  NS.client,
  {
    to: 'juliet@example.org/balcony-4f1c',
    from: 'romeo@example.org/orchard-92ab',
    id: '5f0e6a1c-77b3',
    type: 'chat',
    'xml:lang': 'en',
  },
  [
    el('body', NS.client, {}, ['Wherefore art thou, and where shall we meet tonight?']),
    el('active', NS.chatstates),
    el('request', NS.receipts),
    el('origin-id', NS.sid, { id: '5f0e6a1c-77b3' }),
  ],
);

function fail(error: Error): never {
  throw error;
}

/** Microseconds of CPU a stanza. */
function measure(run: () => void): number {
  const before = process.cpuUsage();
  run();
  const used = process.cpuUsage(before);
  return (used.user + used.system) / count;
}

const contestants = { parser: ours, saxes, ltx: lax, serialise: text };
const best: Record<string, number> = {};
for (let round = 0; round < 6; round++)
  for (const [name, run] of Object.entries(contestants))
    best[name] = Math.min(best[name] ?? Infinity, measure(run));

console.log(`${bytes.length} bytes a stanza, ${count} stanzas a round, best of 6`);
for (const [name, micros] of Object.entries(best))
  console.log(`${name.padEnd(10)} ${micros.toFixed(2)} µs   ${(micros / best['saxes']!).toFixed(2)} × saxes`);
if (sink === 0) throw new Error('nothing was parsed');
