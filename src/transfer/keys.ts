import type { Derived } from '../directory/change.ts';
import type { Mechanism } from '../directory/directory.ts';
import { sql } from '../store/store.ts';
import type { Element } from '../xmpp/element.ts';
import { text } from '../xmpp/serialise.ts';
import { sizeOf, type Hash } from '../xmpp/sasl/keys.ts';
import type { Arrived, Intake } from './intake.ts';
import type { Part } from './parts.ts';
import { SCRAM } from './shapes.ts';
import type { Source } from './source.ts';

interface Row {
  readonly mechanism: string;
  readonly salt: Uint8Array;
  readonly iterations: number;
  readonly stored_key: Uint8Array;
  readonly server_key: Uint8Array;
}

const rows = {
  all: sql`select mechanism, salt, iterations, stored_key, server_key from credential
    where partition = $1 and account = $2 order by mechanism`,
};

/** Mechanisms whose keys the directory keeps. */
const known: readonly Mechanism[] = ['SCRAM-SHA-1', 'SCRAM-SHA-256', 'SCRAM-SHA-512'];
/** More rounds would be a burden for those who log in. */
const mostRounds = 10_000_000;

/** What proves a password (XEP-0227 §4.3); the password itself is nowhere. */
export const keys: Part = { give, take };

async function* give({ store, partition, account, reader }: Source): AsyncGenerator<string> {
  const once = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64');
  const base64 = (bytes: Uint8Array) =>
    reader === 'ejabberd' ? once(Buffer.from(once(bytes))) : once(bytes);
  for (const row of await store.query<Row>(rows.all, [partition, account]))
    yield (
      `<scram-credentials xmlns="${SCRAM}" mechanism="${text(row.mechanism)}">` +
        `<iter-count>${row.iterations}</iter-count><salt>${base64(row.salt)}</salt>` +
        `<server-key>${base64(row.server_key)}</server-key><stored-key>${base64(row.stored_key)}</stored-key>` +
        '</scram-credentials>'
    );
}

async function take(intake: Intake, pieces: readonly Arrived[]): Promise<void> {
  const good: Derived[] = [];
  for (const { line, element } of pieces) {
    const mechanism = known.find((name) => name === element.attrs['mechanism']);
    if (mechanism === undefined) {
      intake.skip(line, 'keys of a mechanism that this server does not have are left out');
      continue;
    }
    const read = keysOf(element, mechanism);
    if (read === undefined) intake.skip(line, `the keys for ${mechanism} are not what they should be`);
    else good.push(read);
  }
  if (good.length > 0) await intake.env.directory.importKeys(intake.address, good, intake.mode === 'replace');
}

/** Undefined where something is missing or has another size than the mechanism's. */
function keysOf(element: Element, mechanism: Mechanism): Derived | undefined {
  const size = sizeOf(mechanism.slice('SCRAM-'.length) as Hash);
  const value = (name: string) => element.child(name)?.text().trim() ?? '';
  const count = value('iter-count');
  const iterations = /^[1-9]\d*$/.test(count) ? Number(count) : 0;
  let [salt, stored, server] = ['salt', 'stored-key', 'server-key'].map((name) => decoded(value(name)));
  if (stored?.length !== size) {
    // ejabberd (seen in 23.01) encodes what it keeps in base64 once more.
    [salt, stored, server] = [salt, stored, server].map(
      (bytes) => bytes && decoded(bytes.toString('latin1')),
    );
  }
  if (salt === undefined || salt.length === 0 || stored?.length !== size || server?.length !== size)
    return undefined;
  if (iterations < 1 || iterations > mostRounds) return undefined;
  const base64 = (bytes: Buffer) => bytes.toString('base64');
  return { mechanism, iterations, salt: base64(salt), storedKey: base64(stored), serverKey: base64(server) };
}

function decoded(value: string): Buffer | undefined {
  return value !== '' && /^[A-Za-z\d+/]*={0,2}$/.test(value) && value.length % 4 === 0
    ? Buffer.from(value, 'base64')
    : undefined;
}
