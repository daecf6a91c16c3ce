import { createHmac } from 'node:crypto';
import { Failure } from '../base/failure.ts';
import { fixed } from '../base/fixed.ts';
import { token } from '../base/random.ts';
import { same } from '../base/same.ts';
import { el, type Element } from '../xmpp/element.ts';
import { StanzaError } from '../xmpp/error.ts';
import { buildForm, parseForm, type Field, type Form } from '../xmpp/forms.ts';
import { NS } from '../xmpp/namespaces.ts';
import type { Command, Outcome, Run } from './admin/command.ts';
import { reportCommands } from './admin/reports.ts';
import { userCommands } from './admin/users.ts';
import { wordCommands } from './admin/words.ts';
import type { Env } from './env.ts';
import type { Feature, Request } from './iq.ts';

/**
 * What administrators do in a client (XEP-0050, XEP-0133): at the domain and at their own address. For everybody else the
 * list is empty and nothing can be run. Restarting and shutting down are not here: `muster drain` and the supervisor know
 * what of a pool may stop, and a client's form does not.
 */
const all: ReadonlyMap<string, Command> = new Map(
  [...userCommands, ...reportCommands, ...wordCommands].map((command) => [
    `${NS.admin}#${command.node}`,
    command,
  ]),
);

const request = `set command ${NS.commands}`;

export const commands: Feature = {
  server: { [request]: execute },
  account: { [request]: execute },
  blind: {
    [request]: () => {
      throw new StanzaError('forbidden', undefined, 'cancel');
    },
  },
  // They go to other accounts' owners, and may end the session that asks.
  aside: [request],
  serverFeatures: [NS.commands],
  accountFeatures: [NS.commands],
  offers: { items, info },
};

/** XEP-0050 §2.2: also an empty list is a list. */
function items(node: string, { account, to }: Request): Element | undefined {
  if (node !== NS.commands) return undefined;
  const shown = account.admin && account.partition.env.administering !== undefined ? [...all] : [];
  return el(
    'query',
    NS.discoItems,
    { node },
    shown.map(([name, command]) => el('item', NS.discoItems, { jid: to, node: name, name: command.name })),
  );
}

function info(node: string, { account }: Request): Element | undefined {
  const about = (type: string, name: string) =>
    el('query', NS.discoInfo, { node }, [
      el('identity', NS.discoInfo, { category: 'automation', type, name }),
      ...[NS.commands, NS.dataForms, NS.discoInfo, NS.discoItems].map((feature) =>
        el('feature', NS.discoInfo, { var: feature }),
      ),
    ]);
  if (node === NS.commands) return about('command-list', 'Ad-Hoc Commands');
  const command = all.get(node);
  if (command === undefined) return undefined;
  // §2.2: "If the command is not available to the requester".
  if (!account.admin) throw new StanzaError('forbidden', undefined, 'cancel');
  return about('command-node', command.name);
}

const actions = ['execute', 'cancel', 'prev', 'next', 'complete'];

async function execute({ account, session, payload, to }: Request): Promise<Element> {
  const { env } = account.partition;
  const { administering: service } = env;
  if (!account.admin || service === undefined) throw new StanzaError('forbidden', undefined, 'cancel');
  const { node = '', action = 'execute', sessionid } = payload.attrs;
  const command = all.get(node);
  // §4, "cannot find the requested command node".
  if (command === undefined) throw new StanzaError('item-not-found');
  if (!actions.includes(action)) throw refused('malformed-action');
  const domain = to.includes('@') ? to.slice(to.indexOf('@') + 1) : to;
  const run: Run = { service, domain, self: account.address };
  const bound = `${session.full}\0${to}\0${node}`;
  const id = sessionid ?? opened(env, bound);
  const answer = (status: string, children: readonly Element[] = []) =>
    el('command', NS.commands, { node, sessionid: id, status, 'xml:lang': 'en' }, children);

  if (sessionid === undefined) {
    if (action !== 'execute') throw refused('bad-sessionid');
    if (command.form !== undefined) return answer('executing', await stage(command, run));
    return answer('completed', outcome(command, await done(command, run, none)));
  }
  check(env, bound, sessionid);
  if (action === 'cancel') {
    ended(env, sessionid);
    return answer('canceled');
  }
  // There is one stage: nothing lies before or behind it.
  if (action === 'prev' || action === 'next' || command.form === undefined) throw refused('bad-action');
  const form = formIn(payload);
  if (form === undefined) throw refused('bad-payload');
  const fields = await command.form.fields(run);
  if (
    fields.some(({ name, required }) => required && form.values(name).every((value) => value.trim() === ''))
  )
    throw refused('bad-payload');
  const came = await done(command, run, form);
  ended(env, sessionid);
  return answer('completed', outcome(command, came));
}

const none = parseForm(el('command', NS.commands, {}, [buildForm('submit', NS.admin)]))!;

/** The form that is to be filled in, and what may be done with it (§3.4). */
async function stage({ form }: Command, run: Run): Promise<Element[]> {
  const { title, instructions } = form!;
  return [
    el('actions', NS.commands, { execute: 'complete' }, [el('complete', NS.commands)]),
    buildForm('form', NS.admin, await form!.fields(run), { title, instructions }),
  ];
}

/** §3.5.1: a form of type `cancel` counts as submitted. */
function formIn(payload: Element): Form | undefined {
  let form: Form | undefined;
  try {
    form = parseForm(payload);
  } catch {
    throw refused('bad-payload');
  }
  if (form !== undefined && form.of !== '' && form.of !== NS.admin) throw refused('bad-payload');
  return form;
}

function outcome({ name }: Command, { fields, content = [], notes = [] }: Outcome): Element[] {
  const said = notes.map(({ type, text }) => el('note', NS.commands, { type }, [text]));
  if (fields === undefined) return said;
  const form = buildForm('result', NS.admin, fields as readonly Field[], { title: name });
  return [...said, form.withChildren([...form.children, ...content])];
}

async function done(command: Command, run: Run, form: Form): Promise<Outcome> {
  try {
    return await command.run(run, form);
  } catch (error) {
    throw error instanceof Failure ? shown(error) : error;
  }
}

/** XEP-0133 §5. */
function shown({ code, message }: Failure): StanzaError {
  switch (code) {
    case 'account-exists':
      return new StanzaError('conflict', message);
    case 'account-missing':
    case 'session-missing':
      return new StanzaError('item-not-found', message);
    case 'not-allowed':
      return new StanzaError('not-allowed', message);
    case 'account-domain':
    case 'address-malformed':
    case 'password-unusable':
    case 'password-weak':
      return new StanzaError('not-acceptable', message);
    default:
      return new StanzaError('resource-constraint', message);
  }
}

// ── sessions ────────────────────────────────────────────────────────────────────────────────────────────────────────

/**
 * §3.3: an id is good for one client, command and place, for a while, and once. It proves that itself, so that it holds
 * wherever the account's owner is by then; which ones are over, an owner remembers.
 */
function opened(env: Env, bound: string): string {
  const until = Math.floor(env.clock.now() / 1000) + fixed.commandTime.value;
  const head = `${until.toString(36)}.${token(env.random, 9)}`;
  return `${head}.${proof(env, bound, head)}`;
}

function check(env: Env, bound: string, id: string): void {
  const at = id.lastIndexOf('.');
  const head = id.slice(0, Math.max(0, at));
  if (!same(proof(env, bound, head), id.slice(at + 1))) throw refused('bad-sessionid');
  const until = Number.parseInt(head, 36);
  if (until * 1000 < env.clock.now() || over.get(env)?.has(id) === true)
    throw new StanzaError('not-allowed', undefined, 'cancel', el('session-expired', NS.commands));
}

function proof(env: Env, bound: string, head: string): string {
  return createHmac('sha256', env.secret)
    .update(`command\0${bound}\0${head}`)
    .digest('base64url')
    .slice(0, 22);
}

const over = new WeakMap<Env, Set<string>>();

function ended(env: Env, id: string): void {
  const ids = over.get(env) ?? new Set();
  over.set(env, ids.add(id));
  if (ids.size <= fixed.commandsEnded.value) return;
  for (const oldest of ids) {
    ids.delete(oldest);
    return;
  }
}

/** XEP-0050 §4. */
function refused(what: 'malformed-action' | 'bad-action' | 'bad-payload' | 'bad-sessionid'): StanzaError {
  return new StanzaError('bad-request', undefined, 'modify', el(what, NS.commands));
}
