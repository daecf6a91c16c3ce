/** The part of `fixed.ts` that bounds protocol extensions: what clients' features may take. */
export const extensions = {
  transferPiece: {
    value: 524_288,
    unit: 'characters',
    of: 'one piece of an account that is imported: a message, a contact, a vCard; and what is sent to its owner at once',
    overflow: 'it is left out, and the import says so; a text or tag without an end stops the import',
  },
  transferElements: {
    value: 20_000,
    unit: 'elements',
    of: 'elements of one such piece',
    overflow: 'it is left out, and the import says so',
  },
  transferPieces: {
    value: 50,
    unit: 'pieces',
    of: 'pieces of an imported account that are stored at once',
    overflow: 'further ones go with the next unit',
  },
} as const;
