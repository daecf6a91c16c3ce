import { StanzaError } from '../../xmpp/error.ts';
import type { Form } from '../../xmpp/forms.ts';
import type { NoticeName } from '../administering.ts';
import type { Command } from './command.ts';

/** Characters of an announcement. */
const longest = 10_000;

/** XEP-0133 §4.23 to §4.29: what administrators say to people, and who is one. */
export const wordCommands: readonly Command[] = [
  {
    node: 'announce',
    name: 'Send Announcement to Online Users',
    form: {
      title: 'Making an Announcement',
      instructions: 'Fill out this form to make an announcement to all active users of this service.',
      fields: () => [{ name: 'announcement', type: 'text-multi', label: 'Announcement', required: true }],
    },
    run: async ({ service, domain }, form) => {
      await service.announce(domain, textIn(form, 'announcement'));
      return {};
    },
  },
  setter('set-motd', 'Set Message of the Day', 'Setting the Message of the Day', 'motd', true),
  setter('edit-motd', 'Edit Message of the Day', 'Editing the Message of the Day', 'motd', false),
  remover('delete-motd', 'Delete Message of the Day', 'motd'),
  setter('set-welcome', 'Set Welcome Message', 'Setting Welcome Message', 'welcome', false),
  remover('delete-welcome', 'Delete Welcome Message', 'welcome'),
  {
    node: 'edit-admin',
    name: 'Edit Admin List',
    form: {
      title: 'Editing the Admin List',
      instructions: 'Fill out this form to edit the list of entities who have administrative privileges.',
      fields: async ({ service, domain }) => [
        {
          name: 'adminjids',
          type: 'jid-multi',
          label: 'The admin list',
          values: await service.administrators(domain),
        },
      ],
    },
    run: async ({ service, domain, self }, form) => {
      const wanted = new Set(form.values('adminjids').map((address) => address.trim()));
      // Else nobody could undo it.
      if (self.endsWith(`@${domain}`) && !wanted.has(self))
        throw new StanzaError('not-allowed', 'nobody takes their own rights away');
      const before = new Set(await service.administrators(domain));
      for (const address of wanted)
        // oxlint-disable-next-line no-await-in-loop -- what is wrong stops it
        if (!before.has(address)) await service.promote(address, true);
      for (const address of before)
        // oxlint-disable-next-line no-await-in-loop -- in order
        if (!wanted.has(address)) await service.promote(address, false);
      return {};
    },
  },
];

function setter(node: string, name: string, title: string, what: NoticeName, anew: boolean): Command {
  const label = what === 'motd' ? 'Message of the Day' : 'Welcome Message';
  return {
    node,
    name,
    form: {
      title,
      instructions: `Fill out this form: ${label.toLowerCase()}.`,
      fields: async ({ service, domain }) => {
        const text = anew ? undefined : await service.notice(domain, what);
        return [{ name: what, type: 'text-multi', label, values: text?.split('\n') ?? [], required: true }];
      },
    },
    run: async ({ service, domain }, form) => {
      await service.setNotice(domain, what, textIn(form, what), anew);
      return {};
    },
  };
}

function remover(node: string, name: string, what: NoticeName): Command {
  return {
    node,
    name,
    run: async ({ service, domain }) => {
      const was = await service.removeNotice(domain, what);
      return was ? {} : { notes: [{ type: 'info', text: 'there was none' }] };
    },
  };
}

/** XEP-0004 §3.3: one value a line. */
function textIn(form: Form, name: string): string {
  const text = form.values(name).join('\n');
  if (text.trim() === '') throw new StanzaError('not-acceptable', 'there is nothing to say');
  if (text.length > longest) throw new StanzaError('not-acceptable', `at most ${longest} characters`);
  return text;
}
