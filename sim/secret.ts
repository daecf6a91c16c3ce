/** What owners know and nobody else: keys their tickets. */
export const secret = new Uint8Array(32).fill(7);
