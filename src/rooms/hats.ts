import { fixed } from '../base/fixed.ts';
import { token } from '../base/random.ts';
import { el, type Element } from '../xmpp/element.ts';
import { StanzaError } from '../xmpp/error.ts';
import { buildForm, parseForm, type Field, type Form } from '../xmpp/forms.ts';
import { Jid } from '../xmpp/jid.ts';
import { NS } from '../xmpp/namespaces.ts';
import { actorOf } from './admin.ts';
import type { Hat } from './config.ts';
import type { Feature, Request } from './iq.ts';
import { moderates, type Actor } from './privileges.ts';
import type { Room } from './room.ts';
import { rankOf } from './standing.ts';
import { assign, define, destroy, unassign } from './wardrobe.ts';

/** XEP-0317, by commands of one stage (XEP-0050). Presence shows them (face.ts). */
export const hats: Feature = {
  room: { [`set command ${NS.commands}`]: execute },
  roomFeatures: [NS.hats, NS.commands],
};

const formType = 'urn:xmpp:hats:commands';
const [title, uri, hue, jid] = ['hats#title', 'hats#uri', 'hats#hue', 'hats#jid'] as const;

interface Command {
  readonly name: string;
  readonly may: (actor: Actor, room: Room) => boolean;
  /** What has to be filled in; without it the command runs at once. */
  readonly fields?: (room: Room) => readonly Field[];
  /** Checks the form, and answers with what is to be done in a step. */
  readonly run?: (form: Form, request: Request) => () => void;
  /** Names of columns, and a row for each hat. */
  readonly rows?: (room: Room) => readonly (readonly [name: string, value: string])[][];
}

const admins = ({ affiliation }: Actor): boolean => rankOf[affiliation] >= rankOf.admin;
const members = ({ affiliation, role }: Actor): boolean =>
  affiliation !== 'outcast' && (role !== 'none' || rankOf[affiliation] >= rankOf.member);

/** §3.2 to §3.7, by the last part of the node. */
const commands: Readonly<Record<string, Command>> = {
  create: {
    name: 'Create a hat',
    may: admins,
    fields: () => [
      { name: title, type: 'text-single', label: 'Hat Title', required: true },
      { name: uri, type: 'text-single', label: 'Hat URI', required: true },
      { name: hue, type: 'text-single', label: 'Hat Hue' },
    ],
    run: (form, { room, work }) => {
      const hat = hatIn(form);
      return () => define(work, room, hat);
    },
  },
  destroy: {
    name: 'Destroy a hat',
    may: admins,
    fields: (room) => [choice(room)],
    run: (form, { room, work }) => {
      const which = needed(form, uri);
      return () => destroy(work, room, which);
    },
  },
  list: {
    name: 'List hats',
    may: members,
    rows: ({ config }) => config.hats.map(cellsOf),
  },
  assign: {
    name: 'Assign a hat',
    may: admins,
    fields: (room) => [wearer, choice(room)],
    run: (form, { room, work }) => {
      const [whom, which] = [addressIn(form), needed(form, uri)];
      return () => assign(work, room, whom, which);
    },
  },
  unassign: {
    name: 'Unassign a hat',
    may: admins,
    fields: (room) => [wearer, choice(room)],
    run: (form, { room, work }) => {
      const [whom, which] = [addressIn(form), needed(form, uri)];
      return () => unassign(work, room, whom, which);
    },
  },
  // It has real addresses.
  'list-assigned': {
    name: 'List assigned hats',
    may: (actor, { config }) => moderates(actor) || (config.whois === 'anyone' && members(actor)),
    rows: (room) =>
      [...room.members].flatMap(([address, { hats: worn = [] }]) =>
        worn.map((hat) => [[jid, address] as const, ...cellsOf(hat)]),
      ),
  },
};

const wearer: Field = { name: jid, type: 'jid-single', label: 'User Address', required: true };

function choice({ config }: Room): Field {
  const options = config.hats.map((hat) => ({ value: hat.uri, label: hat.title }));
  return { name: uri, type: 'list-single', label: 'The hat', options, required: true };
}

function execute(request: Request): Element {
  const { room, from, work, payload } = request;
  const { node = '', action = 'execute', sessionid } = payload.attrs;
  const command = commandAt(node);
  // XEP-0050 §4.4.
  if (command === undefined) throw new StanzaError('item-not-found', 'there is no such command');
  if (!command.may(actorOf(room, from), room)) throw new StanzaError('forbidden', 'this is not for you');
  if (!['execute', 'cancel', 'prev', 'next', 'complete'].includes(action)) throw bad('malformed-action');
  // Nothing is kept between the stages: what is needed stands in the form.
  const id = sessionid ?? token(room.partition.env.random, 12);
  const answer = (status: string, children: readonly Element[] = []) =>
    el('command', NS.commands, { node, sessionid: id, status }, children);
  if (action === 'cancel') return answer('canceled');
  if (action === 'prev' || action === 'next') throw bad('bad-action');
  if (command.rows !== undefined) return answer('completed', [table(command.name, command.rows(room))]);
  const form = parseForm(payload);
  if (form === undefined) return answer('executing', stage(command, room));
  // XEP-0050 §3.5.1.
  if (form.type === 'cancel') return answer('canceled');
  if (form.type !== 'submit' || form.of !== formType) throw bad('bad-payload');
  const act = command.run!(form, request);
  work.step(() => {
    if (!command.may(actorOf(room, from), room)) throw new StanzaError('forbidden', 'this is not for you');
    request.answer();
    act();
  });
  return answer('completed');
}

function commandAt(node: string): Command | undefined {
  const name = node.startsWith(`${formType}:`) ? node.slice(formType.length + 1) : '';
  return Object.hasOwn(commands, name) ? commands[name] : undefined;
}

function stage({ name, fields }: Command, room: Room): Element[] {
  return [
    el('actions', NS.commands, { execute: 'complete' }, [el('complete', NS.commands)]),
    buildForm('form', formType, fields!(room), { title: name }),
  ];
}

/** XEP-0004 §3.4. */
function table(name: string, rows: ReturnType<NonNullable<Command['rows']>>): Element {
  const columns = name === commands['list']!.name ? [title, uri, hue] : [jid, title, uri, hue];
  const reported = columns.map((column) => el('field', NS.dataForms, { var: column }));
  const items = rows.map((row) =>
    el(
      'item',
      NS.dataForms,
      {},
      row.map(([column, text]) =>
        el('field', NS.dataForms, { var: column }, [el('value', NS.dataForms, {}, [text])]),
      ),
    ),
  );
  const form = buildForm('result', formType, [], { title: name });
  return form.withChildren([...form.children, el('reported', NS.dataForms, {}, reported), ...items]);
}

function cellsOf(hat: Hat): (readonly [string, string])[] {
  return [
    [title, hat.title],
    [uri, hat.uri],
    [hue, hat.hue ?? ''],
  ];
}

// ── forms ───────────────────────────────────────────────────────────────────────────────────────────────────────────

function hatIn(form: Form): Hat {
  const address = needed(form, uri);
  // RFC 3986 §3.
  if (!/^[a-z][a-z0-9+.-]*:\S+$/i.test(address)) throw new StanzaError('bad-request', 'a hat goes by a URI');
  const angle = form.value(hue)?.trim() ?? '';
  // XEP-0392 §5.1: degrees.
  if (angle !== '' && (!/^\d{1,3}(\.\d{1,12})?$/.test(angle) || Number(angle) > 360))
    throw new StanzaError('bad-request', 'a hue is an angle from 0 to 360');
  return { uri: address, title: needed(form, title), ...(angle === '' ? {} : { hue: angle }) };
}

function addressIn(form: Form): string {
  const address = Jid.parse(needed(form, jid));
  if (address === undefined || address.local === '')
    throw new StanzaError('jid-malformed', 'hats are for accounts');
  return address.bare;
}

function needed(form: Form, name: string): string {
  const value = form.value(name)?.trim() ?? '';
  if (value === '') throw bad('bad-payload');
  if (value.length > fixed.roomName.value) throw new StanzaError('not-acceptable', `${name} is too long`);
  return value;
}

function bad(detail: string): StanzaError {
  return new StanzaError('bad-request', undefined, 'modify', el(detail, NS.commands));
}

// ── discovery ───────────────────────────────────────────────────────────────────────────────────────────────────────

/** XEP-0050 §2.2: those that the one who asks may run. */
export function commandItems({ room, from }: Request): Element {
  const actor = actorOf(room, from);
  const items = Object.entries(commands)
    .filter(([, command]) => command.may(actor, room))
    .map(([last, { name }]) =>
      el('item', NS.discoItems, { jid: room.address, node: `${formType}:${last}`, name }),
    );
  return el('query', NS.discoItems, { node: NS.commands }, items);
}

/** XEP-0050 §2.2 and §2.3; undefined for a node that is none of these. */
export function commandInfo(node: string): Element | undefined {
  const command = commandAt(node);
  if (node !== NS.commands && command === undefined) return undefined;
  const [type, name] =
    command === undefined ? ['command-list', 'Ad-Hoc Commands'] : ['command-node', command.name];
  return el('query', NS.discoInfo, { node }, [
    el('identity', NS.discoInfo, { category: 'automation', type, name }),
    ...[NS.commands, NS.dataForms].map((feature) => el('feature', NS.discoInfo, { var: feature })),
  ]);
}
