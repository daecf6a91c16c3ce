import { fork } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { generate } from 'selfsigned';
import { connect as connectTls } from 'node:tls';
import { quiet } from '../src/base/log.ts';
import { openListener } from '../src/mux/tcp.ts';
import { EchoOwner } from '../test/mux/owner.ts';

/**
 * Memory of the mux per idle connection with a session, CPU per login, and CPU per relayed stanza (one in, one out, the
 * in-process mesh and an owner that only echoes included). The clients run in a process of their own.
 * `node --expose-gc bench/mux.ts [connections] [off|direct]`
 */
const [, , first = '5000', tls = 'off'] = process.argv;
const loginAt = 50;
const active = 200;
const rounds = Number(process.env['ROUNDS'] ?? 100);

if (first === 'client') client();
else await server(Number(first));

interface Used {
  rss: number;
  heap: number;
  external: number;
  cpu: number;
}

async function used(): Promise<Used> {
  for (let i = 0; i < 3; i++) {
    globalThis.gc?.();
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
  const { rss, heapUsed, external } = process.memoryUsage();
  const { user, system } = process.cpuUsage();
  return { rss, heap: heapUsed, external, cpu: user + system };
}

async function server(connections: number): Promise<void> {
  const owner = new EchoOwner({ bounds: { logins: 20_000, pace: { burst: 1e9, perSecond: 1e9 } } });
  owner.seen = undefined;
  const pair = await generate([{ name: 'commonName', value: 'example.org' }], { keySize: 2048 });
  const keys = { cert: pair.cert, key: pair.private };
  const mode = tls === 'direct' ? 'direct' : 'off';
  const listener = await openListener(owner.mux, { host: '127.0.0.1', port: 0, tls: mode, keys, log: quiet });
  const child = fork(import.meta.filename, ['client', mode]);
  const ask = async (what: object): Promise<void> => {
    child.send(what);
    await once(child, 'message');
  };
  await ask({ port: listener.port, login: 200 });
  const before = await used();
  await ask({ port: listener.port, login: connections });
  const cpu = process.cpuUsage();
  const after = await used();
  const per = (key: keyof Used) => ((after[key] - before[key]) / connections / 1024).toFixed(2);
  console.log(`connections ${connections}, tls ${mode}`);
  console.log(
    `per idle connection: heap ${per('heap')} KiB, external ${per('external')} KiB, rss ${per('rss')} KiB`,
  );
  const login = (cpu.user + cpu.system - before.cpu) / connections / 1000;
  console.log(`per login (PLAIN, the owner says yes): ${login.toFixed(3)} ms CPU`);
  for (let i = 0; i < 3; i++) {
    const start = process.cpuUsage();
    await ask({ chat: rounds });
    const spent = process.cpuUsage(start);
    const stanzas = active * rounds;
    console.log(`per stanza in and out: ${((spent.user + spent.system) / stanzas).toFixed(1)} µs CPU`);
  }
  child.disconnect();
  await owner.mux.drain();
  await listener.close();
}

function client(): void {
  const peers: Socket[] = [];
  const header =
    "<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' to='example.org' version='1.0'>";
  const message =
    "<message to='alice@example.org' id='5f0e6a1c-77b3' type='chat'><body>Wherefore art thou, and where shall we meet tonight?</body></message>";
  const auth = `<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>${Buffer.from('\0alice\0x').toString('base64')}</auth>`;
  const bind = "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>";
  const say = async (socket: Socket, text: string, end: string): Promise<void> => {
    socket.write(text);
    let got = '';
    while (!got.includes(end)) got += String((await once(socket, 'data'))[0]);
  };
  const login = async (port: number): Promise<void> => {
    const options = { host: '127.0.0.1', port, rejectUnauthorized: false, noDelay: true };
    const socket = first === 'client' && tls === 'direct' ? connectTls(options) : connect(options);
    await say(socket, header, '</stream:features>');
    await say(socket, auth, '<success');
    await say(socket, header, '</stream:features>');
    await say(socket, bind, '</iq>');
    peers.push(socket);
  };
  const many = async (port: number, count: number): Promise<void> => {
    let left = count;
    const worker = async () => {
      while (left-- > 0) await login(port);
    };
    await Promise.all(Array.from({ length: loginAt }, worker));
  };
  const chat = async (count: number): Promise<void> => {
    await Promise.all(
      peers.slice(0, active).map(async (socket) => {
        for (let i = 0; i < count; i++) await say(socket, message, '</message>');
      }),
    );
  };
  process.on('message', (asked: { port: number; login?: number; chat?: number }) => {
    const work = asked.chat === undefined ? many(asked.port, asked.login ?? 0) : chat(asked.chat);
    void work.then(() => process.send?.('done'));
  });
  process.on('disconnect', () => process.exit(0));
}
