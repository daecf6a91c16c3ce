import type { Element } from '../xmpp/element.ts';

/** Lists of people that an administrator may ask for (XEP-0133 §4.18 to §4.22). */
export type People = 'registered' | 'disabled' | 'online' | 'active' | 'idle';
/** What is told to people when they come: to everybody once, or to new ones at their first login. */
export type NoticeName = 'motd' | 'welcome';

/** What is known of a person. */
export interface About {
  readonly address: string;
  readonly admin: boolean;
  readonly disabled: boolean;
  readonly contacts: number;
  /** Of live sessions. */
  readonly resources: readonly string[];
  readonly addresses: readonly string[];
  /** When the newest session began, or the last one ended; milliseconds since the epoch, undefined where nobody knows. */
  readonly seen: number | undefined;
}

/**
 * What administrators' commands (commands.ts) need of the whole community, whichever servers its accounts are on. Addresses
 * are bare ones. Rejects with the failures of `src/admin/administration.ts`: `account-missing`, `account-exists`,
 * `account-domain`, `address-malformed`, `password-unusable`, `server-unreachable` and so on.
 */
export interface Administering {
  add(address: string, password: string): Promise<string>;
  passwd(address: string, password: string): Promise<void>;
  remove(address: string): Promise<void>;
  disable(address: string, disabled: boolean): Promise<void>;
  promote(address: string, admin: boolean): Promise<void>;
  /** Ends its sessions, or that of one resource; tells how many. */
  kick(address: string, resource: string | undefined): Promise<number>;
  about(address: string): Promise<About>;
  roster(address: string): Promise<Element>;
  count(domain: string, who: People): Promise<number>;
  /** In the order of their addresses, at most `limit`. */
  list(domain: string, who: People, limit: number): Promise<readonly string[]>;
  administrators(domain: string): Promise<readonly string[]>;
  /** Tells everybody who is there now; resolves when all servers have begun to. */
  announce(domain: string, text: string): Promise<void>;
  notice(domain: string, name: NoticeName): Promise<string | undefined>;
  /** `anew`: also those who got an earlier one get it. */
  setNotice(domain: string, name: NoticeName, text: string, anew: boolean): Promise<void>;
  /** False where there is none. */
  removeNotice(domain: string, name: NoticeName): Promise<boolean>;
}
