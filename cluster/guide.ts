import type { Part, Pool } from './pool.ts';

export interface Person {
  readonly address: string;
  readonly password: string;
}

/** What is where, and what to try: one screen. `shown` shortens a path for the reader. */
export function guide(pool: Pool, people: readonly Person[], shown: (path: string) => string): string {
  const [server, victim] = [pool.servers[0]!, pool.servers[1] ?? pool.servers[0]!];
  const mux = pool.muxes[0]!;
  const ports = (part: Part) =>
    pool.muxes.includes(part)
      ? `XMPP ${part.ports.xmpp}, TLS ${part.ports.xmpps}, web ${part.ports.http}`
      : `admin ${part.ports.admin}, http ${part.ports.http}, health ${part.ports.health}`;
  const processes = [
    ...[...pool.servers, ...pool.muxes].map((part) => [
      part.name,
      `${part.pid}, worker ${part.worker}`,
      ports(part),
      shown(part.log),
    ]),
    ...pool.nats.nodes.map((node, i) => [
      `nats${i + 1}`,
      String(node.pid),
      `clients ${node.ports.client}`,
      shown(node.log),
    ]),
    ['postgres', String(pool.postgres.primary.pid), `clients ${pool.postgres.primary.port}`, ''],
  ];
  const muster = (command: string) => `node bin/muster.mjs ${command} --config ${shown(server.config)}`;
  const at = pool.muxes.map((part) => `127.0.0.1:${part.ports.xmpp}`).join(' or ');
  const commands = [
    ['Servers, partitions, epochs', muster('status')],
    ['Crash of a machine', `kill -9 ${victim.pid} ${victim.worker}`],
    ['Crash of a process', `kill -9 ${victim.worker}`],
    ['A machine that hangs', `kill -STOP ${victim.pid} ${victim.worker}`],
    ['… and goes on', `kill -CONT ${victim.pid} ${victim.worker}`],
    ['Crash of a mux', `kill -9 ${mux.pid} ${mux.worker}`],
    ['Empty a server on purpose', muster(`drain ${victim.name}`)],
    ['… and use it again', muster(`undrain ${victim.name}`)],
    ['Even out partitions', muster('rebalance')],
    ['Sessions', muster('sessions')],
    ['Watch a log', `tail -f ${shown(victim.log)}`],
  ];
  const accounts = people.map(({ address, password }) => [address, password]);
  return `
Processes on 127.0.0.1
${table(processes)}

Log in with any XMPP client at ${at}, or in a browser at ${pool.muxes
    .map((part) => `http://127.0.0.1:${part.ports.http}/`)
    .join(' or ')}
(certificate: ${shown(pool.certificate)})
${table(accounts)}

Try, in another terminal; what is killed comes back by itself after a while
${table(commands)}

Ctrl-C ends all of it; the data stays in ${shown(pool.directory)}.

`;
}

function table(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows
    .map((row) => `  ${row.map((text, column) => text.padEnd(widths[column]!)).join('  ')}`.trimEnd())
    .join('\n');
}
