import type { Config } from './config.ts';

/** Lasting, by bare address (XEP-0045 §5.2). */
export type Affiliation = 'owner' | 'admin' | 'member' | 'none' | 'outcast';
/** While somebody is in (XEP-0045 §5.1). */
export type Role = 'moderator' | 'participant' | 'visitor' | 'none';

/** How much an affiliation is; more goes before less. */
export const rankOf: Readonly<Record<Affiliation, number>> = {
  owner: 3,
  admin: 2,
  member: 1,
  none: 0,
  outcast: -1,
};

export const isAffiliation = (text: string): text is Affiliation => Object.hasOwn(rankOf, text);
export const isRole = (text: string): text is Role =>
  text === 'moderator' || text === 'participant' || text === 'visitor' || text === 'none';

/** The role with which somebody comes in (XEP-0045 §5.1.2, tables 3 and 4). */
export function roleOf(affiliation: Affiliation, { moderated }: Pick<Config, 'moderated'>): Role {
  switch (affiliation) {
    case 'owner':
    case 'admin':
      return 'moderator';
    case 'member':
      return 'participant';
    case 'none':
      return moderated ? 'visitor' : 'participant';
    default:
      return 'none';
  }
}
