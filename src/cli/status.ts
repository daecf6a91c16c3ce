import { Command } from 'commander';
import type { PartitionInfo, PoolInfo, Status } from '../admin/administration.ts';
import { withAdministration } from './connect.ts';
import { withCommon, type CommonOptions } from './options.ts';
import { duration, print, printJson, printTable } from './print.ts';

export function statusCommand(): Command {
  const command = new Command('status')
    .description('tell how the server is, and its pool; exit code 1 where none runs here')
    .option('--partitions', 'also each partition of a pool, with its owner and epoch')
    .action((options: CommonOptions & { partitions?: true }) =>
      withAdministration(options, async ({ administration, running }) => {
        const status = await administration.status();
        if (!running) process.exitCode = 1;
        const asked = status.pool !== undefined && (options.json || options.partitions);
        const partitions = asked ? await administration.servers.partitions() : undefined;
        if (options.json) return printJson(partitions === undefined ? status : whole(status, partitions));
        for (const [title, text] of facts(status, running)) print(`${title.padEnd(12)} ${text}`);
        if (status.pool !== undefined) await printPool(status.pool, running);
        if (partitions !== undefined) await printPartitions(partitions);
        else if (options.partitions) await administration.servers.partitions(); // says why there are none
      }),
    );
  return withCommon(command, 'muster status --partitions');
}

/** For programs: `pool.partitions` is the list where people read its length. */
function whole({ pool, ...status }: Status, partitions: readonly PartitionInfo[]): object {
  return { ...status, pool: { ...pool, partitions } };
}

function facts(status: Status, running: boolean): [string, string][] {
  const { community, domains, server, cluster, version, accounts, mux } = status;
  const rows: [string, string][] = [
    ['Community', `${community} (${domains.join(', ')})`],
    ['Server', `${server} of cluster ${cluster}, Muster ${version}`],
    ['State', running ? status.state : status.pool === undefined ? 'not running' : 'not running here'],
  ];
  if (status.store !== undefined) rows.push(['Store', 'does not answer; what it knows cannot be shown']);
  if (accounts !== undefined) rows.push(['Accounts', String(accounts)]);
  if (status.lacking !== undefined) rows.push(...lackingText(status.lacking).map(fact));
  if (mux !== undefined)
    rows.push(
      ['Role', 'a mux: it holds connections and has no accounts'],
      ['Connections', String(mux.connections)],
      ['Routes', `the owners of ${mux.routes} partitions are known`],
    );
  if (running)
    rows.push(
      ['Sessions', String(status.sessions)],
      ['Running for', duration(status.uptime)],
      ['Memory', `${(status.memory / 2 ** 20).toFixed(0)} MiB`],
    );
  return rows;
}

const fact = (text: string, i: number): [string, string] => [i === 0 ? 'Keys' : '', text];

/** A line for each mechanism that accounts have no keys for, and what follows. */
export function lackingText(lacking: NonNullable<Status['lacking']>): string[] {
  const each = Object.entries(lacking).map(
    ([name, accounts]) => `${accounts} account${accounts === 1 ? ' lacks' : 's lack'} keys for ${name}`,
  );
  return [
    ...each,
    'unless auth.mechanisms says otherwise that is not offered until all have them: they get them',
    'when they log in with PLAIN or a client that adds keys (XEP-0480), or with a new password',
  ];
}

const serverHead = [
  'SERVER',
  'INCARNATION',
  'ROLES',
  'STATE',
  'FREE %',
  'SESSIONS',
  'PARTITIONS',
  'VERSION',
  'RUNNING FOR',
];

async function printPool(pool: PoolInfo, running: boolean): Promise<void> {
  print(
    `Partitions   ${pool.partitions}${pool.ownerless === 0 ? '' : `, ${pool.ownerless} without a live server`}`,
  );
  print('');
  if (!running) print('As the store has it; nobody was asked whether they live.');
  await printTable(serverHead, [
    ...pool.servers.map((one) => [
      one.name,
      short(one.incarnation),
      one.roles.join(','),
      one.present || one.state === 'dead' || !running ? one.state : `${one.state}, not heard`,
      one.state === 'dead' ? '-' : String(one.availability),
      one.state === 'dead' ? '-' : String(one.sessions),
      String(one.partitions),
      one.version,
      one.state === 'dead' ? '-' : duration(one.uptime),
    ]),
    ...pool.muxes.map((one) => [
      one.name,
      short(one.incarnation),
      one.roles.join(','),
      'up',
      '',
      '',
      '',
      '',
      '',
    ]),
  ]);
}

async function printPartitions(partitions: readonly PartitionInfo[]): Promise<void> {
  print('');
  await printTable(
    ['PARTITION', 'SERVER', 'INCARNATION', 'EPOCH'],
    partitions.map(({ name, server, incarnation, epoch, live }) => [
      name,
      server === '' ? 'nobody' : live ? server : `${server} (gone)`,
      short(incarnation),
      String(epoch),
    ]),
  );
}

/** Enough of an incarnation to tell two starts of a server apart. */
function short(incarnation: string): string {
  return incarnation.slice(0, 8);
}
