/** One step of a transcript, with the line it stands on. */
export interface Step {
  readonly line: number;
  readonly say: string;
  /** The XML below it, where the step has any. */
  readonly xml: string;
}

export interface Script {
  readonly title: string;
  readonly clause: string;
  /** Why the stand-in is expected to fail it, where it deviates from the standard. */
  readonly differs: ReadonlyMap<string, string>;
  /** Client name → account and resource. */
  readonly cast: ReadonlyMap<string, { account: string; resource: string; way: string }>;
  readonly steps: readonly Step[];
}

/**
 * Reads a file of transcripts. Each begins with `== title`, then `Clause:` and the cast (`Romeo is romeo at orchard`),
 * then one step a line; indented lines below a step are its XML. `#` begins a comment. What several have in common
 * stands under `=== name`, and in each of them the line `As in: name`.
 */
export function readScripts(source: string): Script[] {
  const scripts: Script[] = [];
  const shared = new Map<string, readonly Line[]>();
  const lines = source.split('\n').map((text, index) => ({ text, number: index + 1 }));
  let at = 0;
  while (at < lines.length) {
    const { text, number } = lines[at]!;
    const begin = /^(===?) (.+)$/.exec(text);
    if (!begin) {
      if (text.trim() && !text.startsWith('#')) throw new Error(`line ${number}: expected '== title'`);
      at++;
      continue;
    }
    let end = at + 1;
    while (end < lines.length && !/^===? /.test(lines[end]!.text)) end++;
    const body = lines.slice(at + 1, end).flatMap((line) => {
      const name = /^ *As in: (.+)$/.exec(line.text)?.[1];
      if (name === undefined) return [line];
      const found = shared.get(name);
      if (!found) throw new Error(`line ${line.number}: there is no '=== ${name}' above`);
      return found;
    });
    const title = begin[2]!.trim();
    if (begin[1] === '===') shared.set(title, body);
    else scripts.push(readScript(title, body));
    at = end;
  }
  return scripts;
}

interface Line {
  readonly text: string;
  /** Where it stands in the file. */
  readonly number: number;
}

function readScript(title: string, lines: readonly Line[]): Script {
  let clause = '';
  const differs = new Map<string, string>();
  const cast = new Map<string, { account: string; resource: string; way: string }>();
  const steps: { line: number; say: string; xml: string }[] = [];
  for (const { text: line, number } of lines) {
    if (!line.trim() || line.startsWith('#')) continue;
    const part = /^(Clause|Prosody differs): (.+)$/.exec(line);
    const role = /^(.+?) is (\w+) at (\S+)(?: over (\w+))?$/.exec(line);
    if (line.startsWith('  ')) {
      const step = steps.at(-1);
      if (!step) throw new Error(`line ${number}: XML without a step`);
      step.xml += `${line.trim()}\n`;
    } else if (part?.[1] === 'Clause') clause = part[2]!;
    else if (part) differs.set('prosody', part[2]!);
    else if (role) cast.set(role[1]!, { account: role[2]!, resource: role[3]!, way: role[4] ?? 'plain' });
    else steps.push({ line: number, say: line.trim(), xml: '' });
  }
  if (!clause) throw new Error(`'${title}' cites no clause`);
  return { title, clause, differs, cast, steps };
}
