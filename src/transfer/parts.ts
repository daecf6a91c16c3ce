import type { Arrived, Intake } from './intake.ts';
import { blocked, privacy } from './blocks.ts';
import { archive, offline } from './messages.ts';
import { keys } from './keys.ts';
import { item, node } from './nodes.ts';
import { preferences } from './preferences.ts';
import { privateXml, vcard } from './profile.ts';
import { request, roster } from './roster.ts';
import type { PartName } from './shapes.ts';
import type { Source } from './source.ts';

/** A kind of thing that an account has: how it is written into a file of XEP-0227, and stored again. */
export interface Part {
  /** The text of it inside `<user/>`, in pieces; nothing where there is none. */
  readonly give?: (source: Source) => AsyncIterable<string>;
  /**
   * Adds what these pieces say to the intake's unit. What is there already stays as it is, so that the same pieces
   * change nothing the second time.
   */
  take(intake: Intake, pieces: readonly Arrived[]): Promise<void> | void;
  /** Once all pieces of a unit were taken. */
  end?(intake: Intake): Promise<void> | void;
}

/** Every part; they are written in this order (the schema of XEP-0227 wants offline messages first). */
export const parts: Readonly<Record<PartName, Part>> = {
  offline,
  keys,
  roster,
  request,
  preferences,
  node,
  item,
  vcard,
  private: privateXml,
  privacy,
  blocked,
  archive,
};
