import { refuse } from './sasl.ts';
import type { Exchange } from './sasl.ts';

/**
 * ANONYMOUS (RFC 4505): whoever asks is let in, as `username`, which nobody had before. What the client says in its only
 * message is for tracing (XEP-0175 §3: for nothing else), and nobody traces here.
 */
export function openAnonymous(username: string): Exchange {
  let done = false;
  return {
    step() {
      if (done) return refuse('malformed-request');
      done = true;
      return { kind: 'success', username };
    },
  };
}
