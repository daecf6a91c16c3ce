/**
 * Takes CPU profiles of the process it is preloaded into (`node --require`), of all its threads, without the program knowing:
 * SIGUSR2 begins, and the next one ends and writes `BENCH_PROFILES/<pid>.json`, a `Sampled`. See `profile.ts`.
 */
import { readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { type Profiler, Session } from 'node:inspector';
import { BroadcastChannel, isMainThread } from 'node:worker_threads';

/** One thread's profile, and the microseconds of CPU that it used meanwhile. */
export interface Thread {
  readonly profile: Profiler.Profile;
  readonly cpu: number;
}

/** What a process writes. */
export interface Sampled {
  readonly threads: readonly Thread[];
  /** Microseconds of CPU of all threads, less those that take the profiles; and of that in the kernel. */
  readonly cpu: number;
  readonly system: number;
}

/** Microseconds between two looks at the stack. */
const INTERVAL = 1000;
const directory = process.env['BENCH_PROFILES'] ?? '.';
const channel = new BroadcastChannel('bench/sampler');
const session = new Session();
let own = process.threadCpuUsage();

session.connect();
session.post('Profiler.enable');
session.post('Profiler.setSamplingInterval', { interval: INTERVAL });

function begin(): void {
  session.post('Profiler.start');
  own = process.threadCpuUsage();
}

function end(take: (thread: Thread) => void): void {
  const { user, system } = process.threadCpuUsage(own);
  session.post('Profiler.stop', (error, result) => {
    if (error === null) take({ profile: result.profile, cpu: user + system });
  });
}

/** CPU of this process so far, and of the threads of V8 that look at the stacks, in microseconds. */
function used(): { cpu: number; system: number } {
  const { user, system } = process.cpuUsage();
  let sampling = 0;
  for (const id of readdirSync('/proc/self/task')) {
    const at = `/proc/self/task/${id}`;
    if (readFileSync(`${at}/comm`, 'latin1').startsWith('v8:Prof'))
      sampling += Number(readFileSync(`${at}/schedstat`, 'latin1').split(' ', 1)[0]) / 1000;
  }
  return { cpu: user + system - sampling, system };
}

/** The main thread's part: it also collects the others' profiles. */
function lead(): void {
  let began: { cpu: number; system: number } | undefined;
  let took = { cpu: 0, system: 0 };
  let others = 0;
  const threads: Thread[] = [];
  const collect = (thread: Thread): void => {
    threads.push(thread);
    if (threads.length <= others) return;
    const sampled: Sampled = { threads: threads.splice(0), ...took };
    others = 0;
    const file = `${directory}/${process.pid}.json`;
    writeFileSync(`${file}.new`, JSON.stringify(sampled));
    renameSync(`${file}.new`, file);
  };
  channel.onmessage = ({ data }: { data: unknown }) => {
    if (data === 'begun') others += 1;
    else collect(data as Thread);
  };
  process.on('SIGUSR2', () => {
    if (began === undefined) {
      channel.postMessage('begin');
      begin();
      began = used();
      return;
    }
    const now = used();
    took = { cpu: now.cpu - began.cpu, system: now.system - began.system };
    began = undefined;
    channel.postMessage('end');
    end(collect);
  });
}

function follow(): void {
  channel.onmessage = ({ data }: { data: unknown }) => {
    if (data === 'begin') {
      begin();
      channel.postMessage('begun');
    } else if (data === 'end') end((thread) => channel.postMessage(thread));
  };
}

if (isMainThread) lead();
else follow();
channel.unref();
