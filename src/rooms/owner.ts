import type { Element } from '../xmpp/element.ts';
import { el } from '../xmpp/element.ts';
import { StanzaError } from '../xmpp/error.ts';
import { parseForm, type Form } from '../xmpp/forms.ts';
import { NS } from '../xmpp/namespaces.ts';
import { appoint, having } from './appoint.ts';
import { configure } from './configure.ts';
import { destroyRoom, venueOf } from './destroy.ts';
import { changed, configForm, roomConfig, staffIn } from './form.ts';
import type { Feature, Request } from './iq.ts';

/** What owners do with a room as such (XEP-0045 §10). */
export const owner: Feature = {
  room: {
    [`get query ${NS.mucOwner}`]: show,
    [`set query ${NS.mucOwner}`]: set,
  },
};

/** §10.1.3 and §10.2. */
function show(request: Request): Element {
  const { room } = request;
  onlyOwners(request);
  const staff = { admins: having(room, 'admin'), owners: having(room, 'owner') };
  const form = configForm(room.address, room.config, staff, room.partition.env.limits);
  return el('query', NS.mucOwner, {}, [form]);
}

function set(request: Request): undefined {
  const { room, work, payload } = request;
  onlyOwners(request);
  const [destroy, ...more] = payload.elements('destroy');
  const form = parseForm(payload);
  if ((destroy === undefined) === (form === undefined) || more.length > 0)
    throw new StanzaError('bad-request', 'either a form or the end of the room');
  if (destroy !== undefined) {
    const venue = venueOf(destroy);
    work.step(() => destroyRoom(work, room, venue));
  } else if (form!.type === 'submit') submit(request, form!);
  else if (form!.type !== 'cancel') throw new StanzaError('bad-request', 'neither submitted nor cancelled');
  // §10.1.3: a room whose first configuration is cancelled is not made. §10.2: later it stays as it was.
  else if (room.locked) work.step(() => destroyRoom(work, room));
}

function submit({ room, work, occupant }: Request, form: Form): void {
  const { limits } = room.partition.env;
  // §10.1.2: an instant room takes what is usual.
  if (form.names.length > 0 && form.of !== roomConfig)
    throw new StanzaError('bad-request', 'this is no form of a room’s configuration');
  const staff = staffIn(form);
  const next = changed(room.config, form, limits);
  work.step(() => {
    appoint(work, room, staff, occupant?.nick);
    configure(work, room, next);
  });
}

function onlyOwners({ room, from }: Request): void {
  if (room.affiliation(from) !== 'owner')
    throw new StanzaError('forbidden', 'this is for owners of the room');
}
