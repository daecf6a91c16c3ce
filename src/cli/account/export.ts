import { Command, Option } from 'commander';
import { once } from 'node:events';
import { createWriteStream, mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Writable } from 'node:stream';
import { Failure } from '../../base/failure.ts';
import type { ExportEvent } from '../../transfer/export.ts';
import type { Reader } from '../../transfer/source.ts';
import { attribute } from '../../xmpp/serialise.ts';
import { openBar } from '../bar.ts';
import { withAdministration } from '../connect.ts';
import { withCommon, type CommonOptions } from '../options.ts';
import { print, printJson } from '../print.ts';

type Options = CommonOptions & { readonly each?: true; readonly for: Reader };

export function exportCommand(): Command {
  const command = new Command('export')
    .description(
      'write an account, or all of a domain, with all that belongs to them (XEP-0227), for Muster, ejabberd or Prosody. Passwords are not in it, but what proves them is: keep it safe',
    )
    .argument('<what>', 'alice@example.org, or example.org for all its accounts')
    .argument('[file]', 'where to; left out: standard output', '-')
    .option('--each', 'file is a directory, and each account has a file of its own, as Prosody reads them')
    .addOption(
      new Option('--for <server>', 'ejabberd reads keys in a form of its own')
        .choices(['anybody', 'ejabberd'])
        .default('anybody'),
    )
    .action((what: string, file: string, options: Options) =>
      withAdministration(options, async ({ administration }) => {
        if (options.each && file === '-') throw new Failure('usage', '--each needs a directory');
        const domain = what.slice(what.indexOf('@') + 1);
        const whole = what.includes('@') ? 1 : ((await administration.status()).accounts ?? 0);
        const bar = file === '-' ? undefined : await openBar('exporting', whole, options.json === true);
        const output = options.each ? openEach(file, domain) : openWhole(file, domain);
        let accounts = 0;
        try {
          for await (const event of administration.transfer.export(what, options.for)) {
            if (event.event === 'end') accounts++;
            bar?.update(accounts);
            await output.take(event);
          }
          await output.done();
        } catch (error) {
          output.cancel();
          throw error;
        } finally {
          bar?.stop();
        }
        if (file === '-') return;
        if (options.json) printJson({ accounts, file });
        else print(`${accounts} account${accounts === 1 ? '' : 's'} written to ${file}`);
      }),
    );
  return withCommon(command, 'muster account export example.org example.org.xml');
}

interface Output {
  take(event: ExportEvent): Promise<void>;
  done(): Promise<void>;
  cancel(): void;
}

/** One document; its name is that of a whole one only (XEP-0227 §6: for nobody else to read). */
function openWhole(file: string, domain: string): Output {
  const part = file === '-' ? undefined : openPart(file);
  const out: Writable = part?.stream ?? process.stdout;
  let begun = false;
  const begin = () => {
    if (begun) return Promise.resolve();
    begun = true;
    return write(out, head(domain));
  };
  return {
    take: async (event) => {
      if (event.event === 'account') await begin();
      if (event.event === 'text') await write(out, event.text);
    },
    done: async () => {
      await begin();
      await write(out, foot);
      await part?.close();
    },
    cancel: () => part?.cancel(),
  };
}

/** `alice@example.org.xml` for each, every one a whole document. */
function openEach(directory: string, domain: string): Output {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  let part: Part | undefined;
  return {
    take: async (event) => {
      if (event.event === 'account') {
        part = openPart(join(directory, `${event.address}.xml`));
        await write(part.stream, head(domain));
      } else if (event.event === 'text') await write(part!.stream, event.text);
      else if (event.event === 'end') {
        await write(part!.stream, foot);
        await part!.close();
        part = undefined;
      }
    },
    done: () => Promise.resolve(),
    cancel: () => part?.cancel(),
  };
}

interface Part {
  readonly stream: Writable;
  close(): Promise<void>;
  cancel(): void;
}

function openPart(file: string): Part {
  const unfinished = `${file}.part`;
  rmSync(unfinished, { force: true });
  const stream = createWriteStream(unfinished, { mode: 0o600, flags: 'wx' });
  let failure: Error | undefined;
  stream.on('error', (error) => (failure = error));
  return {
    stream,
    close: async () => {
      stream.end();
      if (!stream.closed) await once(stream, 'close');
      if (failure !== undefined) throw new Failure('usage', `${file}: ${failure.message}`, failure);
      renameSync(unfinished, file);
    },
    cancel: () => {
      stream.destroy();
      rmSync(unfinished, { force: true });
    },
  };
}

async function write(stream: Writable, text: string): Promise<void> {
  if (stream.write(text)) return;
  await Promise.race([once(stream, 'drain'), once(stream, 'close')]);
  if (stream.destroyed)
    throw new Failure('usage', `it cannot be written: ${stream.errored?.message ?? 'closed'}`);
}

function head(domain: string): string {
  return `<?xml version='1.0' encoding='UTF-8'?>\n<server-data xmlns="urn:xmpp:pie:0">\n<host jid="${attribute(domain)}">\n`;
}

const foot = '</host>\n</server-data>\n';
