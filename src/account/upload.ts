import { el, type Element } from '../xmpp/element.ts';
import { formatDate, parseDate } from '../xmpp/datetime.ts';
import { StanzaError } from '../xmpp/error.ts';
import { buildForm } from '../xmpp/forms.ts';
import { NS } from '../xmpp/namespaces.ts';
import { fixed } from '../base/fixed.ts';
import type { Account } from './account.ts';
import type { Feature, Request } from './iq.ts';
import { cleanName, encodedName, isMediaType } from './upload/name.ts';
import { uploadRows, type UsageRow } from './upload/rows.ts';
import { newToken, uploadKey } from './upload/token.ts';

/** HTTP file upload (XEP-0363): the slots. What comes into them and out of them is `upload/uploads.ts`. */
export const upload: Feature = {
  service: {
    label: 'upload',
    identity: { category: 'store', type: 'file', name: 'HTTP File Upload' },
    features: [NS.upload, `${NS.uploadPurpose}#message`, `${NS.uploadPurpose}#ephemeral`],
    handlers: { [`get request ${NS.upload}`]: slot },
    visitors: {
      // Example 12: who has no account here.
      [`get request ${NS.upload}`]: () => {
        throw new StanzaError('forbidden', 'only for people of this community');
      },
    },
    // §3: MUST be named "max-file-size", in bytes.
    forms: ({ limits }) => [
      buildForm('result', NS.upload, [{ name: 'max-file-size', values: [String(limits.uploadSize)] }]),
    ],
  },
};

/** Settles when the slot that an account asked for last is stored, or is not. */
const asking = new WeakMap<Account, Promise<void>>();

/** §4: a slot, stored before its URLs are told. */
async function slot({ account, work, payload }: Request): Promise<Element> {
  const { partition } = account;
  const { env } = partition;
  if (env.upload === undefined) throw new StanzaError('service-unavailable');
  const { name, size, type } = wanted(payload, env.limits.uploadSize);
  const now = env.clock.now();
  const ends = ending(payload, now);
  await withinQuota(account, size, now);
  const token = newToken(env.random, env.secret, partition.id);
  const until = now + fixed.uploadSlot.value;
  work.write(uploadRows.add, [partition.id, token, account.id, name, type, size, now, until, ends ?? null]);
  const stored = new Promise<void>((resolve) => work.ended(resolve));
  asking.set(account, stored);
  const url = `${env.upload.url}upload/${token}/${encodedName(name)}`;
  return el('slot', NS.upload, {}, [
    el('put', NS.upload, { url: `${url}?key=${uploadKey(env.secret, token)}` }),
    el('get', NS.upload, { url }),
  ]);
}

/** §4: both attributes MUST be there; the schema wants a positive integer. */
function wanted({ attrs }: Element, most: number): { name: string; size: number; type: string } {
  const { filename, size: text = '', 'content-type': type = '' } = attrs;
  if (filename === undefined || filename === '') throw new StanzaError('bad-request', 'a file has a name');
  const size = /^[ \t\r\n]*\+?\d{1,15}[ \t\r\n]*$/.test(text) ? Number(text) : 0;
  if (size === 0 && !/^\d{16,}$/.test(text))
    throw new StanzaError('bad-request', 'the size is a number of bytes above 0');
  if (size === 0 || size > most)
    throw new StanzaError(
      'not-acceptable',
      `File too large. The maximum file size is ${most} bytes`,
      'modify',
      el('file-too-large', NS.upload, {}, [el('max-file-size', NS.upload, {}, [String(most)])]),
    );
  if (type !== '' && !isMediaType(type)) throw new StanzaError('bad-request', 'that is no content type');
  return { name: cleanName(filename), size, type };
}

/** §5.3: until when the file may be had at the longest; undefined for any other purpose. */
function ending(request: Element, now: number): number | undefined {
  const ephemeral = request.child('ephemeral', NS.uploadPurpose);
  if (ephemeral === undefined) return undefined;
  const before = parseDate(ephemeral.attrs['expire-before'] ?? '');
  if (before === undefined) throw new StanzaError('bad-request', 'expire-before is a date and a time');
  if (before <= now) throw new StanzaError('bad-request', 'expire-before has passed');
  return before;
}

/** §6: temporary errors say when to try again. */
async function withinQuota(account: Request['account'], size: number, now: number): Promise<void> {
  const { id, env } = account.partition;
  const { uploadQuota, uploadSlots, uploadRetention } = env.limits;
  // A slot that another session was just given is in the store before this one is counted.
  await asking.get(account);
  const old = uploadRetention === 0 ? 0 : now - uploadRetention * 24 * hour;
  const params = [id, account.id, now, now - hour, old];
  const [usage] = await env.store.query<UsageRow>(uploadRows.usage, params);
  const { bytes, slots, first, next } = usage!;
  if (slots >= uploadSlots)
    throw later(`Quota reached. You can only upload ${uploadSlots} files in an hour`, (first ?? now) + hour);
  if (bytes + size > uploadQuota)
    throw later(
      `Quota reached. All your files may take ${uploadQuota} bytes, of which ${bytes} are taken`,
      bytes > 0 ? next : null,
    );
}

function later(text: string, at: number | null): StanzaError {
  const retry = at === null ? undefined : el('retry', NS.upload, { stamp: formatDate(at) });
  return new StanzaError('resource-constraint', text, 'wait', retry);
}

const hour = 60 * 60 * 1000;
