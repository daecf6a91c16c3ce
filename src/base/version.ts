import description from '../../package.json' with { type: 'json' };

/** The version of this program. */
export const version: string = description.version;

/** What it calls itself (XEP-0092). */
export const softwareName = 'Muster';
