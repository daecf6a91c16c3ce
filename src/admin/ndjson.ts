import { Failure } from '../base/failure.ts';
import { fixed } from '../base/fixed.ts';

/** Escapes of JSON make up to six characters of one. */
const longest = fixed.transferPiece.value * 6 + 4096;

/** Objects, one a line, of a stream of any length in bounded memory. Throws Failure `bad-request`. */
export async function* readLines(source: AsyncIterable<Uint8Array>): AsyncGenerator<unknown> {
  const decoder = new TextDecoder('utf-8');
  let rest = '';
  for await (const bytes of source) {
    rest += decoder.decode(bytes, { stream: true });
    let from = 0;
    for (let at = rest.indexOf('\n'); at !== -1; at = rest.indexOf('\n', from)) {
      if (at > from) yield parse(rest.slice(from, at));
      from = at + 1;
    }
    rest = rest.slice(from);
    if (rest.length > longest) throw new Failure('bad-request', 'a line is too long');
  }
  rest += decoder.decode();
  if (rest !== '') yield parse(rest);
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line) as unknown;
  } catch (error) {
    throw new Failure('bad-request', 'a line is no JSON', error);
  }
}

/** The same the other way. */
export async function* writeLines(values: AsyncIterable<unknown>): AsyncGenerator<string> {
  for await (const value of values) yield `${JSON.stringify(value)}\n`;
}
