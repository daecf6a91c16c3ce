import { readFileSync } from 'node:fs';
import { relative, resolve } from 'node:path';
import { isMap, isNode, LineCounter, parse, parseDocument, stringify, type Document } from 'yaml';
import { Failure } from './failure.ts';

/** A mapping of a YAML document as a plain object. */
export interface Tree {
  readonly [key: string]: unknown;
}

export function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A YAML file that was read, with the place of everything in it. */
export interface Written {
  /** As the user named it, or relative to the working directory where that is shorter. */
  readonly name: string;
  readonly value: unknown;
  /** `line:column` of a key or, where that is missing, of the nearest thing around it. */
  position(path: readonly PropertyKey[], key: boolean): string;
}

export const nothing: Written = { name: '', value: {}, position: () => '1:1' };

/** @throws Failure('config') with one line that names the file and, for a syntax error, line and column. */
export function readYaml(file: string, cwd: string): Written {
  const path = resolve(cwd, file);
  const name = path.startsWith(cwd) ? relative(cwd, path) || file : file;
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new Failure('config', `${name}: ${unreadable(error)}`, error);
  }
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const broken = document.errors[0];
  if (broken !== undefined) {
    const { line, col } = lines.linePos(broken.pos[0]);
    throw new Failure('config', `${name}:${line}:${col}: ${broken.message.split('\n', 1)[0]}`, broken);
  }
  let value: unknown;
  try {
    value = document.toJS();
  } catch (error) {
    throw new Failure('config', `${name}: ${(error as Error).message}`, error); // aliases that unfold without end
  }
  return {
    name,
    value,
    position(at, key) {
      const { line, col } = lines.linePos(offset(document, at, key));
      return `${line}:${col}`;
    },
  };
}

/** The value of a text that comes from no file. Throws the library's own error. */
export function parseYaml(text: string): unknown {
  return parse(text);
}

/** A value on one line, as people would write it. */
export function flowYaml(value: unknown): string {
  return stringify(value, { collectionStyle: 'flow', flowCollectionPadding: false, lineWidth: 0 }).trim();
}

/** Where the key or the value at `path` begins; where there is none, the nearest one around it. */
function offset(document: Document, path: readonly PropertyKey[], key: boolean): number {
  for (let length = path.length; length > 0; length--) {
    const within = document.getIn(path.slice(0, length - 1), true);
    const last = path[length - 1];
    if (isMap(within)) {
      const pair = within.items.find((item) => String(item.key) === String(last));
      const node = key || length < path.length ? pair?.key : (pair?.value ?? pair?.key);
      if (isNode(pair?.key) && isNode(node) && node.range) return (pair.key.range ?? node.range)[0];
    }
    const node = document.getIn(path.slice(0, length), true);
    if (isNode(node) && node.range) return node.range[0];
  }
  return isNode(document.contents) && document.contents.range ? document.contents.range[0] : 0;
}

function unreadable(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT') return 'no such file';
  if (code === 'EACCES') return 'may not be read (permission denied)';
  if (code === 'EISDIR') return 'is a directory';
  return `cannot be read: ${message}`;
}
