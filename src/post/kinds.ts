/** What a stored stanza is, which decides who sees it (account/view.ts); a letter carries it to its recipient. */
export type Kind = 0 | 1 | 2 | 3 | 4;
/** A message that carbons may copy; and one that they must not (XEP-0280 §6.1). */
export const copied: Kind = 0;
export const uncopied: Kind = 3;
/** An error that came back for a message of this account: for the session that sent it, and nobody else. */
export const bounce: Kind = 1;
/** A presence stanza of the subscription kind; its lasting effect is in the roster. */
export const subscription: Kind = 2;
/** What is for a room: its sender keeps a row of it only while it waits in the outbox (DESIGN §3). */
export const forRoom: Kind = 4;
