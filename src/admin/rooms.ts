import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { fixed } from '../base/fixed.ts';
import type { Log } from '../base/log.ts';
import { pageMax, type Administration } from './administration.ts';
import { checked } from './checked.ts';

const address = z.string().max(3071);
const page = z.object({
  after: address.optional(),
  limit: z.coerce.number().int().min(1).max(pageMax).default(pageMax),
});
const order = z.strictObject({
  address,
  owner: address.optional(),
  name: z.string().max(fixed.roomName.value).optional(),
  membersOnly: z.boolean().optional(),
  public: z.boolean().optional(),
  moderated: z.boolean().optional(),
});
const farewell = z.strictObject({
  alternate: address.optional(),
  reason: z.string().max(fixed.roomWords.value).optional(),
});
const age = z.strictObject({ before: z.number().int().min(0).optional() });
const standing = z.strictObject({ affiliation: z.enum(['owner', 'admin', 'member', 'none', 'outcast']) });

/**
 * Rooms: GET /admin/rooms?after=ADDRESS&limit=N, GET /admin/rooms/ADDRESS, POST /admin/rooms {address, owner, name,
 * membersOnly, public, moderated}, POST /admin/rooms/ADDRESS/destroy {alternate, reason},
 * POST /admin/rooms/ADDRESS/purge {before} answers {removed}, PUT /admin/rooms/ADDRESS/affiliations/JID {affiliation}.
 */
export function rooms(app: FastifyInstance, { rooms: of }: Administration, log: Log): void {
  const named = (request: FastifyRequest) => request.params as { address: string; jid: string };

  app.get('/admin/rooms', (request) => {
    const { after, limit } = checked(page, request.query);
    return of.list(after, limit);
  });
  app.get('/admin/rooms/:address', (request) => of.show(named(request).address));
  app.post('/admin/rooms', async (request, reply) => {
    const { address: wanted, ...rest } = checked(order, request.body);
    const made = await of.create(wanted, given(rest));
    log.info({ room: made, owner: rest.owner }, 'room made');
    return reply.code(201).send({ address: made });
  });
  app.post('/admin/rooms/:address/destroy', async (request, reply) => {
    await of.destroy(named(request).address, given(checked(farewell, request.body)));
    log.info({ room: named(request).address }, 'room destroyed');
    return reply.code(204).send();
  });
  app.post('/admin/rooms/:address/purge', async (request) => {
    const { before } = checked(age, request.body);
    const removed = await of.purge(named(request).address, before);
    log.info({ room: named(request).address, before, removed }, 'messages of a room removed');
    return { removed };
  });
  app.put('/admin/rooms/:address/affiliations/:jid', async (request, reply) => {
    const { address: room, jid } = named(request);
    const { affiliation } = checked(standing, request.body);
    await of.grant(room, jid, affiliation);
    log.info({ room, jid, affiliation }, 'affiliation changed');
    return reply.code(204).send();
  });
}

/** Without what was left out. */
function given<T extends object>(asked: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(asked).filter(([, value]) => value !== undefined)) as never;
}
