import { Command } from 'commander';
import { accessSync, constants, createReadStream, statSync } from 'node:fs';
import type { Readable } from 'node:stream';
import type { ImportEvent } from '../../admin/import.ts';
import { Failure } from '../../base/failure.ts';
import { openBar } from '../bar.ts';
import { withAdministration, type Connection } from '../connect.ts';
import { withCommon, type CommonOptions } from '../options.ts';
import { print, printJson } from '../print.ts';

type Rejected = Extract<ImportEvent, { event: 'rejected' }>;

/** So many rejected lines wait for the end, in order; further ones are printed as they come. */
const kept = 10_000;

export function importCommand(): Command {
  const command = new Command('import')
    .description(
      'make accounts from a file of address,password lines (CSV, RFC 4180); exit code 1 if a line is rejected',
    )
    .argument('<file>', 'the file; "-" reads standard input')
    .action((file: string, options: CommonOptions) => {
      const { source, size, read } = openSource(file);
      return withAdministration(options, async (connection, config) => {
        const bar = size === undefined ? undefined : await openBar('importing', size, options.json === true);
        try {
          const told = await events(connection, source, config.limits.importing);
          await follow(told, options.json === true, (ended) => (ended ? bar?.stop() : bar?.update(read())));
        } finally {
          bar?.stop();
          source.destroy();
        }
      });
    });
  return withCommon(command, 'muster user import accounts.csv');
}

/** The running server reads the file itself, line by line as it is sent; else we do. */
async function events(
  { running, administration }: Connection,
  source: Readable,
  width: number,
): Promise<AsyncIterable<ImportEvent>> {
  if (running) return administration.import(source);
  const { csvEntries, importUsers } = await import('../../admin/import.ts');
  return importUsers(csvEntries(source), administration, width);
}

async function follow(
  source: AsyncIterable<ImportEvent>,
  json: boolean,
  moved: (ended: boolean) => void,
): Promise<void> {
  const waiting: Rejected[] = [];
  let counts: string | undefined;
  try {
    for await (const event of source) {
      moved(event.event === 'done');
      if (event.event === 'rejected') process.exitCode = 1;
      if (event.event === 'done') counts = `${event.added} added, ${event.rejected} rejected`;
      if (json && event.event !== 'progress') printJson(event);
      else if (event.event === 'rejected' && waiting.push(event) > kept) printRejected(waiting.pop()!);
    }
  } finally {
    if (!json) waiting.toSorted((a, b) => a.line - b.line).forEach(printRejected); // also where it broke off
  }
  if (!json && counts !== undefined) print(counts);
}

function printRejected({ line, reason }: Rejected): void {
  print(`line ${line}: ${reason}`);
}

function openSource(file: string): { source: Readable; size: number | undefined; read: () => number } {
  if (file === '-') return { source: process.stdin, size: undefined, read: () => 0 };
  try {
    accessSync(file, constants.R_OK); // said now, not in the middle of sending
    const info = statSync(file);
    if (info.isDirectory()) throw new Failure('usage', `${file} is a directory`);
    const source = createReadStream(file);
    return { source, size: info.isFile() ? info.size : undefined, read: () => source.bytesRead };
  } catch (error) {
    if (error instanceof Failure) throw error;
    const { code, message } = error as NodeJS.ErrnoException;
    throw new Failure('usage', code === 'ENOENT' ? `${file}: no such file` : `${file}: ${message}`, error);
  }
}
