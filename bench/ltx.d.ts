/** The part of ltx that the parser bench uses. */
declare module 'ltx' {
  export class Parser {
    on(event: 'element', run: (element: { children: unknown[] }) => void): void;
    on(event: 'error', run: (error: Error) => void): void;
    write(text: string): void;
  }
}
