import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { listening, poll } from '../e2e/child.ts';
import { freePorts } from '../e2e/server.ts';

export interface Ejabberd extends AsyncDisposable {
  readonly port: number;
  readonly dir: string;
  /** Evaluates Erlang expressions; resolves with what they came to, as Erlang writes it. */
  evaluate(code: string): Promise<string>;
  log(): string;
}

/** ejabberd from Debian as a private instance without distribution: no epmd, no cookie, no fixed ports. */
export async function openEjabberd(domain: string, format: 'scram' | 'plain'): Promise<Ejabberd> {
  const dir = await mkdtemp(join(tmpdir(), 'ejabberd-'));
  const [port] = (await freePorts(1)) as [number];
  await writeFile(join(dir, 'ejabberd.yml'), config(domain, port, format));
  const loop =
    'spawn(fun() -> L = fun F() -> case io:get_line("") of eof -> init:stop(); Line -> ' +
    '{ok, T, _} = erl_scan:string(Line), {ok, E} = erl_parse:parse_exprs(T), ' +
    'R = (catch element(2, erl_eval:exprs(E, []))), io:format("~n@@~0p~n", [R]), F() end end, L() end).';
  const args = ['+K', 'true', '-mnesia', 'dir', `"${dir}/db"`, '-noshell', '-s', 'ejabberd', '-eval', loop];
  const child = spawn('erl', args, {
    cwd: dir,
    env: {
      ...process.env,
      ERL_LIBS: '/usr/lib/x86_64-linux-gnu',
      HOME: dir,
      EJABBERD_CONFIG_PATH: join(dir, 'ejabberd.yml'),
      EJABBERD_LOG_PATH: join(dir, 'ejabberd.log'),
    },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const last = () => void child.kill('SIGKILL');
  process.once('exit', last);
  const answers: ((text: string) => void)[] = [];
  let output = '';
  let rest = '';
  const heard = (data: Buffer) => {
    output += String(data);
    rest += String(data);
    const lines = rest.split('\n');
    rest = lines.pop()!;
    for (const line of lines) if (line.startsWith('@@')) answers.shift()?.(line.slice(2));
  };
  child.stdout.on('data', heard);
  child.stderr.on('data', (data) => (output += String(data)));
  await poll(
    async () => {
      if (child.exitCode !== null) throw new Error(`ejabberd ended: ${output}`);
      return (await listening(port)) ? true : undefined;
    },
    () => `ejabberd is not ready: ${output}`,
    60_000,
  );
  return {
    port,
    dir,
    log: () => output,
    evaluate: async (code) => {
      const answer = await new Promise<string>((resolve) => {
        answers.push(resolve);
        child.stdin.write(`${code.replaceAll('\n', ' ')}.\n`);
      });
      if (answer.startsWith("{'EXIT'")) throw new Error(`ejabberd: ${answer}`);
      return answer;
    },
    [Symbol.asyncDispose]: async () => {
      child.stdin.end();
      await ended(child);
      process.off('exit', last);
      await rm(dir, { recursive: true, force: true });
    },
  };
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const timer = setTimeout(() => child.kill('SIGKILL'), 10_000);
  await new Promise((resolve) => child.once('exit', resolve));
  clearTimeout(timer);
}

function config(domain: string, port: number, format: string): string {
  return `loglevel: warning
hosts: [${domain}]
listen:
  - {port: ${port}, ip: "127.0.0.1", module: ejabberd_c2s, shaper: none, access: all}
auth_method: internal
auth_password_format: ${format}
auth_scram_hash: sha256
modules:
  mod_disco: {}
  mod_roster: {versioning: true}
  mod_offline: {}
  mod_vcard: {search: false}
  mod_private: {}
  mod_privacy: {}
  mod_blocking: {}
  mod_caps: {}
  mod_carboncopy: {}
  mod_admin_extra: {}
  mod_mam: {default: always, db_type: mnesia, assume_mam_usage: true}
  mod_pubsub: {plugins: [flat, pep], force_node_config: {}}
`;
}
