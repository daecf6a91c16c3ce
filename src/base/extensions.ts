/** The part of `fixed.ts` that bounds protocol extensions: what clients' features may take. */
export const extensions = {} as const;
