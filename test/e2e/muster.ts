import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Child, listening, offspring, poll, run } from './child.ts';
import { freePorts, type Options, type Target } from './server.ts';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** Muster as its administrator runs it: supervisor and worker, data and config in a directory of their own. */
export async function openMuster(options: Options): Promise<Target> {
  const dir = await mkdtemp(join(tmpdir(), 'muster-'));
  const [xmpp, xmpps, http] = (await freePorts(3)) as [number, number, number];
  const domain = options.domain ?? 'localhost';
  const file = join(dir, 'muster.yaml');
  const listen = (port: number, tls: string): string => `{ host: 127.0.0.1, port: ${port}, tls: ${tls} }`;
  const lines = [
    `domains: [${domain}]`,
    `registration: ${options.registration ?? 'closed'}`,
    'listen:',
    `  xmpp: ${listen(xmpp, options.tls ?? 'off')}`,
    `  xmpps: ${listen(xmpps, 'required')}`,
    `  http: ${listen(http, 'off')}`,
  ];
  await writeFile(file, `${lines.join('\n')}\n`);
  const data = join(dir, 'data');
  const main = join(root, 'src', 'main.ts');
  const set = (options.set ?? []).flatMap((one) => ['--set', one]);
  let child: Child | undefined;
  let past = '';

  const target: Target = {
    name: 'muster',
    domain,
    ports: { xmpp, xmpps, http },
    websocket: `ws://127.0.0.1:${http}/ws`,
    page: `http://127.0.0.1:${http}/`,
    certificate: join(data, 'tls', 'cert.pem'),
    users: async (names, password = 'secret') => {
      const list = join(dir, 'users.csv');
      await writeFile(list, names.map((name) => `${name}@${domain},${password}\n`).join(''));
      await run(process.execPath, [main, 'user', 'import', list, '--data', data, '--config', file], {
        cwd: root,
      });
    },
    pids: async () => (child?.running ? [child.pid, ...(await offspring(child.pid))] : []),
    kill: async (what) => {
      const [supervisor, ...workers] = await target.pids();
      if (supervisor === undefined) throw new Error('nothing runs');
      // The supervisor first: it must not have time to start another worker.
      for (const pid of what === 'all' ? [supervisor, ...workers] : workers.slice(0, 1))
        process.kill(pid, 'SIGKILL');
      if (what === 'all') {
        await child!.exited;
        await poll(
          async () => ((await listening(xmpp)) ? undefined : true),
          () => 'a killed server still listens',
        );
      } else
        await poll(
          async () => ((await offspring(supervisor)).includes(workers[0]!) ? undefined : true),
          () => 'the worker outlived kill -9',
        );
    },
    start: async () => {
      past += child?.output ?? '';
      child = new Child(process.execPath, [main, 'start', '--data', data, '--config', file, ...set], {
        cwd: root,
      });
      await target.ready();
    },
    ready: async () => {
      const started = child!;
      await poll(
        async () => {
          if (!started.running) throw new Error(`muster ended: ${started.output}`);
          const answer = await fetch(`http://127.0.0.1:${http}/readyz`).catch(() => undefined);
          return answer?.ok ? true : undefined;
        },
        () => `muster is not ready: ${started.output}`,
        30_000,
      );
    },
    stop: async () => {
      await child?.end('SIGTERM');
    },
    log: () => past + (child?.output ?? ''),
    [Symbol.asyncDispose]: async () => {
      if (child?.running) await child.end('SIGTERM');
      await rm(dir, { recursive: true, force: true });
    },
  };
  await target.start();
  return target;
}
