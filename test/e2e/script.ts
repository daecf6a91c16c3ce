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
 * then one step a line; indented lines below a step are its XML. `#` begins a comment.
 */
export function readScripts(source: string): Script[] {
  const scripts: Script[] = [];
  const lines = source.split('\n');
  let at = 0;
  while (at < lines.length) {
    const begin = /^== (.+)$/.exec(lines[at]!);
    if (!begin) {
      if (lines[at]!.trim() && !lines[at]!.startsWith('#'))
        throw new Error(`line ${at + 1}: expected '== title'`);
      at++;
      continue;
    }
    let end = at + 1;
    while (end < lines.length && !lines[end]!.startsWith('== ')) end++;
    scripts.push(readScript(begin[1]!.trim(), lines, at + 1, end));
    at = end;
  }
  return scripts;
}

function readScript(title: string, lines: readonly string[], from: number, to: number): Script {
  let clause = '';
  const differs = new Map<string, string>();
  const cast = new Map<string, { account: string; resource: string; way: string }>();
  const steps: { line: number; say: string; xml: string }[] = [];
  for (let at = from; at < to; at++) {
    const line = lines[at]!;
    if (!line.trim() || line.startsWith('#')) continue;
    const part = /^(Clause|Prosody differs): (.+)$/.exec(line);
    const role = /^(.+?) is (\w+) at (\S+)(?: over (\w+))?$/.exec(line);
    if (line.startsWith('  ')) {
      const step = steps.at(-1);
      if (!step) throw new Error(`line ${at + 1}: XML without a step`);
      step.xml += `${line.trim()}\n`;
    } else if (part?.[1] === 'Clause') clause = part[2]!;
    else if (part) differs.set('prosody', part[2]!);
    else if (role) cast.set(role[1]!, { account: role[2]!, resource: role[3]!, way: role[4] ?? 'plain' });
    else steps.push({ line: at + 1, say: line.trim(), xml: '' });
  }
  if (!clause) throw new Error(`'${title}' cites no clause`);
  return { title, clause, differs, cast, steps };
}
