import { Failure } from '../base/failure.ts';
import type { Definition, Packet, Reply } from './packet.ts';
import type { Core, Rows } from './sqlite.ts';
import type { Fence, Value } from './store.ts';
import { claim, openLane, reserveIds, resolve } from './volume.ts';

/** What the main thread asks of a thread. The answer to the n-th call of a message is the n-th of its reply. */
export type Call =
  | { readonly ask: 'commit'; readonly packet: Packet }
  | {
      readonly ask: 'query';
      readonly fresh: readonly Definition[];
      readonly number: number;
      readonly params: readonly Value[];
    }
  | { readonly ask: 'resolve'; readonly lane: number; readonly seq: number }
  | { readonly ask: 'lane' }
  | { readonly ask: 'ids'; readonly count: number }
  | { readonly ask: 'claim'; readonly name: string };

/** What it answers; a failure comes back as its code and text. */
export interface Answers {
  commit: Reply;
  query: Rows;
  resolve: { committed: boolean; seq: number };
  lane: { lane: number; seq: number };
  ids: number;
  claim: Fence;
}
export type Answer = { readonly value: unknown } | { readonly code: string; readonly text: string };

/** Answers one call. The simulation's store model calls it as the threads do. */
export function serve(core: Core, call: Call): Answer {
  try {
    return { value: answer(core, call) };
  } catch (error) {
    if (error instanceof Failure) return { code: error.code, text: error.message };
    return { code: 'store-unavailable', text: error instanceof Error ? error.message : String(error) };
  }
}

function answer(core: Core, call: Call): Answers[Call['ask']] {
  switch (call.ask) {
    case 'commit':
      return core.commit(call.packet);
    case 'query':
      core.define(call.fresh);
      return core.query(call.number, call.params);
    case 'resolve':
      return resolve(core, call.lane, call.seq);
    case 'lane':
      return openLane(core);
    case 'ids':
      return reserveIds(core, call.count);
    case 'claim':
      return claim(core, call.name);
  }
}
