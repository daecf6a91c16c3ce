import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { readScripts } from './script.ts';
import { openTarget, type Target } from './server.ts';
import { Stage } from './stage.ts';

const folder = join(dirname(dirname(fileURLToPath(import.meta.url))), 'transcripts');
const only = process.env['ONLY'];
const standIn = process.env['TARGET'] ?? 'muster';

let target: Target;
const stages: { stage: (target: Target) => Stage }[] = [];

for (const file of readdirSync(folder)
  .filter((name) => name.endsWith('.txt'))
  .sort()) {
  void describe(file, () => {
    readScripts(readFileSync(join(folder, file), 'utf8')).forEach((script, number) => {
      if (only && !`${file} ${script.title}`.includes(only)) return;
      const tag = `${file.replace(/\W|txt$/g, '')}${number}`;
      const stage = (on: Target): Stage => new Stage(on, script, tag);
      stages.push({ stage });
      const why = script.differs.get(standIn);
      void it(`${script.title} (${script.clause})`, why ? { todo: why } : {}, () => stage(target).play());
    });
  });
}

before(async () => {
  target = await openTarget();
  await target.users(stages.flatMap((one) => one.stage(target).accounts));
});
after(async () => {
  await target?.[Symbol.asyncDispose]();
});
