import { fixed } from '../base/fixed.ts';

/** One record of a CSV text, or why it is none. `line` is where it begins, from 1. */
export type Row =
  | { readonly line: number; readonly fields: readonly string[] }
  | { readonly line: number; readonly problem: string };

/** The longest record in characters; addresses have at most 3071 bytes (RFC 7622 §3.1). */
const longest = fixed.importLine.value;

/**
 * Reads RFC 4180 from a stream of any length in bounded memory: fields in quotes may hold commas, line breaks and
 * doubled quotes. Lines may end in LF alone. Empty lines are left out. A broken record costs itself only: reading
 * goes on with the next line.
 */
export async function* readCsv(source: AsyncIterable<Uint8Array>): AsyncGenerator<Row> {
  const decoder = new TextDecoder('utf-8');
  const parser = new Parser();
  for await (const chunk of source) yield* parser.take(decoder.decode(chunk, { stream: true }));
  yield* parser.take(decoder.decode());
  yield* parser.end();
}

/** Where in a record the next character stands. `skip`: the record is broken; wait for the end of the line. */
type State = 'start' | 'plain' | 'quoted' | 'closing' | 'skip';

class Parser {
  #state: State = 'start';
  #fields: string[] = [];
  #field = '';
  #length = 0;
  /** The line that the next character is on, and the one where its record began. */
  #line = 1;
  #began = 1;

  *take(text: string): Generator<Row> {
    for (const char of text) {
      const row = this.#next(char);
      if (char === '\n') this.#line++;
      if (char === '\n' && this.#state === 'start' && this.#fields.length === 0) this.#began = this.#line;
      if (row !== undefined) yield row;
    }
  }

  *end(): Generator<Row> {
    if (this.#state === 'quoted') yield this.#broken('a quoted field is not closed');
    else {
      const row = this.#next('\n');
      if (row !== undefined) yield row;
    }
  }

  #next(char: string): Row | undefined {
    if (this.#state === 'skip') {
      if (char === '\n') this.#reset();
      return undefined;
    }
    if (++this.#length > longest) return this.#fail('the line is too long', char);
    if (this.#state === 'quoted') {
      if (char === '"') this.#state = 'closing';
      else this.#field += char;
      return undefined;
    }
    if (char === '\n') return this.#record();
    if (char === ',') return this.#comma();
    if (char === '"') return this.#quote(char);
    if (this.#state === 'closing' && char === '\r') return undefined;
    if (this.#state === 'closing') return this.#fail('text behind a closing quote', char);
    if (this.#state === 'start') this.#state = 'plain';
    this.#field += char;
    return undefined;
  }

  #comma(): undefined {
    this.#fields.push(this.#field);
    this.#field = '';
    this.#state = 'start';
  }

  #quote(char: string): Row | undefined {
    if (this.#state === 'plain')
      return this.#fail('a quote inside a field that does not begin with one', char);
    if (this.#state === 'closing') this.#field += '"'; // a doubled quote stands for one (RFC 4180 §2.7)
    this.#state = 'quoted';
    return undefined;
  }

  #record(): Row | undefined {
    const bare =
      this.#state === 'plain' && this.#field.endsWith('\r') ? this.#field.slice(0, -1) : this.#field;
    const fields = [...this.#fields, bare];
    const line = this.#began;
    this.#reset();
    if (fields.length === 1 && fields[0] === '') return undefined;
    return { line, fields };
  }

  #fail(problem: string, char: string): Row {
    const row = this.#broken(problem);
    if (char !== '\n') this.#state = 'skip';
    return row;
  }

  #broken(problem: string): Row {
    const row = { line: this.#began, problem };
    this.#reset();
    return row;
  }

  #reset(): void {
    this.#state = 'start';
    this.#fields = [];
    this.#field = '';
    this.#length = 0;
  }
}
