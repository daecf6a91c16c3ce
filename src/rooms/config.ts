import type { Affiliation, Role } from './standing.ts';

/** What somebody may be in the room beside role and affiliation (XEP-0317 §3.1). */
export interface Hat {
  readonly uri: string;
  readonly title: string;
  /** An angle, as it was given. */
  readonly hue?: string | undefined;
}

/**
 * The configuration of a room (XEP-0045 §15.5.3, `muc#roomconfig`). Values are never changed, only replaced. The form and
 * what may stand in it is the matter of form.ts.
 */
export interface Config {
  readonly name: string;
  readonly description: string;
  readonly language: string;
  /** Shown in lists of rooms. */
  readonly public: boolean;
  /** Stays when nobody is in it. */
  readonly persistent: boolean;
  readonly membersOnly: boolean;
  /** Only those with voice may speak; who comes in without being known is a visitor (§5.1.1). */
  readonly moderated: boolean;
  /** '' for none. */
  readonly password: string;
  /** Who sees real addresses. */
  readonly whois: 'anyone' | 'moderators';
  /** Participants may change the subject (§8.1). */
  readonly changeSubject: boolean;
  /** Members may invite others into a members-only room. */
  readonly allowInvites: boolean;
  readonly privateMessages: 'anyone' | 'participants' | 'moderators' | 'none';
  /** Occupants; 0 for as many as the service allows. */
  readonly maxUsers: number;
  /** Roles whose presence is told to others (§15.5.3, `presencebroadcast`). */
  readonly broadcast: readonly Role[];
  /** Who may have the list of members (§9.5). */
  readonly memberList: readonly (Role | Affiliation)[];
  /** The archive keeps what is said (§7.2.10, status 170). */
  readonly logging: boolean;
  /** Messages that who comes in is shown at the most (§7.2.13). */
  readonly history: number;
  /** Visitors may ask for voice (§7.13). */
  readonly voiceRequests: boolean;
  /** Members who are away are told when they are mentioned (XEP-0452). */
  readonly mentions: boolean;
  readonly contacts: readonly string[];
  /** A group of an LDAP directory, and a node of PubSub, that belong to the room: told, not acted on. */
  readonly ldapGroup: string;
  readonly pubsub: string;
  readonly logs: string;
  /** XEP-0486: hashes of the avatar's images, with spaces between them, and the vCard that has them. */
  readonly avatar: string;
  readonly vcard: string;
  /** Those that there are (hats.ts); who wears them is said of the members. */
  readonly hats: readonly Hat[];
}

/** What a room is that nobody configures. */
export const usual: Config = {
  name: '',
  description: '',
  language: '',
  public: true,
  persistent: false,
  membersOnly: false,
  moderated: false,
  password: '',
  whois: 'moderators',
  changeSubject: false,
  allowInvites: false,
  privateMessages: 'anyone',
  maxUsers: 0,
  broadcast: ['moderator', 'participant', 'visitor'],
  memberList: ['moderator', 'participant', 'visitor'],
  logging: true,
  history: 20,
  voiceRequests: true,
  mentions: true,
  contacts: [],
  ldapGroup: '',
  pubsub: '',
  logs: '',
  avatar: '',
  vcard: '',
  hats: [],
};

/** As it is stored: what differs from the usual. A key that a later build wrote means nothing here. */
export function writeConfig(config: Config): string {
  const entries = Object.entries(config).filter(
    ([name, value]) => JSON.stringify(value) !== JSON.stringify(usual[name as keyof Config]),
  );
  return JSON.stringify(Object.fromEntries(entries));
}

export function readConfig(text: string): Config {
  const stored = JSON.parse(text) as Record<string, unknown>;
  const known = Object.entries(stored).filter(([name]) => Object.hasOwn(usual, name));
  return { ...usual, ...Object.fromEntries(known) };
}
