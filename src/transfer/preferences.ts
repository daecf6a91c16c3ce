import { accountRows, readPreferences } from '../account/accountrows.ts';
import { preferencesIn, preferencesOf } from '../account/prefs.ts';
import { sql } from '../store/store.ts';
import { serialise } from '../xmpp/serialise.ts';
import type { Part } from './parts.ts';

const rows = { prefs: sql`select prefs from account where partition = $1 and id = $2` };

/** What the archive shows (XEP-0441), an element of ours inside `<user/>`. */
export const preferences: Part = {
  give: async function* ({ store, partition, account }) {
    const [row] = await store.query<{ prefs: string | null }>(rows.prefs, [partition, account]);
    if (row !== undefined && row.prefs !== null)
      yield serialise(preferencesOf(readPreferences(row.prefs)), '');
  },
  take: (intake, pieces) => {
    const piece = pieces.at(-1);
    if (piece === undefined || (intake.preferences !== null && intake.mode !== 'replace')) return;
    try {
      const wanted = preferencesIn(piece.element, intake.env.limits.preferences);
      intake.write(accountRows.preferences, [intake.partition, intake.account, JSON.stringify(wanted)]);
    } catch (error) {
      intake.skip(piece.line, `the preferences of the archive are left out: ${(error as Error).message}`);
    }
  },
};
