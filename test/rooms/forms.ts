import assert from 'node:assert/strict';
import { NS } from '../../src/xmpp/namespaces.ts';
import { Rig, type Client } from './rig.ts';

export type Values = Readonly<Record<string, string | readonly string[]>>;

/** A room's configuration as an owner submits it; `of` is its FORM_TYPE. */
export function submitted(fields: Values, of = `${NS.muc}#roomconfig`): string {
  const list = Object.entries({ ...(of === '' ? {} : { FORM_TYPE: of }), ...fields }).map(
    ([name, value]) =>
      `<field var="${name}">${[value]
        .flat()
        .map((one) => `<value>${one}</value>`)
        .join('')}</field>`,
  );
  return `<query xmlns="${NS.mucOwner}"><x xmlns="${NS.dataForms}" type="submit">${list.join('')}</x></query>`;
}

/** An owner configures the cave. */
export async function configure(client: Client, fields: Values): Promise<void> {
  const answer = await client.asks('set', submitted(fields));
  assert.match(answer, /type="result"/, answer);
}

/** The values of each field of a form. */
export function fieldsIn(form: string): Record<string, string[]> {
  const found = [...form.matchAll(/<field ([^>]*?)(?:\/>|>(.*?)<\/field>)/g)].map(
    ([, attrs, content = '']) => [
      /var="([^"]*)"/.exec(attrs!)![1]!,
      [...content.replaceAll(/<option.*?<\/option>/g, '').matchAll(/<value>(.*?)<\/value>/g)].map(
        ([, v]) => v!,
      ),
    ],
  );
  return Object.fromEntries(found) as Record<string, string[]>;
}

/** A rig that ends with its scope. */
export async function open(limits: Parameters<typeof Rig.open>[0] = {}): Promise<Rig & AsyncDisposable> {
  const rig = await Rig.open(limits);
  return Object.assign(rig, { [Symbol.asyncDispose]: () => rig.close() });
}
