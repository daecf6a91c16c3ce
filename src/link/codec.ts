import type { Packet, Returned } from '../mesh/mesh.ts';
import { Element } from '../xmpp/element.ts';
import { parseStored } from '../xmpp/parser.ts';
import { textOf } from '../xmpp/serialise.ts';

/**
 * Packets as bytes, for wires that leave the process and for the simulation: JSON, in which a stanza is its XML text and
 * bytes are base64. A receiver parses stanzas anew, so that nothing but values crosses.
 */
export function encodePacket(packet: Packet): string {
  return JSON.stringify({ ...packet, frames: packet.frames.map(encodeFrame) });
}

export function decodePacket(text: string): Packet {
  const packet = JSON.parse(text) as Packet & { frames: readonly Returned[] };
  return {
    ...packet,
    frames: packet.frames.map(({ service, frame }) => ({ service, frame: revive(frame) as object })),
  };
}

function encodeFrame({ service, frame }: Returned): Returned {
  return { service, frame: replace(frame) as object };
}

/** Marks for the two kinds of value that JSON does not have. */
const stanza = '$stanza';
const bytes = '$bytes';

function replace(value: unknown): unknown {
  if (value instanceof Element) return { [stanza]: textOf(value) };
  if (value instanceof Uint8Array) return { [bytes]: Buffer.from(value).toString('base64') };
  if (Array.isArray(value)) return value.map(replace);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, held]) => [key, replace(held)]));
}

function revive(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(revive);
  if (typeof value !== 'object' || value === null) return value;
  const held = value as Record<string, unknown>;
  if (typeof held[stanza] === 'string') return parseStored(held[stanza]);
  if (typeof held[bytes] === 'string') return new Uint8Array(Buffer.from(held[bytes], 'base64'));
  return Object.fromEntries(Object.entries(held).map(([key, inner]) => [key, revive(inner)]));
}
