/**
 * The floor: a process that passes messages on and does nothing else a server must: no checks, no rules, no storage.
 * What it costs is what reading and writing the sockets costs in this runtime. A message to a room is written at once to
 * every socket that sent presence there, the same bytes to each, as many as Muster writes. Run by `floor.ts`.
 */
import { createServer, type Socket } from 'node:net';
import { attribute, content, Scanner } from '../scan.ts';

const sockets = new Map<string, Socket>();
const rooms = new Map<string, Set<Socket>>();
const HEADER = "<?xml version='1.0'?><stream:stream id='1' version='1.0' xmlns='jabber:client'>";
const MECHANISMS = '<stream:features><mechanisms><mechanism>PLAIN</mechanism></mechanisms></stream:features>';
const BIND = "<stream:features><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></stream:features>";
const OCCUPANT = "xmlns='urn:xmpp:occupant-id:0' id='dd72603deec90a38ba552f7c68cbcc61bca202cd'";

function serve(socket: Socket): void {
  const scanner = new Scanner();
  let user = '';
  let handled = 0;
  let out = '';
  const child = (text: string) => {
    if (text.startsWith('<message')) {
      handled += 1;
      const to = attribute(text, 'to') ?? '';
      if (text.includes("type='groupchat'")) return copy(to, text);
      sockets.get(to.slice(0, to.indexOf('@')))?.write(`<message from='${user}@x'${text.slice(8)}`, 'latin1');
    } else if (text.startsWith('<r ')) out += `<a xmlns='urn:xmpp:sm:3' h='${handled}'/>`;
    else if (text.startsWith('<auth')) {
      user =
        Buffer.from(content(text, 'auth') ?? '', 'base64')
          .toString()
          .split('\0')[1] ?? '';
      out += '<success/>';
      scanner.reset();
    } else if (text.startsWith('<iq')) {
      if (text.includes('<bind')) sockets.set(user, socket);
      out += `<iq type='result' id='${attribute(text, 'id')}'><jid>${user}@x/bench</jid></iq>`;
    } else if (text.startsWith('<enable')) out += "<enabled xmlns='urn:xmpp:sm:3'/>";
    else if (text.includes('http://jabber.org/protocol/muc')) {
      const place = attribute(text, 'to') ?? '';
      const room = place.slice(0, place.indexOf('/'));
      rooms.set(room, (rooms.get(room) ?? new Set()).add(socket));
      out += `${text}<message from='${room}' type='groupchat'><subject/></message>`;
    } else if (text.startsWith('<presence')) out += text;
    else if (text.startsWith('<resume')) out += "<resumed xmlns='urn:xmpp:sm:3' h='0' previd='1'/>";
    else if (text.startsWith('</stream')) out += '</stream:stream>';
  };
  socket.setNoDelay(true);
  socket.setEncoding('latin1');
  socket.on('error', () => socket.destroy());
  socket.on('data', (chunk: string) => {
    if (chunk.includes('<stream:stream')) out += HEADER + (user === '' ? MECHANISMS : BIND);
    scanner.push(chunk, child);
    if (out !== '') socket.write(out, 'latin1');
    out = '';
  });
}

function copy(room: string, text: string): void {
  const ids = `<stanza-id xmlns='urn:xmpp:sid:0' by='${room}' id='1764500000000000'/><occupant-id ${OCCUPANT}/>`;
  const head = `<message from='${room}/u1000' to='u1000@bench.test/bench'`;
  const all = Buffer.from(
    head + text.slice(8).replace(` to='${room}'`, '').replace('</message>', `${ids}</message>`),
    'latin1',
  );
  for (const socket of rooms.get(room) ?? []) socket.write(all);
}

createServer(serve).listen(Number(process.argv[2]), '127.0.0.1', 1000);
process.stdin.on('end', () => process.exit(0)).resume();
