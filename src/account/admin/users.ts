import { Failure } from '../../base/failure.ts';
import { formatDate } from '../../xmpp/datetime.ts';
import { StanzaError } from '../../xmpp/error.ts';
import type { Field, Form } from '../../xmpp/forms.ts';
import { Jid } from '../../xmpp/jid.ts';
import type { Command, Outcome, Run } from './command.ts';

/** Accounts of one form. */
const most = 100;

const one = (label: string): Field => ({ name: 'accountjid', type: 'jid-single', label, required: true });
const many = (label: string): Field => ({ name: 'accountjids', type: 'jid-multi', label, required: true });

/** XEP-0133 §4.1 to §4.10, less the passwords that nobody has (§4.6). */
export const userCommands: readonly Command[] = [
  {
    node: 'add-user',
    name: 'Add User',
    form: {
      title: 'Adding a User',
      instructions: 'Fill out this form to add a user.',
      fields: () => [
        one('The Jabber ID for the account to be added'),
        { name: 'password', type: 'text-private', label: 'The password for this account', required: true },
        { name: 'password-verify', type: 'text-private', label: 'Retype password', required: true },
      ],
    },
    run: async ({ service }, form) => {
      const password = form.value('password')!;
      if (password !== form.value('password-verify'))
        throw new StanzaError('not-acceptable', 'the passwords differ');
      await service.add(bareOf(form.value('accountjid')!), password);
      return {};
    },
  },
  forEach('delete-user', 'Delete User', 'Deleting a User', 'to delete', ({ service }, address) =>
    service.remove(address),
  ),
  forEach('disable-user', 'Disable User', 'Disabling a User', 'to disable', ({ service, self }, address) => {
    if (address === self) throw new Failure('not-allowed', 'nobody disables themselves');
    return service.disable(address, true);
  }),
  forEach('reenable-user', 'Re-Enable User', 'Re-Enable a User', 'to re-enable', ({ service }, address) =>
    service.disable(address, false),
  ),
  {
    node: 'end-user-session',
    name: 'End User Session',
    form: {
      title: 'Ending a User Session',
      instructions: "Fill out this form to end a user's session.",
      fields: () => [many('The Jabber ID(s) for which to end sessions')],
    },
    run: async ({ service }, form) =>
      eachOf(form, async (jid) => {
        // §4.5: of a full address that session, else all.
        const count = await service.kick(jid.bare, jid.resource === '' ? undefined : jid.resource);
        if (count === 0 && jid.resource !== '')
          throw new Failure('session-missing', 'there is no such session');
      }),
  },
  {
    node: 'change-user-password',
    name: 'Change User Password',
    form: {
      title: 'Changing a User Password',
      instructions: "Fill out this form to change a user's password.",
      fields: () => [
        one('The Jabber ID for this account'),
        { name: 'password', type: 'text-private', label: 'The password for this account', required: true },
      ],
    },
    run: async ({ service }, form) => {
      await service.passwd(bareOf(form.value('accountjid')!), form.value('password')!);
      return {};
    },
  },
  {
    node: 'get-user-roster',
    name: 'Get User Roster',
    form: {
      title: "Getting a User's Roster",
      instructions: "Fill out this form to get a user's roster.",
      fields: () => [many('The Jabber ID(s) for which to retrieve the roster')],
    },
    run: async ({ service }, form) => {
      const addresses = addressesIn(form);
      const content = await Promise.all(addresses.map((address) => service.roster(address)));
      return { fields: [{ name: 'accountjids', type: 'jid-multi', values: addresses }], content };
    },
  },
  {
    node: 'get-user-lastlogin',
    name: 'Get User Last Login Time',
    form: {
      title: "Getting a User's Last Login Time",
      instructions: "Fill out this form to get a user's last login time.",
      fields: () => [many('The Jabber ID(s) for which to retrieve the last login time')],
    },
    run: async ({ service }, form) => {
      const addresses = addressesIn(form);
      const seen = await Promise.all(addresses.map((address) => service.about(address)));
      return {
        fields: [
          { name: 'accountjids', type: 'jid-multi', values: addresses },
          {
            name: 'lastlogin',
            type: 'text-multi',
            values: seen.map((person) => (person.seen === undefined ? '' : formatDate(person.seen))),
          },
        ],
      };
    },
  },
  {
    node: 'user-stats',
    name: 'Get User Statistics',
    form: {
      title: 'Get User Statistics',
      instructions: 'Fill out this form to gather user statistics.',
      fields: () => [one('The Jabber ID for statistics')],
    },
    run: async ({ service }, form) => {
      const about = await service.about(bareOf(form.value('accountjid')!));
      return {
        fields: [
          { name: 'ipaddresses', type: 'text-multi', values: about.addresses },
          { name: 'rostersize', type: 'text-single', values: [String(about.contacts)] },
          { name: 'onlineresources', type: 'text-multi', values: about.resources },
        ],
      };
    },
  },
];

function forEach(
  node: string,
  name: string,
  title: string,
  what: string,
  act: (run: Run, address: string) => Promise<void>,
): Command {
  return {
    node,
    name,
    form: {
      title,
      instructions: `Fill out this form ${what} a user.`,
      fields: () => [many(`The Jabber ID(s) ${what}`)],
    },
    run: (run, form) => eachOf(form, async (jid) => act(run, bareOf(jid.full))),
  };
}

/** One after the other; where one of several fails, the rest is done and the answer says which. */
async function eachOf(form: Form, act: (jid: Jid) => Promise<void>): Promise<Outcome> {
  const jids = form.values('accountjids').map((text) => Jid.parse(text.trim()));
  if (jids.length > most) throw new StanzaError('not-acceptable', `at most ${most} accounts`);
  const notes: { type: 'error'; text: string }[] = [];
  for (const jid of jids) {
    if (jid === undefined) throw new StanzaError('jid-malformed');
    try {
      // oxlint-disable-next-line no-await-in-loop -- one account at a time is enough of a burden
      await act(jid);
    } catch (error) {
      if (!(error instanceof Failure) || jids.length === 1) throw error;
      notes.push({ type: 'error', text: `${jid.full}: ${error.message}` });
    }
  }
  return { notes };
}

function addressesIn(form: Form): string[] {
  const found = form.values('accountjids').map(bareOf);
  if (found.length > most) throw new StanzaError('not-acceptable', `at most ${most} accounts`);
  return found;
}

/** XEP-0133: "SHOULD be of the form <user@host>, not <user@host/resource>". */
function bareOf(text: string): string {
  const jid = Jid.parse(text.trim());
  if (jid === undefined || jid.local === '') throw new StanzaError('jid-malformed');
  if (jid.resource !== '') throw new StanzaError('not-acceptable', 'an account has no resource');
  return jid.bare;
}
