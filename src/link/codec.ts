import { speakers, type Codec, type Packet, type Returned, type Service } from '../mesh/mesh.ts';
import { pack, unpack, Unfit } from './values.ts';

/**
 * Packets as text, for wires that leave the process and for the simulation: a JSON array
 * `[version, channel, first, heard, received, [service, frame], …]`, so that a frame is coded once however often it is
 * sent. What stands in a frame is the matter of values.ts; nothing but values crosses.
 *
 * What does not parse, is of a version that we do not understand or is not of this shape is no packet at all: a receiver
 * drops it whole.
 */

/** The version that this program writes, and the oldest that it reads: that of the release before. */
const versions = { oldest: 1, newest: 1 } as const;

/** A frame that its sender could not code or that no engine carries: it keeps its number and means nothing. */
const hole = '0';

/** The text of a frame, for `joinPacket`; undefined where it holds what cannot be coded (values.ts says what). */
function encodeFrame({ service, frame }: Returned): string | undefined {
  try {
    const value = pack(frame, integral(service));
    return `["${service}",${JSON.stringify(value)}]`;
  } catch (error) {
    if (error instanceof Unfit) return undefined;
    throw error;
  }
}

/** The packet that carries these frames, which are coded already. */
function joinPacket(packet: Omit<Packet, 'frames'>, frames: readonly string[]): string {
  const { channel, first, heard, received } = packet;
  const head = `[${versions.newest},${channel},${first},${heard},${received}`;
  return frames.length === 0 ? `${head}]` : `${head},${frames.join(',')}]`;
}

/** What a wire is given. */
export const codec: Codec = { versions, hole, frame: encodeFrame, join: joinPacket, decode: decodePacket };

export function encodePacket(packet: Packet): string {
  return joinPacket(
    packet,
    packet.frames.map((frame) => (frame && encodeFrame(frame)) ?? hole),
  );
}

/** undefined where it is not a packet. Never throws. */
export function decodePacket(data: string | Uint8Array): Packet | undefined {
  try {
    const text = typeof data === 'string' ? data : view(data).toString('utf8');
    const held: unknown = JSON.parse(text);
    if (!Array.isArray(held) || held.length < 5) return undefined;
    const [version, channel, first, heard, received] = held as unknown[];
    if (!count(version) || version < versions.oldest || version > versions.newest) return undefined;
    if (!count(channel) || !count(first) || !count(heard)) return undefined;
    if (received !== -1 && !count(received)) return undefined;
    // Only an escape brings a character that XML forbids into the text of a stanza: without one nobody need look.
    const strict = escaped.test(text);
    const frames: (Returned | undefined)[] = [];
    for (let i = 5; i < held.length; i++) frames.push(frameOf(held[i], strict));
    return { channel, first, frames, heard, received };
  } catch {
    return undefined;
  }
}

const escaped = /\\[ubf]|[\ufffe\uffff]/;

function view(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function count(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function frameOf(held: unknown, strict: boolean): Returned | undefined {
  if (held === 0) return undefined;
  if (!Array.isArray(held) || held.length !== 2) throw new Unfit('not a frame');
  const [service, value] = held as unknown[];
  if (typeof service !== 'string' || !Object.hasOwn(speakers, service)) throw new Unfit('no such service');
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Unfit('not an object');
  if (typeof (value as { t?: unknown }).t !== 'string') throw new Unfit('a frame of no kind');
  const frame = unpack(value, integral(service as Service), strict);
  return { service: service as Service, frame };
}

/** Between mux, owner and post every number counts or names something; an administrator may also be told a ratio. */
function integral(service: Service): boolean {
  return (
    service === 'mux' ||
    service === 'account' ||
    service === 'post' ||
    service === 'hall' ||
    service === 'room'
  );
}
