import type { Value } from './store.ts';

/**
 * The few messages of PostgreSQL's extended protocol (its documentation, "Message Formats") that a batch is made of,
 * written one behind the other into one buffer. Numbers go as text: the server knows the column's type, we do not.
 */
export class Wire {
  #buffer: Buffer;
  #end = 0;

  constructor(size = 16_384) {
    this.#buffer = Buffer.allocUnsafe(size);
  }

  /** What was written so far; nothing may be written after it. */
  take(): Buffer {
    return this.#buffer.subarray(0, this.#end);
  }

  /** Parse: prepares a text under a name. */
  parse(name: string, text: string): this {
    const start = this.#begin(0x50);
    this.#zero(name);
    this.#zero(text);
    this.#int16(0);
    return this.#close(start);
  }

  /** Bind and Execute: runs a prepared statement with the parameters from..to. */
  run(name: string, params: readonly Value[], from = 0, to = params.length): this {
    const start = this.#begin(0x42);
    this.#room(name.length + 8 + 2 * (to - from));
    this.#buffer[this.#end++] = 0;
    this.#zero(name);
    this.#formats(params, from, to);
    this.#int16(to - from);
    for (let index = from; index < to; index++) this.#value(params[index]!);
    this.#int16(0);
    this.#close(start);
    this.#room(execute.length);
    this.#end += execute.copy(this.#buffer, this.#end);
    return this;
  }

  /** Ends the flight: the server commits what ran, or rolls all of it back where something failed. */
  sync(): this {
    return this.#close(this.#begin(0x53));
  }

  #begin(code: number): number {
    this.#room(16);
    this.#buffer[this.#end] = code;
    this.#end += 5;
    return this.#end - 4;
  }

  #close(start: number): this {
    this.#buffer.writeInt32BE(this.#end - start, start);
    return this;
  }

  /** One code for each parameter where bytes are among them, else none: all are text. */
  #formats(params: readonly Value[], from: number, to: number): void {
    let binary = false;
    for (let index = from; index < to; index++) binary ||= params[index] instanceof Uint8Array;
    this.#int16(binary ? to - from : 0);
    if (!binary) return;
    for (let index = from; index < to; index++) this.#int16(params[index] instanceof Uint8Array ? 1 : 0);
  }

  #value(value: Value): void {
    this.#room(4);
    const start = this.#end;
    this.#end += 4;
    if (value === null) this.#buffer.writeInt32BE(-1, start);
    else {
      if (typeof value === 'object') {
        this.#room(value.length);
        this.#buffer.set(value, this.#end);
        this.#end += value.length;
      } else if (typeof value === 'number') {
        const text = String(value);
        this.#room(text.length);
        this.#end += this.#buffer.write(text, this.#end, 'latin1');
      } else {
        // A character is at most three bytes for each of its UTF-16 units.
        this.#room(value.length * 3);
        this.#end += this.#buffer.write(value, this.#end, 'utf8');
      }
      this.#buffer.writeInt32BE(this.#end - start - 4, start);
    }
  }

  #zero(text: string): void {
    this.#room(text.length * 3 + 1);
    this.#end += this.#buffer.write(text, this.#end, 'utf8');
    this.#buffer[this.#end++] = 0;
  }

  #int16(value: number): void {
    this.#room(2);
    this.#end = this.#buffer.writeInt16BE(value, this.#end);
  }

  #room(more: number): void {
    if (this.#end + more <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.#end + more));
    this.#buffer.copy(larger, 0, 0, this.#end);
    this.#buffer = larger;
  }
}

/** Execute of the unnamed portal, without a limit of rows. */
const execute = Buffer.from([0x45, 0, 0, 0, 9, 0, 0, 0, 0, 0]);
