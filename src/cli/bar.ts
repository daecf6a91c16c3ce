import type { SingleBar } from 'cli-progress';

/** How far something is, on standard error. */
export interface Bar {
  update(done: number, total?: number): void;
  stop(): void;
}

/** Undefined where nobody looks at a terminal. */
export async function openBar(what: string, total: number, json: boolean): Promise<Bar | undefined> {
  if (json || !process.stderr.isTTY) return undefined;
  const { SingleBar } = await import('cli-progress');
  const bar: SingleBar = new SingleBar({
    format: `${what} {bar} {percentage}%  {eta_formatted} left`,
    stream: process.stderr,
    clearOnComplete: true,
    etaBuffer: 50,
  });
  bar.start(total, 0);
  return {
    update: (done, now = total) => {
      bar.setTotal(now);
      bar.update(done);
    },
    stop: () => bar.stop(),
  };
}
