import assert from 'node:assert/strict';
import { connect, createServer } from 'node:net';
import { test } from 'node:test';
import { directory, muster, start } from './muster.ts';

/** Everything that a server says to somebody who says this and then waits for the end. */
function told(address: string, text: string): Promise<string> {
  const [host, port] = address.split(':');
  return new Promise((resolve, reject) => {
    let heard = '';
    const socket = connect(Number(port), host, () => socket.write(text));
    socket.setEncoding('utf8').on('data', (part: string) => (heard += part));
    socket.on('close', () => resolve(heard)).on('error', reject);
    socket.setTimeout(20_000, () => reject(new Error(`it goes on: ${heard}`)));
  });
}

const header = `<stream:stream to="localhost" version="1.0" xmlns="jabber:client" xmlns:stream="http://etherx.jabber.org/streams">`;

test('limits of the configuration are those that clients meet', async (t) => {
  const dir = directory(t);
  const limits = { stanzaBefore: 2000, login: 2 };
  const set = Object.entries(limits).flatMap(([name, value]) => ['--set', `limits.${name}=${value}`]);
  const { info } = await start(t, dir, ['--set', 'listen.xmpp.tls=off', ...set]);
  const { address } = info.listeners.find(({ name }) => name === 'xmpp')!;
  const [long, slow] = await Promise.all([
    told(address, `${header}<message>${'x'.repeat(2000)}</message>`),
    told(address, header),
  ]);
  assert.match(long, /<policy-violation /);
  assert.match(slow, /<connection-timeout /);
});

test('a port of XMPP that is taken is named by its key', async (t) => {
  const taken = createServer().listen(0, '127.0.0.1');
  t.after(() => taken.close());
  await new Promise((resolve) => taken.on('listening', resolve));
  const { port } = taken.address() as { port: number };
  const { code, err } = await muster(directory(t), [
    'start',
    ...['xmpps', 'http'].flatMap((name) => ['--set', `listen.${name}=off`]),
    ...['--set', `listen.xmpp={host: 127.0.0.1, port: ${port}}`],
  ]);
  assert.deepEqual(
    [code, err],
    [2, `listen.xmpp.port: port ${port} of 127.0.0.1 is in use by another program\n`],
  );
});
