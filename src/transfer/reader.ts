import { fixed } from '../base/fixed.ts';
import { StreamError } from '../xmpp/error.ts';
import { DocumentReader, type Way } from '../xmpp/document.ts';
import { Element } from '../xmpp/element.ts';
import { Jid } from '../xmpp/jid.ts';
import { NS } from '../xmpp/namespaces.ts';
import { serialise } from '../xmpp/serialise.ts';
import { DRAFT, levels, OWN, partNames, shapes, type PartName } from './shapes.ts';

/** What a file of XEP-0227 comes to, one piece after the other; each is small. `line` counts from 1 in `file`. */
export type Record = Begin | Piece | End | Problem;

/** A user begins; what follows up to its end is theirs. */
export interface Begin {
  readonly t: 'begin';
  readonly file: string;
  readonly line: number;
  readonly address: string;
  readonly password?: string | undefined;
  /** Milliseconds since the epoch. */
  readonly created?: number | undefined;
  readonly disabled?: boolean | undefined;
  readonly admin?: boolean | undefined;
  /** Up to where versions of the roster are forgotten. */
  readonly floor?: number | undefined;
}

export interface Piece {
  readonly t: 'piece';
  readonly line: number;
  readonly part: PartName;
  /** Of `node` and `item`. */
  readonly node?: string | undefined;
  readonly xml: string;
}

export interface End {
  readonly t: 'end';
}

/** Something that is left out, and why. */
export interface Problem {
  readonly t: 'problem';
  readonly file: string;
  readonly line: number;
  readonly reason: string;
}

/** Where a file's bytes come from; `href` is what an include says (XEP-0227 §5). Throws Failure where there is none. */
export type Include = (href: string, from: string) => { name: string; source: AsyncIterable<Uint8Array> };

/** Where in the document one is: what its children are. */
type Place = 'document' | 'server-data' | 'host' | 'user' | 'inner';

interface Context {
  readonly place: Place;
  readonly host: string;
  /** Above `inner`: the elements between the user and here, innermost last. */
  readonly within: readonly Element[];
}

type Found =
  | Record
  | { readonly t: 'include'; readonly href: string; readonly line: number; context: Context };

/** One piece, and one text or tag. */
const most = {
  bytes: fixed.transferPiece.value,
  elements: fixed.transferElements.value,
  depth: 80,
  attributes: 300,
};
const xinclude = 'http://www.w3.org/2001/XInclude';
/** Files in files in files. */
const deepest = 4;

/**
 * Reads a document of XEP-0227 from a stream of any length. What cannot be read on is a problem with its line; users that
 * were complete before it are complete.
 */
export async function* readPie(
  source: AsyncIterable<Uint8Array>,
  file: string,
  include: Include,
): AsyncGenerator<Record> {
  yield* read(source, file, include, { place: 'document', host: '', within: [] }, 0);
}

async function* read(
  source: AsyncIterable<Uint8Array>,
  file: string,
  include: Include,
  context: Context,
  depth: number,
): AsyncGenerator<Record> {
  const found: Found[] = [];
  const walk = new Walk(file, context, (one) => found.push(one));
  const reader = new DocumentReader(walk, most);
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let broken: unknown;
  const feed = (run: () => void) => {
    try {
      run();
    } catch (error) {
      broken = error;
    }
  };
  async function* take(): AsyncGenerator<Record> {
    for (const one of found.splice(0)) {
      if (one.t !== 'include') yield one;
      else yield* included(one, file, include, depth);
    }
  }
  for await (const bytes of source) {
    feed(() => reader.write(decoder.decode(bytes, { stream: true })));
    yield* take();
    if (broken !== undefined) break;
  }
  if (broken === undefined)
    feed(() => {
      reader.write(decoder.decode());
      reader.end();
    });
  yield* take();
  if (broken === undefined) return;
  yield { t: 'problem', file, line: reader.line, reason: `it cannot be read on: ${said(broken)}` };
  // What was begun is not whole: its end is not told.
}

async function* included(
  { href, line, context }: Extract<Found, { t: 'include' }>,
  file: string,
  include: Include,
  depth: number,
): AsyncGenerator<Record> {
  if (depth >= deepest) {
    yield { t: 'problem', file, line, reason: `${href} is not included: too many files within each other` };
    return;
  }
  try {
    const { name, source } = include(href, file);
    yield* read(source, name, include, context, depth + 1);
  } catch (error) {
    yield { t: 'problem', file, line, reason: `${href} is not included: ${said(error)}` };
  }
}

function said(error: unknown): string {
  if (error instanceof StreamError) return error.text ?? error.condition;
  return (error as Error).message;
}

/** From elements to records: where one is, and what that makes of a child. */
class Walk {
  readonly #file: string;
  readonly #tell: (found: Found) => void;
  #stack: Context[];

  constructor(file: string, context: Context, tell: (found: Found) => void) {
    this.#file = file;
    this.#tell = tell;
    this.#stack = [context];
  }

  begin(head: Element, line: number): Way {
    const here = this.#stack.at(-1)!;
    if (head.ns === xinclude && here.place !== 'inner') return this.#include(head, line, here);
    switch (here.place) {
      case 'document':
        if (isPie(head, 'server-data')) return this.#open({ ...here, place: 'server-data' });
        if (isPie(head, 'host')) return this.#host(head, line);
        throw new StreamError('bad-format', 'this is not a document of XEP-0227');
      case 'server-data':
        if (isPie(head, 'host')) return this.#host(head, line);
        if (isPie(head, 'server-data')) return this.#open(here);
        return this.#unknown(head, line);
      case 'host':
        return isPie(head, 'user') ? this.#user(head, line, here) : this.#unknown(head, line);
      case 'user':
      case 'inner':
        return this.#inside(head, line, here);
    }
  }

  end(): void {
    const { place } = this.#stack.pop()!;
    if (place === 'user') this.#tell({ t: 'end' });
  }

  whole(element: Element, line: number): void {
    const { within } = this.#stack.at(-1)!;
    const part = partOf(element, within)!;
    const node = element.attrs['node'] ?? within.at(-1)?.attrs['node'];
    // Prosody writes requests without a namespace of their own.
    const known = element.is('presence', NS.pie) ? renamed(element) : element;
    this.#tell({ t: 'piece', line, part, node, xml: serialise(known, '') });
  }

  refused(head: Element, line: number, why: string): void {
    this.#problem(line, `<${head.name}/> is left out: ${why}`);
  }

  #host(head: Element, line: number): Way {
    const jid = Jid.parse(head.attrs['jid'] ?? '');
    if (jid === undefined || jid.local !== '' || jid.resource !== '') {
      this.#problem(line, 'a host without the address of a domain is left out');
      return 'skip';
    }
    return this.#open({ place: 'host', host: jid.domain, within: [] });
  }

  #user(head: Element, line: number, here: Context): Way {
    const jid = Jid.of(head.attrs['name'] ?? '', here.host);
    if (jid === undefined || jid.local === '') {
      this.#problem(line, 'a user whose name is none is left out');
      return 'skip';
    }
    const own = (name: string) => head.attrs[`{${OWN}}${name}`];
    const number = (name: string) => {
      const value = Number(own(name));
      return own(name) !== undefined && Number.isSafeInteger(value) && value >= 0 ? value : undefined;
    };
    this.#tell({
      t: 'begin',
      file: this.#file,
      line,
      address: jid.bare,
      password: head.attrs['password'],
      created: number('created'),
      disabled: own('disabled') === '1' ? true : undefined,
      admin: own('admin') === '1' ? true : undefined,
      floor: number('floor'),
    });
    return this.#open({ place: 'user', host: here.host, within: [] });
  }

  #inside(head: Element, line: number, here: Context): Way {
    if (partOf(head, here.within) !== undefined) return 'whole';
    const same = (other: { name: string; ns: string }) =>
      other.name === head.name && (other.ns === head.ns || (other.ns === NS.pie && head.ns === DRAFT));
    const containers = partNames.flatMap((name) => shapes[name].map(({ within }) => within));
    const container = containers.some((one) => one !== undefined && same(one)) || levels.some(same);
    if (container && here.within.length < 2)
      return this.#open({ ...here, place: 'inner', within: [...here.within, head] });
    return this.#unknown(head, line);
  }

  #include(head: Element, line: number, context: Context): Way {
    const { href, parse, xpointer } = head.attrs;
    if (
      head.name !== 'include' ||
      href === undefined ||
      href === '' ||
      parse !== undefined ||
      xpointer !== undefined
    )
      this.#problem(line, 'an include of a kind that XEP-0227 does not ask for is left out');
    else this.#tell({ t: 'include', href, line, context });
    return 'skip';
  }

  #open(context: Context): Way {
    this.#stack.push(context);
    return 'open';
  }

  #unknown(head: Element, line: number): Way {
    this.#problem(
      line,
      `<${head.name}/> of ${head.ns === '' ? 'no namespace' : head.ns} is left out: it is not known here`,
    );
    return 'skip';
  }

  #problem(line: number, reason: string): void {
    this.#tell({ t: 'problem', file: this.#file, line, reason });
  }
}

function isPie(head: Element, name: string): boolean {
  return head.name === name && (head.ns === NS.pie || head.ns === DRAFT);
}

function partOf(element: Element, within: readonly Element[]): PartName | undefined {
  const parent = within.at(-1);
  return partNames.find((part) =>
    shapes[part].some(({ name, ns, within: container }) => {
      const fits =
        (name === '*' || name === element.name) &&
        (ns === '*' || ns === element.ns || (part === 'request' && element.ns === NS.pie));
      if (!fits || container === undefined) return fits && parent === undefined;
      return (
        parent !== undefined &&
        parent.name === container.name &&
        (parent.ns === container.ns || (container.ns === NS.pie && parent.ns === DRAFT))
      );
    }),
  );
}

function renamed({ name, attrs, children }: Element): Element {
  return new Element(name, NS.client, attrs, children);
}
