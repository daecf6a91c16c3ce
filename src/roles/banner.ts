import type { Config } from '../base/config.ts';
import { version } from '../base/version.ts';
import type { RunningServer } from './server.ts';

/** What `muster start` prints once everything serves. The administrator's password stands here and nowhere else. */
export function banner(config: Config, server: RunningServer, colour: boolean): string {
  const bold = (text: string) => (colour ? `\u001B[1m${text}\u001B[0m` : text);
  const rows: [string, string][] = [
    ['Community', `${config.community}${config.domains.length > 1 ? ` (${config.domains.join(', ')})` : ''}`],
  ];
  for (const { name, address, tls } of server.listeners)
    rows.push([
      titles[name] ?? name,
      `${address}${tls === 'starttls' ? ' (STARTTLS)' : tls === 'required' ? ' (TLS)' : ''}`,
    ]);
  if (server.web !== undefined) rows.push(['Web client', bold(server.web)]);
  rows.push(['Data', config.data]);
  if (server.admin !== undefined)
    rows.push(
      ['Administrator', bold(server.admin.address)],
      ['Password', `${bold(server.admin.password)} (shown only this once)`],
    );
  const width = Math.max(...rows.map(([title]) => title.length));
  const lines = rows.map(([title, text]) => `  ${title.padEnd(width)}  ${text}`);
  return `\n${bold(`Muster ${version}`)}\n\n${lines.join('\n')}\n\nReady. Ctrl-C stops it.\n\n`;
}

const titles: Readonly<Record<string, string>> = {
  xmpp: 'XMPP',
  xmpps: 'XMPP over TLS',
  component: 'Components',
  http: 'HTTP',
  admin: 'Local admin API',
};

/** The same for programs (`--json`). */
export function started(config: Config, server: RunningServer): object {
  const { listeners, web, admin } = server;
  return {
    event: 'started',
    community: config.community,
    domains: config.domains,
    listeners,
    web,
    admin,
    data: config.data,
  };
}
