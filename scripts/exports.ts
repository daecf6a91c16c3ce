import { cp, mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openEjabberd } from '../test/transfer/ejabberd.ts';
import { openProsody } from '../test/transfer/prosody.ts';
import { live } from '../test/transfer/story.ts';

// Makes test/transfer/fixtures anew: real ejabberd and Prosody (Debian's packages `ejabberd` and `prosody`) run on
// loopback, people use them (test/transfer/story.ts), and their own tools export. Run: node scripts/exports.ts

const fixtures = fileURLToPath(new URL('../test/transfer/fixtures/', import.meta.url));
const domain = 'example.org';
const people = { juliet: 'R0m30', romeo: 'J<li&t "é"', mercutio: 'queen Mab', nurse: 'susan' };

for (const format of ['scram', 'plain'] as const) {
  await using ejabberd = await openEjabberd(domain, format);
  for (const [name, password] of Object.entries(people)) {
    const bytes = [...Buffer.from(password)].join(',');
    await ejabberd.evaluate(`ok = ejabberd_auth:try_register(<<"${name}">>, <<"${domain}">>, <<${bytes}>>)`);
  }
  await live(ejabberd.port, domain);
  const dir = join(fixtures, `ejabberd-${format}`);
  await rm(dir, { recursive: true, force: true });
  await mkdir(dir, { recursive: true });
  await ejabberd.evaluate(`ejabberd_piefxis:export_server(<<"${dir}">>)`);
  console.log(dir, await readdir(dir));
}

for (const format of ['hashed', 'plain'] as const) {
  await using prosody = await openProsody(domain, `internal_${format}`);
  for (const [name, password] of Object.entries(people)) await prosody.register(name, password);
  await prosody.start();
  await live(prosody.port, domain);
  await prosody.stop();
  const dir = join(fixtures, `prosody-${format}`);
  await rm(dir, { recursive: true, force: true });
  await cp(await prosody.exported(), dir, { recursive: true });
  console.log(dir, await readdir(dir));
}
