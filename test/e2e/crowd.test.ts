import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { readScripts } from './script.ts';
import { openTarget, type Target } from './server.ts';
import { Stage } from './stage.ts';

/** The bounds of rooms (docs/limits.md), small enough for a handful of clients to reach them. */
const set = [
  'limits.roomsEach=2',
  'limits.occupants=4',
  'limits.visitors=2',
  'limits.occupantRate=2',
  'limits.roomRate=5',
];

const folder = dirname(dirname(fileURLToPath(import.meta.url)));
const scripts = readScripts(readFileSync(join(folder, 'transcripts', 'limited', 'rooms.txt'), 'utf8'));

void describe('bounds of rooms', () => {
  let target: Target;
  const stage = (number: number): Stage => new Stage(target, scripts[number]!, `crowd${number}`);

  before(async () => {
    target = await openTarget({ set });
    await target.users(scripts.flatMap((_, number) => stage(number).accounts));
  });
  after(async () => {
    await target?.[Symbol.asyncDispose]();
  });

  scripts.forEach(({ title, clause }, number) => {
    void it(`${title} (${clause})`, () => stage(number).play());
  });
});
