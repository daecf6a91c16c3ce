import { openParser } from '../../src/xmpp/parser.ts';
import type { Limits, Parser } from '../../src/xmpp/parser.ts';
import { serialise } from '../../src/xmpp/serialise.ts';

/** A parser whose events become lines: `open …`, `stanza <text> <bytes>`, `close`, `error <condition>`. */
export function record(
  limits?: Limits,
  on: (line: string, parser: Parser) => void = () => {},
): { parser: Parser; lines: string[]; write: (input: string | Uint8Array) => number } {
  const lines: string[] = [];
  const say = (line: string): void => {
    lines.push(line);
    on(line, parser);
  };
  const parser: Parser = openParser(
    {
      open: (header, content) => say(`open ${serialise(header)} ${content}`),
      stanza: (element, bytes) => say(`stanza ${serialise(element)} ${bytes}`),
      close: () => say('close'),
      error: (error) => say(`error ${error.condition}`),
    },
    limits,
  );
  return { parser, lines, write: (input) => parser.write(Buffer.from(input)) };
}

export const header =
  "<?xml version='1.0'?><stream:stream to='example.org' version='1.0' xml:lang='en' " +
  "xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>";
