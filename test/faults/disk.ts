import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, statfsSync, truncateSync, writeFileSync, appendFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { openPostgresServer } from '../../cluster/postgres.ts';
import { openStage, type Result } from './stage.ts';

/** PostgreSQL's disk is full for a while. On a tmpfs of its own, which only root may mount. */
export const disk = {
  name: 'disk of PostgreSQL full',
  run: async (people: number, seed: number, seconds = 8): Promise<Result> => {
    if (process.getuid?.() !== 0)
      return { line: `${disk.name}: not run, because only root may mount a tmpfs`, problems: [] };
    const mount = mkdtempSync(join(tmpdir(), 'muster-disk-'));
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256m,mode=755', 'tmpfs', mount]);
    try {
      await using stage = await openStage(people, { postgres: join(mount, 'postgres') });
      const { pool } = stage;
      return await stage.run(
        {
          name: disk.name,
          rounds: { short: 1, long: 1 },
          patience: 60,
          round: async () => {
            const filler = join(mount, 'filler');
            fill(filler, mount);
            await pause(seconds * 1000);
            truncateSync(filler, 0);
            // It ends itself where not even its journal can be written; then its administrator starts it again.
            const { primary } = pool.postgres;
            if (!primary.running)
              pool.postgres.primary = await openPostgresServer({ directory: primary.directory });
          },
        },
        1,
        { short: true, seed },
      );
    } finally {
      execFileSync('umount', ['-l', mount]);
      rmSync(mount, { recursive: true, force: true });
    }
  },
};

function fill(file: string, mount: string): void {
  writeFileSync(file, '');
  const block = Buffer.alloc(64 * 1024);
  try {
    for (let n = 0; n < 100_000 && statfsSync(mount).bavail > 0; n++) appendFileSync(file, block);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
  }
}
