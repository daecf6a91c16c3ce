import { fixed } from '../../base/fixed.ts';
import { StanzaError } from '../../xmpp/error.ts';
import type { People } from '../administering.ts';
import type { Command } from './command.ts';

const kinds: readonly {
  readonly who: People;
  readonly title: string;
  readonly list: string;
  readonly field: string;
}[] = [
  { who: 'registered', title: 'Registered', list: 'get-registered-users-list', field: 'registereduserjids' },
  { who: 'disabled', title: 'Disabled', list: 'get-disabled-users-list', field: 'disableduserjids' },
  { who: 'online', title: 'Online', list: 'get-online-users-list', field: 'onlineuserjids' },
  { who: 'active', title: 'Active', list: 'get-active-users', field: 'activeuserjids' },
  { who: 'idle', title: 'Idle', list: 'get-idle-users', field: 'idleuserjids' },
];

const sizes = ['25', '50', '75', '100', '150', '200'];

/** XEP-0133 §4.13 to §4.22: how many there are, and who. */
export const reportCommands: readonly Command[] = kinds.flatMap(({ who, title, list, field }) => [
  {
    node: `get-${who}-users-num`,
    name: `Get Number of ${title} Users`,
    run: async ({ service, domain }) => ({
      fields: [
        {
          name: `${who}usersnum`,
          type: 'text-single',
          label: `The number of ${who} users`,
          values: [String(await service.count(domain, who))],
        },
      ],
    }),
  } satisfies Command,
  {
    node: list,
    name: `Get List of ${title} Users`,
    form: {
      title: `Requesting List of ${title} Users`,
      instructions: `Fill out this form to request the ${who} users of this service.`,
      fields: () => [
        {
          name: 'max_items',
          type: 'list-single',
          label: 'Maximum number of items to show',
          values: ['25'],
          options: [...sizes, 'none'].map((value) => ({ value, label: value === 'none' ? 'None' : value })),
        },
      ],
    },
    run: async ({ service, domain }, form) => {
      const wanted = form.value('max_items') ?? '25';
      if (wanted !== 'none' && !/^[1-9]\d{0,8}$/.test(wanted))
        throw new StanzaError('not-acceptable', 'max_items is a number or none');
      const limit = Math.min(wanted === 'none' ? Infinity : Number(wanted), fixed.peopleListed.value);
      const values = await service.list(domain, who, limit);
      const fields = [{ name: field, type: 'jid-multi' as const, label: `The list of ${who} users`, values }];
      // Who asked for all must not take a part for the whole.
      const cut = values.length === limit && (wanted === 'none' || Number(wanted) > limit);
      return cut
        ? { fields, notes: [{ type: 'warn' as const, text: `only the first ${limit}` }] }
        : { fields };
    },
  } satisfies Command,
]);
