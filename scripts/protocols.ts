/** Writes docs/muster.doap.xml from the table of docs/protocols.md: `node scripts/protocols.ts`. */
import { readFileSync, writeFileSync } from 'node:fs';

const root = new URL('../', import.meta.url);

/** One row of docs/protocols.md. */
export interface Protocol {
  /** `XEP-0030` or `RFC 6120`. */
  readonly number: string;
  readonly title: string;
  /** Of the text that was followed; '' for an RFC. */
  readonly version: string;
  /** `complete`, or `partial: what lacks`. */
  readonly status: string;
  readonly source: string;
  readonly test: string;
  /** What service discovery says because of it: features by who says them (`server`, `account` or a service's label). */
  readonly announced: readonly { readonly feature: string; readonly by: string }[];
}

/** @throws Error for a line of the table that cannot be read. */
export function protocols(page = readFileSync(new URL('docs/protocols.md', root), 'utf8')): Protocol[] {
  return page
    .split('\n')
    .filter((line) => /^\| (?:XEP|RFC)/.test(line))
    .map((line) => {
      const cells = line.split('|').map((cell) => cell.trim());
      const [, number = '', title = '', version = '', status = '', source = '', test = '', announced = ''] =
        cells;
      if (cells.length !== 9 || !/^(complete|partial: .+)$/.test(status))
        throw new Error(`cannot be read: ${line}`);
      const path = (cell: string) => /^`([^`]+)`$/.exec(cell)?.[1] ?? cell;
      return {
        number,
        title,
        version,
        status,
        source: path(source),
        test: path(test),
        announced: listed(announced),
      };
    });
}

function listed(cell: string): Protocol['announced'] {
  if (cell === '') return [];
  return cell.split('<br>').map((one) => {
    const found = /^`([^`]+)` of (\w+)$/.exec(one.trim());
    if (found === null) throw new Error(`cannot be read: ${one}`);
    return { feature: found[1]!, by: found[2]! };
  });
}

/** The description of the project for software lists (DOAP, with the terms of XEP-0453). */
export function doap(rows: readonly Protocol[]): string {
  const escaped = (text: string) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
  const rfcs = rows
    .filter(({ number }) => number.startsWith('RFC'))
    .map(
      ({ number }) =>
        `    <implements rdf:resource="https://www.rfc-editor.org/info/rfc${number.slice(4)}"/>\n`,
    );
  const xeps = rows
    .filter(({ number }) => number.startsWith('XEP'))
    .map(({ number, version, status }) => {
      const [word, note] = status.split(': ') as [string, string?];
      return `    <implements>
      <xmpp:SupportedXep>
        <xmpp:xep rdf:resource="https://xmpp.org/extensions/xep-${number.slice(4)}.html"/>
        <xmpp:version>${version}</xmpp:version>
        <xmpp:status>${word}</xmpp:status>
${note === undefined ? '' : `        <xmpp:note xml:lang="en">${escaped(note)}</xmpp:note>\n`}      </xmpp:SupportedXep>
    </implements>
`;
    });
  return `<?xml version="1.0" encoding="UTF-8"?>
<rdf:RDF xmlns="http://usefulinc.com/ns/doap#" xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"
    xmlns:xmpp="https://linkmauve.fr/ns/xmpp-doap#">
  <Project>
    <name>Muster</name>
    <shortdesc xml:lang="en">A community of messaging servers that stays up</shortdesc>
    <category rdf:resource="https://linkmauve.fr/ns/xmpp-doap#category-server"/>
    <programming-language>TypeScript</programming-language>
    <os>Linux</os>
${rfcs.join('')}${xeps.join('')}  </Project>
</rdf:RDF>
`;
}

if (import.meta.main) writeFileSync(new URL('docs/muster.doap.xml', root), doap(protocols()));
