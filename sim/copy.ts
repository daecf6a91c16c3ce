import { decodePacket, encodePacket } from '../src/link/codec.ts';
import type { Packet, Returned, Service } from '../src/mesh/mesh.ts';
import { Element, type Attrs } from '../src/xmpp/element.ts';

/** Every so manyth packet goes through the codec's text, which costs a multiple of what happens to the packet otherwise. */
const spelled = 16;

/** What lies between processes of one simulation. */
export interface Copier {
  /**
   * A packet as it comes out of a wire that leaves the process: nothing is shared, what is undefined is gone, and a
   * frame that cannot be coded is a hole.
   */
  copy(packet: Packet): Packet;
}

export function openCopier(): Copier {
  let count = 0;
  return {
    copy(packet) {
      if (++count % spelled === 0) return decodePacket(encodePacket(packet)) ?? { ...packet, frames: [] };
      const frames = packet.frames.map((held) => held && frameOf(held));
      return { ...packet, frames };
    },
  };
}

function frameOf({ service, frame }: Returned): Returned | undefined {
  try {
    return { service, frame: object(frame as Record<string, unknown>, whole.has(service)) };
  } catch (error) {
    if (error instanceof Unfit) return undefined;
    throw error;
  }
}

/** It cannot be coded. */
class Unfit extends Error {}

/** Services to which every number counts or names something. */
const whole: ReadonlySet<Service> = new Set(['mux', 'account', 'post', 'hall', 'room']);

function object(value: Record<string, unknown>, integral: boolean): object {
  const copy: Record<string, unknown> = {};
  for (const key in value) {
    const held = value[key];
    if (held !== undefined) copy[key] = copied(held, integral);
  }
  return copy;
}

function copied(value: unknown, integral: boolean): unknown {
  if (typeof value === 'string' || typeof value === 'boolean' || value === null) return value;
  if (typeof value === 'number') {
    if (integral ? !Number.isSafeInteger(value) : !Number.isFinite(value)) throw new Unfit();
    return value;
  }
  if (typeof value !== 'object') throw new Unfit();
  if (value instanceof Element) return element(value);
  if (Array.isArray(value))
    return value.map((held: unknown) => (held === undefined ? null : copied(held, integral)));
  if (value instanceof Uint8Array) return new Uint8Array(value);
  if (value instanceof Map || value instanceof Set || value instanceof Date) throw new Unfit();
  return object(value as Record<string, unknown>, integral);
}

function element({ name, ns, attrs, children }: Element): Element {
  const copy: Attrs = {};
  for (const key in attrs) {
    const value = attrs[key];
    if (value !== undefined) copy[key] = value;
  }
  if (children.length === 0) return new Element(name, ns, copy);
  return new Element(
    name,
    ns,
    copy,
    children.map((node) => (typeof node === 'string' ? node : element(node))),
  );
}
