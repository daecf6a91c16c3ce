import type { StanzaCondition } from '../xmpp/error.ts';
import type { Config } from './config.ts';
import { rankOf, roleOf, type Affiliation, type Role } from './standing.ts';

/**
 * Who may do what to whom (XEP-0045 §5, §8, §9, §10), as tables and functions of values. A function answers with the
 * condition of the refusal: `forbidden` for who has not the power at all, `not-allowed` where it does not reach the one who
 * is meant, `conflict` for what nobody may do to themselves; undefined where it may be done.
 */
export interface Actor {
  readonly affiliation: Affiliation;
  /** The highest one of the account's sessions that are in; `none` where it is not in. */
  readonly role: Role;
}

export interface Target extends Actor {
  /** The actor means themselves. */
  readonly self: boolean;
}

type Present = Exclude<Role, 'none'>;

/** §5.1.3: who turns somebody who is in as what (the row) into what. An admin's power holds a moderator's. */
const roleTakes: Readonly<Record<Present, Readonly<Record<Role, 'moderator' | 'admin'>>>> = {
  visitor: { none: 'moderator', visitor: 'moderator', participant: 'moderator', moderator: 'admin' },
  participant: { none: 'moderator', visitor: 'moderator', participant: 'moderator', moderator: 'admin' },
  moderator: { none: 'admin', visitor: 'admin', participant: 'admin', moderator: 'admin' },
};

/** §5.2.2: who turns somebody of an affiliation (the row) into what. */
const affiliationTakes: Readonly<Record<Affiliation, Readonly<Record<Affiliation, 'admin' | 'owner'>>>> = {
  outcast: { outcast: 'admin', none: 'admin', member: 'admin', admin: 'owner', owner: 'owner' },
  none: { outcast: 'admin', none: 'admin', member: 'admin', admin: 'owner', owner: 'owner' },
  member: { outcast: 'admin', none: 'admin', member: 'admin', admin: 'owner', owner: 'owner' },
  admin: { outcast: 'owner', none: 'owner', member: 'owner', admin: 'owner', owner: 'owner' },
  owner: { outcast: 'owner', none: 'owner', member: 'owner', admin: 'owner', owner: 'owner' },
};

const isAdmin = (affiliation: Affiliation): boolean => rankOf[affiliation] >= rankOf.admin;

/** Has the powers of §8. Admins and owners have them also while they are not in. */
export function moderates({ affiliation, role }: Actor): boolean {
  return role === 'moderator' || isAdmin(affiliation);
}

/** Kick (`none`), grant and revoke voice, make and unmake moderators. The target is in. */
export function refuseRole(actor: Actor, target: Target, wanted: Role): StanzaCondition | undefined {
  const lacks = !moderates(actor) ? 'forbidden' : undefined;
  // Of moderators only admins dispose; the rules below say first whom nobody disposes of.
  const beyond =
    target.role !== 'none' && roleTakes[target.role][wanted] === 'admin' && !isAdmin(actor.affiliation)
      ? 'forbidden'
      : undefined;
  const [mine, theirs] = [rankOf[actor.affiliation], rankOf[target.affiliation]];
  switch (wanted) {
    case 'none':
      if (lacks !== undefined) return lacks;
      // §8.2: who would kick themselves may leave.
      if (target.self) return 'conflict';
      return theirs > mine ? 'not-allowed' : beyond;
    case 'visitor':
      if (lacks !== undefined) return lacks;
      // §8.4: nobody takes it from admins and owners; a moderator from nobody whose affiliation is at or above the own one.
      if (isAdmin(target.affiliation)) return 'not-allowed';
      if (theirs >= mine && theirs > rankOf.none && !target.self) return 'not-allowed';
      return beyond;
    case 'participant':
      // §9.7: admins and owners are moderators, whatever anybody says.
      return lacks ?? beyond ?? (isAdmin(target.affiliation) ? 'not-allowed' : undefined);
    default:
      return lacks ?? beyond;
  }
}

/** Ban (`outcast`), grant and revoke membership, make and unmake admins and owners. */
export function refuseAffiliation(
  actor: Actor,
  target: Omit<Target, 'role'>,
  wanted: Affiliation,
): StanzaCondition | undefined {
  if (!isAdmin(actor.affiliation)) return 'forbidden';
  // §9.1: nobody bans themselves.
  if (wanted === 'outcast' && target.self) return 'conflict';
  if (affiliationTakes[target.affiliation][wanted] === 'admin' || actor.affiliation === 'owner')
    return undefined;
  // §9.1 says of bans that they do not reach that far, §10.3 to §10.8 of the rest that it is the owners' alone.
  return wanted === 'outcast' ? 'not-allowed' : 'forbidden';
}

/** Lists of who is in by role (§8.5, §9.8). */
export function refuseRoleList(actor: Actor, wanted: Present): StanzaCondition | undefined {
  const may = wanted === 'moderator' ? isAdmin(actor.affiliation) : moderates(actor);
  return may ? undefined : 'forbidden';
}

/**
 * Lists by affiliation. That of the members is for whom the configuration names (§9.5), which in a semi-anonymous room are
 * moderators at the most: it has real addresses (§5.2.1). Those of admins and owners are for owners (§10.5, §10.8); in a
 * non-anonymous room, where everybody sees them, for whoever may have that of the members.
 */
export function refuseAffiliationList(
  actor: Actor,
  wanted: Affiliation,
  config: Pick<Config, 'whois' | 'memberList' | 'moderated' | 'membersOnly'>,
): StanzaCondition | undefined {
  const { affiliation } = actor;
  if (affiliation === 'owner') return undefined;
  if (wanted === 'outcast') return isAdmin(affiliation) ? undefined : 'forbidden';
  if (wanted === 'member')
    return isAdmin(affiliation) || listsMembers(actor, config) ? undefined : 'forbidden';
  return config.whois === 'anyone' && (isAdmin(affiliation) || listsMembers(actor, config))
    ? undefined
    : 'forbidden';
}

function listsMembers(
  { affiliation, role }: Actor,
  { whois, memberList, moderated }: Pick<Config, 'whois' | 'memberList' | 'moderated'>,
): boolean {
  if (affiliation === 'outcast') return false;
  // §9.5: a member need not be in; as what it would be is what counts.
  const as = role === 'none' && affiliation === 'member' ? roleOf(affiliation, { moderated }) : role;
  if (whois === 'moderators') return as === 'moderator' && memberList.includes(as);
  return (
    (as !== 'none' && memberList.includes(as)) || (affiliation !== 'none' && memberList.includes(affiliation))
  );
}

/**
 * What becomes of the role of somebody who is in when the affiliation changes (§5.1.3, note): what is gained with it is
 * certain; of what is lost, only what the affiliation had brought goes. `none`: out.
 */
export function roleAfter(
  role: Role,
  before: Affiliation,
  after: Affiliation,
  config: Pick<Config, 'moderated' | 'membersOnly'>,
): Role {
  // §9.1 and §9.4.
  if (after === 'outcast' || (after === 'none' && config.membersOnly)) return 'none';
  const usual = roleOf(after, config);
  if (isAdmin(after)) return usual;
  if (rankOf[after] > rankOf[before]) return degree[usual] > degree[role] ? usual : role;
  return role === roleOf(before, config) ? usual : role;
}

const degree: Readonly<Record<Role, number>> = { none: 0, visitor: 1, participant: 2, moderator: 3 };

/** The higher one. */
export function higher(a: Role, b: Role): Role {
  return degree[a] >= degree[b] ? a : b;
}
