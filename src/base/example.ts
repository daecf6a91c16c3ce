import { z } from 'zod';
import { schema } from './schema.ts';
import { flowYaml } from './yamlfile.ts';

/**
 * The text of `config.example.yaml`: every key of the schema with what it means and its default. A key without a
 * fixed default stands commented out with an example.
 */
export function exampleConfig(): string {
  return `${head}${mapping(schema, 0)}`;
}

const head = `# Muster's configuration. Every key is optional; what stands here is the default.
# Relative paths count from this file. Check it with: muster check muster.yaml
# Written from src/base/schema.ts by \`node scripts/example.ts\`.
`;

function mapping(shape: z.ZodObject, level: number): string {
  const indent = '  '.repeat(level);
  let text = '';
  for (const [key, field] of Object.entries(shape.shape)) {
    const { description, example } = (z.globalRegistry.get(field) ?? {}) as {
      description?: string;
      example?: unknown;
    };
    const inner = innerObject(field);
    const about = description ?? (inner && z.globalRegistry.get(inner)?.description) ?? '';
    text += level === 0 ? '\n' : '';
    for (const line of about.split('\n')) text += wrapped(line, indent);
    if (inner !== undefined) text += `${indent}${key}:\n${mapping(inner, level + 1)}`;
    else if (example !== undefined) text += `${indent}# ${key}: ${flowYaml(example)}\n`;
    else text += `${indent}${key}: ${flowYaml(z.parse(field, undefined))}\n`;
  }
  return text;
}

/** The mapping inside a default, an optional, or a union with `off`. */
function innerObject(field: unknown): z.ZodObject | undefined {
  if (field instanceof z.ZodObject) return field;
  if (field instanceof z.ZodPrefault) return innerObject(field.unwrap());
  if (field instanceof z.ZodUnion) return innerObject(field.options.at(-1));
  return undefined;
}

function wrapped(line: string, indent: string): string {
  const width = 100 - indent.length;
  let text = '';
  let row = '';
  for (const word of line.split(' ')) {
    if (row !== '' && row.length + word.length + 1 > width) {
      text += `${indent}# ${row}\n`;
      row = word;
    } else row = row === '' ? word : `${row} ${word}`;
  }
  return `${text}${indent}# ${row}\n`;
}
